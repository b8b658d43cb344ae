//! What the project promises to cost at most, beside what was measured.

use anyhow::{Result, bail};

use super::record::Record;
use crate::terminal;

/// A bound for one figure.
struct Promise {
    /// The figure.
    figure: &'static str,
    /// The size at which it holds; the largest that was measured, if none.
    size: Option<f64>,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

const PROMISES: &[Promise] = &[
    Promise {
        figure: "process.ratio",
        size: Some(262_144.0),
        bound: Bound::AtLeast(20.0),
    },
    // What a worker process needs once weighs on small fleets, so it holds for the largest.
    Promise {
        figure: "fleet.local.memory_per_device",
        size: None,
        bound: Bound::AtMost(98_304.0),
    },
    Promise {
        figure: "fleet.mosquitto.memory_per_device",
        size: None,
        bound: Bound::AtMost(98_304.0),
    },
];

impl Promise {
    /// What is wrong; nothing if it is kept, or was not measured.
    fn broken(&self, record: &Record) -> Option<String> {
        let figure = record.figures.iter().find(|it| it.name == self.figure)?;
        let point = match self.size {
            Some(size) => figure.points.iter().find(|point| point.size == size)?,
            None => figure.points.last()?,
        };
        let (title, at, value) = (&figure.title, &point.label, point.value);
        match self.bound {
            Bound::AtMost(most) if value > most => {
                Some(format!("{title}, at {at}: {value:.1}, more than {most}"))
            }
            Bound::AtLeast(least) if value < least => {
                Some(format!("{title}, at {at}: {value:.1}, less than {least}"))
            }
            _ => None,
        }
    }
}

/// Compares the figures with what is promised.
///
/// # Errors
///
/// A figure is beyond its bound; the message names all such.
pub(super) fn check(record: &Record) -> Result<()> {
    let broken: Vec<_> = PROMISES.iter().filter_map(|it| it.broken(record)).collect();
    if !broken.is_empty() {
        bail!("promised otherwise:\n  {}", broken.join("\n  "));
    }
    terminal::remark("all that is promised is kept");
    Ok(())
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
