//! Arguments that several commands take, read from how people write them.

use std::path::PathBuf;
use std::time::Duration;

use device::platform::Passphrase;
use device::settings::{LEAST_INTERVAL_MS, MOST_INTERVAL_MS, Settings};
use flashimage::Chip;
use seal::Block;
use simulator::wifi::Network;

/// The longest network name, in bytes (IEEE 802.11).
const LONGEST_NAME: usize = 32;

/// `4096`, `0x1000`, `4K`, `4M`.
pub(crate) fn bytes(text: &str) -> Result<u32, String> {
    let explain = || format!("`{text}` is no number of bytes: write 4096, 0x1000, 4K or 4M");
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse::<u32>(),
    };
    number
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(explain)
}

/// `30s`, `2m`, `1h`, `500ms`, or seconds without a unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let explain = || format!("`{text}` is no duration: write 500ms, 30s, 2m or 1h");
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let ms = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(explain()),
    };
    let number: u32 = digits.parse().map_err(|_| explain())?;
    match u64::from(number) * ms {
        0 => Err(explain()),
        ms => Ok(Duration::from_millis(ms)),
    }
}

/// The name, its `\:` resolved, and what follows the first other colon.
pub(crate) fn split(text: &str) -> (String, Option<&str>) {
    let mut name = String::new();
    let mut rest = text;
    loop {
        match rest.split_once(':') {
            Some((before, after)) => match before.strip_suffix('\\') {
                Some(before) => {
                    name.push_str(before);
                    name.push(':');
                    rest = after;
                }
                None => return (name + before, Some(after)),
            },
            None => return (name + rest, None),
        }
    }
}

/// A version, as the field for it in an image has room.
pub(crate) fn simulated_version(text: &str) -> Result<String, String> {
    match (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("a version has 1 to 32 printable characters".to_owned()),
    }
}

/// `SSID` or `SSID:PASSPHRASE`, a colon in the name written `\:`: a network of the simulated air.
pub(crate) fn network(text: &str) -> Result<Network, String> {
    let (name, passphrase) = split(text);
    let (name, passphrase) = (name.as_str(), passphrase.unwrap_or_default());
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(format!(
            "the name of a network has 1 to {LONGEST_NAME} bytes"
        ));
    }
    let is_usable = |passphrase: Passphrase| !passphrase.is_too_short();
    if !Passphrase::new(passphrase.as_bytes()).is_some_and(is_usable) {
        return Err(
            "a passphrase has 8 to 63 bytes, a key 64 hexadecimal digits; leave it out for an open \
             network"
                .into(),
        );
    }
    Ok(Network::new(name, passphrase, -50))
}

/// `mqtts://HOST[:PORT]`, as the device takes it.
pub(crate) fn broker(text: &str) -> Result<String, String> {
    let json = serde_json::json!({ "broker": text }).to_string();
    match Settings::parse(json.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write mqtts://HOST or mqtts://HOST:PORT".into()),
    }
}

/// Between two samples, as the device takes it.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    let range = u128::from(LEAST_INTERVAL_MS)..=u128::from(MOST_INTERVAL_MS);
    if range.contains(&interval.as_millis()) {
        Ok(interval)
    } else {
        Err("a device samples every 100ms to 1h".into())
    }
}

/// `esp32c3`, also as people write it: `ESP32-C3`.
pub(crate) fn chip(text: &str) -> Result<Chip, String> {
    text.to_ascii_lowercase()
        .replace('-', "")
        .parse()
        .map_err(|_| format!("`{text}` is no chip: write it like {}", example_chip()))
}

fn example_chip() -> String {
    // The number of the default chip in the headers of images (esp_chip_id_t of ESP-IDF).
    Chip::try_from(5).map_or_else(|_| String::new(), |chip| chip.to_string())
}

/// `24:0A:C4:1A:2B:3C`: a station's address.
pub(crate) fn mac(text: &str) -> Result<[u8; 6], String> {
    let explain = || format!("`{text}` is no address: write it like 24:0A:C4:1A:2B:3C");
    let parts: Vec<_> = text.split([':', '-']).collect();
    let bytes = parts
        .iter()
        .map(|part| match part.len() {
            2 if !part.starts_with('+') => u8::from_str_radix(part, 16).map_err(|_| explain()),
            _ => Err(explain()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mac: [u8; 6] = bytes.try_into().map_err(|_| explain())?;
    // Group addresses belong to no station.
    if mac[0] & 1 == 1 {
        Err(explain())
    } else {
        Ok(mac)
    }
}

/// `3:hmac.bin`: a block of eFuses for keys, and a file.
pub(crate) fn efuse_key(text: &str) -> Result<(Block, PathBuf), String> {
    let parts = text.split_once(':');
    let parts = parts.and_then(|(block, file)| Some((Block::new(block.parse().ok()?)?, file)));
    let (block, file) = parts.ok_or("write the block, 0 to 5, a colon, and the file of the key")?;
    Ok((block, file.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_several_ways() {
        for (text, size) in [
            ("4096", 4096),
            ("0x1000", 4096),
            ("4K", 4096),
            ("16m", 16 << 20),
        ] {
            assert_eq!(bytes(text), Ok(size));
        }
        for text in [
            "",
            "K",
            "0x",
            "-1",
            "4G",
            "4096M",
            "4.5K",
            "0xFFFFFFFFF",
            "4µ",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, ms) in [
            ("30s", 30_000),
            ("30", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)));
        }
        for text in ["", "s", "0s", "-1s", "1d", "1.5s", "99999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brokers_and_intervals_are_those_that_a_device_takes() {
        assert!(broker("mqtts://tb.example:1883").is_ok());
        for text in [
            "mqtt://tb.example",
            "mqtts://",
            "tb.example",
            "mqtts://a\"b",
        ] {
            assert!(broker(text).is_err(), "{text}");
        }
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert!(interval("1ms").is_err() && interval("2h").is_err());
    }

    #[test]
    fn networks_have_a_name_and_perhaps_a_passphrase() {
        assert_eq!(
            network("home:correct horse").unwrap().passphrase,
            "correct horse"
        );
        assert_eq!(
            network("home:with:colons").unwrap().passphrase,
            "with:colons"
        );
        assert_eq!(network("open").unwrap().passphrase, "");
        let colon = network(r"my\:net:correct horse").unwrap();
        assert_eq!(colon.seen.ssid.as_bytes(), b"my:net");
        assert_eq!(colon.passphrase, "correct horse");
        let key = "0123456789abcdef".repeat(4);
        assert_eq!(network(&format!("home:{key}")).unwrap().passphrase, key);
        assert!(network(&format!("home:{}", "x".repeat(64))).is_err());
        let long = "x".repeat(33);
        for text in ["", ":passphrase", "home:short", long.as_str()] {
            assert!(network(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_belong_to_stations() {
        assert_eq!(
            mac("24:0A:C4:1a:2b:3c"),
            Ok([0x24, 0x0a, 0xc4, 0x1a, 0x2b, 0x3c])
        );
        for text in [
            "",
            "24:0A:C4",
            "25:0A:C4:1a:2b:3c",
            "24:0A:C4:1a:2b:3g",
            "24:0A:C4:1a:2b:+1",
        ] {
            assert!(mac(text).is_err(), "{text}");
        }
    }
}
