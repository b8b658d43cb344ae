//! What libFuzzer prints, as a table.

use std::path::Path;

use crate::terminal::{self, thousands};

/// How a target fared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) executions: u64,
    per_second: u64,
    /// Places in the code that were reached.
    coverage: u64,
    new_inputs: u64,
    pub(super) failed: bool,
    /// The input that shows the fault.
    input: Option<String>,
    /// What went wrong, in the program's own words.
    fault: String,
}

impl Outcome {
    /// Reads the log of a run.
    pub(super) fn read(log: &str, success: bool) -> Self {
        let mut outcome = Self {
            failed: !success,
            ..Self::default()
        };
        let mut after_panic = false;
        for line in log.lines() {
            if let Some(value) = number_after(line, " cov: ") {
                outcome.coverage = value;
            }
            if let Some(value) = number_after(line, "stat::number_of_executed_units:") {
                outcome.executions = value;
            }
            if let Some(value) = number_after(line, "stat::average_exec_per_sec:") {
                outcome.per_second = value;
            }
            if let Some(value) = number_after(line, "stat::new_units_added:") {
                outcome.new_inputs = value;
            }
            if let Some((_, path)) = line.split_once("Test unit written to ") {
                outcome.input = Some(path.to_owned());
            }
            if after_panic || line.contains("ERROR: libFuzzer") && outcome.fault.is_empty() {
                outcome.fault = line.trim().to_owned();
            }
            after_panic = line.contains(" panicked at ") && outcome.fault.is_empty();
        }
        outcome
    }

    /// How to see the fault again; empty if there is none.
    pub(super) fn reproduction(&self, name: &str, binaries: &Path) -> String {
        if !self.failed {
            return String::new();
        }
        let input = self.input.as_deref().unwrap_or("");
        let binary = binaries.join(name);
        let fault = &self.fault;
        format!(
            "{} {name}: {fault}\n  again: RUST_BACKTRACE=1 {} {input}\n",
            terminal::red("fault"),
            binary.display()
        )
    }
}

fn number_after(line: &str, word: &str) -> Option<u64> {
    let (_, rest) = line.split_once(word)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The table of all targets.
pub(super) fn table(outcomes: &[(&str, &Outcome)]) -> String {
    let rows: Vec<_> = outcomes
        .iter()
        .map(|(name, outcome)| {
            [
                (*name).to_owned(),
                thousands(outcome.executions),
                thousands(outcome.per_second),
                thousands(outcome.coverage),
                thousands(outcome.new_inputs),
                if outcome.failed { "fault" } else { "none" }.to_owned(),
            ]
        })
        .collect();
    let head = [
        "target",
        "executions",
        "per second",
        "coverage",
        "new inputs",
        "faults",
    ];
    terminal::table(head, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
INFO: Loaded 1 modules   (1094 inline 8-bit counters)
#2\tINITED cov: 294 ft: 294 corp: 1/1b exec/s: 0 rss: 28Mb
#6098\tDONE   cov: 779 ft: 1010 corp: 46/385b lim: 33 exec/s: 871 rss: 28Mb
stat::number_of_executed_units: 6098
stat::average_exec_per_sec:     871
stat::new_units_added:          51
";

    #[test]
    fn a_run_is_read() {
        let expected = Outcome {
            executions: 6_098,
            per_second: 871,
            coverage: 779,
            new_inputs: 51,
            ..Outcome::default()
        };
        assert_eq!(Outcome::read(LOG, true), expected);
        assert_eq!(expected.reproduction("x", Path::new("/b")), "");
    }

    #[test]
    fn a_fault_is_told_with_its_input() {
        let log = format!(
            "thread '<unnamed>' panicked at src/x.rs:25:28:\nattempt to add with overflow\n\
             ==7== ERROR: libFuzzer: deadly signal\n\
             artifact_prefix='a/'; Test unit written to a/crash-1\n{LOG}"
        );
        let text = Outcome::read(&log, false).reproduction("x", Path::new("/b"));
        assert!(text.contains("attempt to add with overflow"), "{text}");
        assert!(text.contains("/b/x a/crash-1"), "{text}");
        let hang = Outcome::read("==7== ERROR: libFuzzer: timeout after 20 seconds\n", false);
        assert!(hang.fault.ends_with("timeout after 20 seconds"));
    }
}
