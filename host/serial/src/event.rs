//! A line of the device's console: milliseconds since boot, the event's stable name, and text.
//!
//! ```text
//!     1234 wifi.joined joined as 192.168.1.7, -58 dBm          the firmware
//!    1.234  device  wifi.joined     joined as 192.168.1.7      `esptb simulate --headless`
//! ```

/// What a console line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLine<'a> {
    /// Milliseconds since boot.
    pub uptime_ms: u64,
    /// The event's name (`device::event::Event::name`).
    pub name: &'a str,
    /// What it says to a person.
    pub text: &'a str,
}

/// Names without a dot.
const PLAIN_NAMES: [&str; 4] = ["boot", "restart", "panic", "memory"];

impl<'a> EventLine<'a> {
    /// Reads a line; none if it is not one of these.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (time, rest) = line.trim_start().split_once(' ')?;
        let uptime_ms = milliseconds(time)?;
        let rest = rest.trim_start();
        // The simulator's lines tell who speaks.
        let rest = match rest.strip_prefix("device ") {
            Some(rest) => rest.trim_start(),
            None => rest,
        };
        let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_name = PLAIN_NAMES.contains(&name)
            || name.split('.').count() > 1
                && name
                    .split('.')
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
        is_name.then(|| Self {
            uptime_ms,
            name,
            text: text.trim(),
        })
    }

    /// A number before a word: the 81,234 of `81234 B free`.
    pub fn number_before(&self, words: &str) -> Option<u64> {
        let before = self.text.split(words).next()?;
        if before.len() == self.text.len() {
            return None;
        }
        before.trim_end().rsplit(' ').next()?.parse().ok()
    }

    /// Whether it is bad news.
    pub fn is_bad(&self) -> bool {
        const BAD: [&str; 7] = [
            ".failed", ".refused", ".lost", ".locked", ".dropped", ".sensor", "panic",
        ];
        BAD.iter().any(|end| self.name.ends_with(end))
    }

    /// Whether it is what one waits for.
    pub fn is_good(&self) -> bool {
        const GOOD: [&str; 6] = [".done", ".joined", ".set", ".tls", ".online", ".proven"];
        GOOD.iter().any(|end| self.name.ends_with(end))
    }
}

/// `1234`, or seconds as `1.234`.
fn milliseconds(text: &str) -> Option<u64> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        Some((seconds, rest)) if is_digits(seconds) && rest.len() == 3 && is_digits(rest) => {
            let (seconds, rest) = (seconds.parse::<u64>().ok()?, rest.parse::<u64>().ok()?);
            seconds.checked_mul(1000)?.checked_add(rest)
        }
        None if is_digits(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consoles_of_both_bodies_are_read() {
        let expected = EventLine {
            uptime_ms: 1234,
            name: "wifi.joined",
            text: "joined as 192.168.1.7, -58 dBm",
        };
        for line in [
            "    1234 wifi.joined joined as 192.168.1.7, -58 dBm",
            "    1.234  device  wifi.joined              joined as 192.168.1.7, -58 dBm",
        ] {
            assert_eq!(EventLine::parse(line), Some(expected.clone()));
        }
        let boot = EventLine::parse("0 boot started (power-on)").unwrap();
        assert_eq!((boot.uptime_ms, boot.name), (0, "boot"));
        let own = device::event::Event::WifiLost;
        let line = format!("{:8} {} {own}", 7, own.name());
        assert_eq!(EventLine::parse(&line).unwrap().name, "wifi.lost");
    }

    #[test]
    fn other_lines_are_no_events() {
        for line in [
            "",
            " ",
            "12",
            "ets Jul 29 2019 12:21:46",
            "I (24) boot: ESP-IDF v5.4.1 2nd stage bootloader",
            "12 Boot x",
            "12 a..b x",
            "1.2 wifi.joined x",
            "-1 wifi.joined x",
            "99999999999999999999999 wifi.joined x",
            "18446744073709551.616 wifi.joined x",
        ] {
            assert_eq!(EventLine::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn memory_is_found_in_the_text() {
        let line = EventLine::parse("1 telemetry.sampled 21.0 °C 81234 B free at 1 ms").unwrap();
        assert_eq!(line.number_before("B free"), Some(81_234));
        assert_eq!(line.number_before("B used"), None);
        let line = EventLine::parse("1 memory x B free").unwrap();
        assert_eq!(line.number_before("B free"), None);
    }
}
