//! What the project promises to cost at most, beside what was measured.

use anyhow::{Result, bail};

use super::record::{Record, number};
use crate::terminal;

/// A bound for one figure.
struct Promise {
    /// The figure.
    figure: &'static str,
    /// The size at which it holds.
    size: f64,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// The fleet that is promised. What a worker process needs once weighs on smaller ones.
const FLEET: f64 = 2_000.0;

const PROMISES: &[Promise] = &[
    Promise {
        figure: "process.ratio",
        size: 262_144.0,
        bound: Bound::AtLeast(20.0),
    },
    Promise {
        figure: "fleet.local.memory_per_device",
        size: FLEET,
        bound: Bound::AtMost(98_304.0),
    },
    Promise {
        figure: "fleet.mosquitto.memory_per_device",
        size: FLEET,
        bound: Bound::AtMost(98_304.0),
    },
];

/// What a record says of a promise.
enum Verdict {
    Kept,
    /// What is wrong.
    Broken(String),
    /// What the record lacks.
    NotMeasured(String),
}

impl Promise {
    fn judge(&self, record: &Record) -> Verdict {
        let figure = record.figures.iter().find(|it| it.name == self.figure);
        let found = figure.and_then(|figure| {
            let mut points = figure.points.iter();
            Some((figure, points.find(|point| point.size == self.size)?))
        });
        let Some((figure, point)) = found else {
            return Verdict::NotMeasured(format!("{} at {}", self.figure, number(self.size)));
        };
        let (title, at, value) = (&figure.title, &point.label, point.value);
        match self.bound {
            Bound::AtMost(most) if value > most => {
                Verdict::Broken(format!("{title}, at {at}: {value:.1}, more than {most}"))
            }
            Bound::AtLeast(least) if value < least => {
                Verdict::Broken(format!("{title}, at {at}: {value:.1}, less than {least}"))
            }
            _ => Verdict::Kept,
        }
    }
}

/// Compares the figures with what is promised, and says which promises nobody measured.
///
/// # Errors
///
/// A figure is beyond its bound; the message names all such.
pub(super) fn check(record: &Record) -> Result<()> {
    for line in judged(record)? {
        terminal::remark(line);
    }
    Ok(())
}

/// What there is to say where nothing is broken.
fn judged(record: &Record) -> Result<Vec<String>> {
    let (mut broken, mut lines) = (Vec::new(), Vec::new());
    for promise in PROMISES {
        match promise.judge(record) {
            Verdict::Kept => {}
            Verdict::Broken(what) => broken.push(what),
            Verdict::NotMeasured(what) => lines.push(format!("not measured: {what}")),
        }
    }
    if !broken.is_empty() {
        bail!("promised otherwise:\n  {}", broken.join("\n  "));
    }
    if lines.len() < PROMISES.len() {
        let what = match lines.is_empty() {
            true => "all that is promised is kept",
            false => "what was measured of it is as promised",
        };
        lines.push(what.to_owned());
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::super::record::Figure;
    use super::*;

    fn record(name: &str, at: f64, value: f64) -> Record {
        let mut record = Record::default();
        record.put(Figure::new(name, "It", "bytes").at(at, value));
        record
    }

    #[test]
    fn what_is_beyond_its_bound_is_named() {
        let memory = "fleet.local.memory_per_device";
        assert!(check(&record(memory, 2_000.0, 98_304.0)).is_ok());
        let error = check(&record(memory, 2_000.0, 98_305.0)).unwrap_err();
        assert!(error.to_string().contains("at 2,000"), "{error}");
        assert!(check(&record("process.ratio", 262_144.0, 19.9)).is_err());
    }

    #[test]
    fn what_nobody_measured_is_named_and_not_called_kept() {
        let nothing = judged(&Record::default()).unwrap();
        assert_eq!(nothing.len(), PROMISES.len());
        assert_eq!(nothing[0], "not measured: process.ratio at 262,144");
        assert!(nothing.iter().all(|line| line.starts_with("not measured")));

        let mut all = Record::default();
        for promise in PROMISES {
            let (Bound::AtMost(value) | Bound::AtLeast(value)) = promise.bound;
            all.put(Figure::new(promise.figure, "It", "bytes").at(promise.size, value));
        }
        assert_eq!(judged(&all).unwrap(), ["all that is promised is kept"]);
        // As a run without ESP-IDF leaves it.
        all.put(Figure::new("process.ratio", "It", "times"));
        let lines = judged(&all).unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("not measured: process.ratio"));
        assert!(!lines[1].contains("all"), "{lines:?}");
    }

    #[test]
    fn a_promise_is_judged_at_its_own_size() {
        // A small fleet looks dear, and a large one cheap.
        for (devices, bytes) in [(100.0, 159_129.0), (4_000.0, 1.0), (4_000.0, 1e9)] {
            let other = record("fleet.local.memory_per_device", devices, bytes);
            let lines = judged(&other).unwrap();
            let wanted = "not measured: fleet.local.memory_per_device at 2,000";
            assert!(lines.iter().any(|line| line == wanted), "{lines:?}");
            assert_eq!(lines.len(), PROMISES.len());
        }
        assert!(check(&record("process.ratio", 65_536.0, 19.9)).is_ok());
    }

    #[test]
    fn every_promise_is_about_a_figure_that_is_measured() {
        let sources = [include_str!("images.rs"), include_str!("fleet.rs")].concat();
        for promise in PROMISES {
            let last = promise.figure.rsplit('.').next().unwrap_or_default();
            assert!(sources.contains(last), "{}", promise.figure);
        }
    }
}
