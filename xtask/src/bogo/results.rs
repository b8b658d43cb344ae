//! What the runner reported, sorted by what it means, and the table of it in docs/bogo.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail};

use super::{Ran, config::Config};
use crate::terminal::{self, thousands};

/// The table is between these lines.
const BEGIN: &str = "<!-- written by `cargo xtask bogo --update` -->";
const END: &str = "<!-- end of what is written -->";

/// The runner's report: Chromium's format of test results.
#[derive(serde::Deserialize)]
struct Report {
    tests: BTreeMap<String, Test>,
}

#[derive(serde::Deserialize)]
struct Test {
    actual: String,
    #[serde(default)]
    error: String,
}

/// How many tests there are of each kind.
#[derive(Default)]
pub(super) struct Tally {
    passed: usize,
    /// Tests that passed, though they are listed as different.
    passed_after_all: Vec<String>,
    /// Tests that failed and are not listed, with what the runner says.
    failed: Vec<(String, String)>,
    /// By reason: how many tests do not apply.
    not_applicable: BTreeMap<String, usize>,
    /// By reason: the tests that end otherwise.
    differences: BTreeMap<String, Vec<String>>,
    /// Patterns of the configuration that were of use.
    used: BTreeSet<String>,
    /// What the shim could not account for.
    unexplained: BTreeSet<String>,
}

impl Tally {
    pub(super) fn new(ran: &Ran, config: &Config) -> Result<Self> {
        let report: Report =
            serde_json::from_str(&ran.results).context("the runner's report is not what it was")?;
        let mut tally = Self::default();
        let mut refused = 0;
        for (name, test) in report.tests {
            if test.actual == "SKIP" {
                // The shim told why.
                refused += 1;
            } else if let Some((pattern, reason)) = config.not_applicable(&name) {
                tally.used.insert(pattern.to_owned());
                *tally.not_applicable.entry(reason.to_owned()).or_default() += 1;
            } else if let Some((pattern, reason)) = config.difference(&name) {
                tally.used.insert(pattern.to_owned());
                if test.actual == "PASS" {
                    tally.passed_after_all.push(name);
                } else {
                    let tests = tally.differences.entry(reason.to_owned()).or_default();
                    tests.push(name);
                }
            } else if test.actual == "PASS" {
                tally.passed += 1;
            } else {
                tally.failed.push((name, test.error));
            }
        }
        for reason in ran.reasons.lines() {
            if reason.starts_with('-') {
                tally.unexplained.insert(reason.to_owned());
            }
            *tally.not_applicable.entry(reason.to_owned()).or_default() += 1;
        }
        let told = ran.reasons.lines().count();
        if told != refused {
            bail!("{refused} tests do not apply by the shim, which gave {told} reasons");
        }
        Ok(tally)
    }

    /// What must be mended, here or there. Patterns without use are a fault of a `whole` run.
    pub(super) fn faults(&self, config: &Config, whole: bool) -> Vec<String> {
        let mut faults: Vec<_> = self
            .failed
            .iter()
            .map(|(name, error)| format!("{name} failed: {error}"))
            .collect();
        faults.extend(self.passed_after_all.iter().map(|name| {
            format!("{name} passes: take it from the differences in tests/bogo/config.json")
        }));
        faults.extend(
            self.unexplained.iter().map(|flag| {
                format!("the shim knows no reason for {flag}: tests/bogo/src/scope.rs")
            }),
        );
        if whole {
            let idle = config
                .patterns()
                .filter(|pattern| !self.used.contains(*pattern));
            faults.extend(idle.map(|pattern| {
                format!("no test is like {pattern}: take it from tests/bogo/config.json")
            }));
        }
        faults
    }

    /// The result in a line.
    pub(super) fn summary(&self) -> String {
        let different: usize = self.differences.values().map(Vec::len).sum();
        let not_applicable: usize = self.not_applicable.values().sum();
        format!(
            "{} tests of BoringSSL passed, {different} differ with a reason, {} do not apply",
            thousands(self.passed as u64),
            thousands(not_applicable as u64)
        )
    }

    fn table(&self) -> String {
        let mut text = format!("{}.\n\n", self.summary());
        text.push_str(
            "### Apply, and end otherwise than the runner wants\n\n| tests | why |\n|---:|---|\n",
        );
        for (reason, tests) in &self.differences {
            let _ = writeln!(text, "| {} | {reason} |", tests.len());
        }
        text.push_str("\n### Do not apply\n\n| tests | why |\n|---:|---|\n");
        let mut reasons: Vec<_> = self.not_applicable.iter().collect();
        reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), reason.as_str()));
        for (reason, count) in reasons {
            let _ = writeln!(text, "| {} | {reason} |", thousands(*count as u64));
        }
        text
    }
}

/// Compares the page's table with the results, or writes it.
pub(super) fn table(tally: &Tally, page: &Path, update: bool) -> Result<()> {
    let text =
        fs::read_to_string(page).with_context(|| format!("{} cannot be read", page.display()))?;
    let parts = text
        .split_once(BEGIN)
        .and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let Some((head, tail)) = parts else {
        bail!("{} has no place for the table", page.display());
    };
    let now = format!("{head}{BEGIN}\n\n{}\n{END}{tail}", tally.table());
    if update {
        fs::write(page, now).with_context(|| format!("{} not written", page.display()))?;
        terminal::remark(format!("written: {}", page.display()));
    } else if now != text {
        bail!("docs/bogo.md does not tell these results: `cargo xtask bogo --update` writes them");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        serde_json::from_str(
            r#"{"DisabledTests": {"Old-*": "too old"}, "Differences": {"Odd": "odd"}}"#,
        )
        .unwrap()
    }

    fn ran(odd: &str, new: &str) -> Ran {
        let test = |actual: &str| format!(r#"{{"actual": "{actual}"}}"#);
        Ran {
            results: format!(
                r#"{{"tests": {{"Old-1": {}, "Odd": {}, "New": {}, "Server": {}}}}}"#,
                test("FAIL"),
                test(odd),
                test(new),
                test("SKIP")
            ),
            reasons: "no server\n".to_owned(),
        }
    }

    #[test]
    fn what_is_as_listed_is_no_fault() {
        let tally = Tally::new(&ran("FAIL", "PASS"), &config()).unwrap();
        assert_eq!(tally.faults(&config(), true), Vec::<String>::new());
        assert_eq!(
            tally.summary(),
            "1 tests of BoringSSL passed, 1 differ with a reason, 2 do not apply"
        );
    }

    #[test]
    fn what_is_not_as_listed_is_a_fault() {
        let faults = |ran: &Ran| Tally::new(ran, &config()).unwrap().faults(&config(), true);
        assert_eq!(faults(&ran("PASS", "PASS")).len(), 1);
        assert_eq!(faults(&ran("FAIL", "FAIL")).len(), 1);
        let mut flag = ran("FAIL", "PASS");
        flag.reasons = "-unheard-of\n".to_owned();
        assert_eq!(faults(&flag).len(), 1);
        flag.reasons.clear();
        assert!(Tally::new(&flag, &config()).is_err());
    }
}
