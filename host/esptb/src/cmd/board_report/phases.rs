//! Events become phases.

use std::fmt::Write;

use serde::Serialize;

use console::{BAD, FAINT, STRONG, paint};
use serial::event::EventLine;

/// A phase: what it is, the event that begins it (none: the reset), the event that ends it.
const PHASES: [(&str, Option<&str>, &str); 12] = [
    ("start of the app", None, "boot"),
    ("credentials proven", Some("boot"), "credentials.proven"),
    ("Bluetooth up", Some("boot"), "provisioning.started"),
    (
        "provisioning: a client comes",
        Some("provisioning.started"),
        "provisioning.connected",
    ),
    (
        "provisioning: session",
        Some("provisioning.connected"),
        "provisioning.session",
    ),
    (
        "provisioning: network tried",
        Some("provisioning.chosen"),
        "provisioning.done",
    ),
    (
        "Bluetooth down",
        Some("provisioning.done"),
        "bluetooth.stopped",
    ),
    ("Wi-Fi and address", Some("wifi.joining"), "wifi.joined"),
    ("clock", Some("wifi.joined"), "clock.set"),
    ("broker: TCP and TLS", Some("cloud.connecting"), "cloud.tls"),
    ("broker: MQTT", Some("cloud.tls"), "cloud.online"),
    (
        "first telemetry acknowledged",
        Some("cloud.online"),
        "telemetry.acknowledged",
    ),
];

/// Sums from the reset on.
const SUMS: [(&str, &str); 3] = [
    ("reset to address", "wifi.joined"),
    ("reset to online", "cloud.online"),
    ("reset to first telemetry", "telemetry.acknowledged"),
];

/// An event of the life that is measured.
#[derive(Clone, Serialize)]
struct Happened {
    uptime_ms: u64,
    name: String,
    text: String,
}

/// A phase that was measured.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Phase {
    phase: &'static str,
    /// The event that ended it.
    event: &'static str,
    start_ms: u64,
    took_ms: u64,
    /// The least heap that was free in it, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_free: Option<u64>,
}

/// What a board did since it started.
#[derive(Default)]
pub(super) struct Report {
    events: Vec<Happened>,
    /// How often it started.
    lives: u32,
}

/// Everything, for scripts.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    lives: u32,
    phases: Vec<Phase>,
    sums: Vec<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_least: Option<u64>,
    failures: usize,
    events: &'a [Happened],
}

impl Report {
    /// Takes the next event. A new life begins the report anew.
    pub(super) fn take(&mut self, event: &EventLine<'_>) {
        if event.name == "boot" {
            self.lives += 1;
            self.events.clear();
        }
        self.events.push(Happened {
            uptime_ms: event.uptime_ms,
            name: event.name.to_owned(),
            text: event.text.to_owned(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn as_json(&self) -> Json<'_> {
        Json {
            lives: self.lives,
            phases: self.phases(),
            sums: self.sums(),
            heap_least: self.heap_between(0, u64::MAX),
            failures: self.failures(),
            events: &self.events,
        }
    }

    fn failures(&self) -> usize {
        let lines = self.events.iter().map(Happened::line);
        lines.filter(EventLine::is_bad).count()
    }

    fn phases(&self) -> Vec<Phase> {
        let phase = |&(phase, from, event): &(&'static str, Option<&str>, &'static str)| {
            let end = self.events.iter().position(|found| found.name == event)?;
            let end_ms = self.events.get(end)?.uptime_ms;
            let start_ms = match from {
                None => 0,
                Some(from) => {
                    // The last try counts, not those that failed before.
                    let before = self.events.iter().take(end).rev();
                    let mut before = before.filter(|found| found.name == from);
                    before.next()?.uptime_ms
                }
            };
            Some(self.phase(phase, event, start_ms, end_ms))
        };
        PHASES.iter().filter_map(phase).collect()
    }

    fn sums(&self) -> Vec<Phase> {
        let sum = |&(phase, event): &(&'static str, &'static str)| {
            let end = self.events.iter().find(|found| found.name == event)?;
            Some(self.phase(phase, event, 0, end.uptime_ms))
        };
        SUMS.iter().filter_map(sum).collect()
    }

    fn phase(&self, phase: &'static str, event: &'static str, start: u64, end: u64) -> Phase {
        Phase {
            phase,
            event,
            start_ms: start,
            took_ms: end.saturating_sub(start),
            heap_free: self.heap_between(start, end),
        }
    }

    /// The least heap that was free from `start` to `end`: as it was told at the events between,
    /// and, if the least since the reset fell meanwhile, what it fell to.
    fn heap_between(&self, start: u64, end: u64) -> Option<u64> {
        let told = |words: &'static str, from: u64, to: u64| {
            let events = self.events.iter();
            let events = events.filter(move |event| (from..=to).contains(&event.uptime_ms));
            events.filter_map(move |event| event.line().number_before(words))
        };
        let before = told("B at least", 0, start).min();
        let fell = told("B at least", start, end).min();
        let fell = fell.filter(|least| before.is_none_or(|before| *least < before));
        told("B free", start, end).chain(fell).min()
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        let head = format!(
            "{:<32} {:>9} {:>9} {:>12}",
            "phase", "from ms", "took ms", "free heap"
        );
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", paint(STRONG, head));
        for phase in self.phases() {
            let _ = writeln!(text, "{}", row(&phase));
        }
        for sum in self.sums() {
            let _ = writeln!(text, "{}", paint(STRONG, row(&sum)));
        }
        let failures = self.failures();
        if failures > 0 {
            let line = format!("{failures} failures on the way: see above");
            let _ = writeln!(text, "{}", paint(BAD, line));
        }
        if self.lives > 1 {
            let line = format!("it started {} times; this is the last", self.lives);
            let _ = writeln!(text, "{}", paint(BAD, line));
        }
        if self.heap_between(0, u64::MAX).is_none() {
            let line = "it told nothing of its memory";
            let _ = writeln!(text, "{}", paint(FAINT, line));
        }
        text
    }
}

fn row(phase: &Phase) -> String {
    let heap = phase
        .heap_free
        .map_or_else(|| "-".to_owned(), |heap| heap.to_string());
    format!(
        "{:<32} {:>9} {:>9} {heap:>12}",
        phase.phase, phase.start_ms, phase.took_ms
    )
}

impl Happened {
    fn line(&self) -> EventLine<'_> {
        EventLine {
            uptime_ms: self.uptime_ms,
            name: &self.name,
            text: &self.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "\
      31 boot started (power-on), a network is known
      60 credentials.proven credentials of SN-1 proven, good until 2046
      90 wifi.joining joining \"home\", attempt 1
     400 wifi.failed no access point of that name is heard; next try in 1.0 s
    1400 wifi.joining joining \"home\", attempt 2
    1900 wifi.joined joined as 10.0.0.7, -50 dBm; 90000 B free, 85000 B at least
    2000 clock.set 2026-11-22 UTC, from the time server; 90000 B free, 85000 B at least
    2010 cloud.connecting connecting to tb:8883, attempt 1
    2500 telemetry.sampled 21.0 \u{b0}C 50000 B free at 2500 ms
    3010 cloud.tls TLS 1.2; 62000 B free, 44000 B at least
    3100 cloud.online online
    3150 telemetry.sampled 21.0 \u{b0}C 61000 B free at 3150 ms; 44000 B at least
    3200 telemetry.acknowledged 2 samples acknowledged, 0 waiting";

    fn report(console: &str) -> Report {
        let mut report = Report::default();
        for line in console.lines() {
            report.take(&EventLine::parse(line).expect("an event"));
        }
        report
    }

    #[test]
    fn phases_are_measured_by_the_boards_own_clock() {
        let report = report(CONSOLE);
        let phases = report.phases();
        let took: Vec<_> = phases
            .iter()
            .map(|phase| (phase.event, phase.took_ms, phase.heap_free))
            .collect();
        assert_eq!(
            took,
            [
                ("boot", 31, None),
                ("credentials.proven", 29, None),
                ("wifi.joined", 500, Some(85_000)),
                ("clock.set", 100, Some(90_000)),
                ("cloud.tls", 1000, Some(44_000)),
                ("cloud.online", 90, Some(62_000)),
                ("telemetry.acknowledged", 100, Some(61_000)),
            ]
        );
        let sums: Vec<_> = report.sums().iter().map(|sum| sum.took_ms).collect();
        assert_eq!(sums, [1900, 3100, 3200]);
        assert_eq!(
            (report.failures(), report.as_json().heap_least),
            (1, Some(44_000))
        );
        let table = anstream::adapter::strip_str(&report.table()).to_string();
        assert!(
            table.contains("reset to first telemetry                 0      3200        44000"),
            "{table}"
        );
    }

    #[test]
    fn a_restart_begins_the_report_anew() {
        let report = report(&format!("{CONSOLE}\n 5 boot started (panic)"));
        assert_eq!((report.lives, report.phases().len()), (2, 1));
    }

    #[test]
    fn every_event_of_the_table_is_one_of_the_devices() {
        let events = include_str!("../../../../../crates/device/src/event.rs");
        let names = PHASES
            .iter()
            .flat_map(|&(_, from, to)| from.into_iter().chain([to]));
        for name in names {
            assert!(events.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
