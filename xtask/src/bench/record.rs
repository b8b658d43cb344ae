//! The figures: what was measured, at which sizes, on which machine.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{process, workspace};

/// All figures, and where they were measured last.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) machine: BTreeMap<String, String>,
    pub(super) figures: Vec<Figure>,
}

/// One thing that was measured, at one size or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    /// A stable name: `instructions.mount`.
    pub(super) name: String,
    /// What it is.
    pub(super) title: String,
    /// Of the values.
    pub(super) unit: String,
    /// What the sizes are; none where there is one value without a size.
    pub(super) axis: Option<String>,
    /// The plot that shows it, with others of the same unit and axis.
    pub(super) plot: Option<String>,
    pub(super) points: Vec<Point>,
}

/// A value at a size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    /// The size, or what stands for it.
    pub(super) label: String,
    /// Where it stands on an axis.
    pub(super) size: f64,
    pub(super) value: f64,
}

impl Figure {
    pub(super) fn new(name: &str, title: &str, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            unit: unit.to_owned(),
            axis: None,
            plot: None,
            points: Vec::new(),
        }
    }

    /// Measured at several sizes, shown in a plot.
    pub(super) fn over(mut self, axis: &str, plot: &str) -> Self {
        self.axis = Some(axis.to_owned());
        self.plot = Some(plot.to_owned());
        self
    }

    pub(super) fn at(mut self, size: impl Into<f64>, value: impl Into<f64>) -> Self {
        let size = size.into();
        self.points.push(Point {
            label: number(size),
            size,
            value: value.into(),
        });
        self
    }

    /// A value of something that has a name rather than a size.
    pub(super) fn of(mut self, label: &str, value: impl Into<f64>) -> Self {
        self.points.push(Point {
            label: label.to_owned(),
            size: self.points.len() as f64,
            value: value.into(),
        });
        self
    }

    /// As lines for people.
    pub(super) fn shown(&self) -> String {
        let mut text = format!("{} ({})", self.title, self.unit);
        if self.points.is_empty() {
            text += ": not measured";
        }
        for Point { label, value, .. } in &self.points {
            // Writing into a String cannot fail.
            let _ = write!(text, "\n    {label:>28} {:>16}", number(*value));
        }
        text
    }
}

/// Digits in groups; fractions only where they matter.
pub(super) fn number(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else if value.abs() >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

impl Record {
    /// The figures of the last run, if there are any.
    pub(super) fn load() -> Result<Self> {
        match fs::read_to_string(path()) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged: remove it", path().display())),
            Err(_) => Ok(Self::default()),
        }
    }

    pub(super) fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path(), text).with_context(|| format!("{} not written", path().display()))
    }

    /// Puts a figure in the place of the last one of its name. One without values takes it away:
    /// what could not be measured this time must not stand beside what was.
    pub(super) fn put(&mut self, figure: Figure) {
        if figure.points.is_empty() {
            self.figures.retain(|old| old.name != figure.name);
            return;
        }
        match self.figures.iter_mut().find(|old| old.name == figure.name) {
            Some(old) => *old = figure,
            None => self.figures.push(figure),
        }
    }
}

/// Where the figures are.
pub(super) fn path() -> PathBuf {
    workspace::root().join("target/bench.json")
}

/// What figures depend on.
pub(super) fn machine() -> Result<BTreeMap<String, String>> {
    let mut machine = BTreeMap::new();
    let mut put = |what: &str, text: String| machine.insert(what.to_owned(), text);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if let Some(model) = cpu.lines().find_map(|line| line.strip_prefix("model name")) {
        put("processor", model.trim_matches([':', '\t', ' ']).to_owned());
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    put("cores", cores.to_string());
    put("system", std::env::consts::OS.to_owned());
    if let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease") {
        // Its first two numbers; the rest is the builder's.
        let numbers: Vec<&str> = kernel.trim().splitn(3, '.').take(2).collect();
        put("kernel", numbers.join("."));
    }
    let mut rustc = std::process::Command::new("rustc");
    put(
        "rustc",
        process::capture(rustc.arg("--version"))?.trim().to_owned(),
    );
    Ok(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (value, text) in [
            (0.0, "0"),
            (0.1234, "0.123"),
            (12.34, "12.3"),
            (2_000.0, "2,000"),
            (1_234_567.8, "1,234,568"),
            (-1_000.0, "-1,000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_figure_replaces_the_one_of_its_name() {
        let mut record = Record::default();
        record.put(Figure::new("a", "A", "s").at(1.0, 2.0));
        record.put(Figure::new("b", "B", "s").at(1.0, 2.0));
        record.put(Figure::new("a", "A", "s").at(1.0, 3.0));
        assert_eq!(record.figures.len(), 2);
        assert!((record.figures[0].points[0].value - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_was_not_measured_again_goes() {
        let mut record = Record::default();
        record.put(Figure::new("a", "A", "s").at(1.0, 2.0));
        record.put(Figure::new("b", "B", "s").at(1.0, 2.0));
        let none = Figure::new("a", "A", "s");
        assert_eq!(none.shown(), "A (s): not measured");
        record.put(none);
        record.put(Figure::new("c", "C", "s"));
        let names: Vec<_> = record.figures.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["b"]);
    }
}
