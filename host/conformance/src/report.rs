//! What was found, for people and for machines.

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::{COMMIT, Case, Fault, Target, Weight};

/// How a case ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The device did what is wanted.
    Passed,
    /// It did not.
    Failed,
    /// It did not, and need not to work with Espressif's apps.
    Advised,
    /// The case does not apply to this device or link.
    NotApplicable,
    /// The device could not be reached any more.
    NotRun,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Advised => "advised",
            Self::NotApplicable => "n/a",
            Self::NotRun => "not run",
        })
    }
}

/// One case and what was seen.
pub struct Finding {
    /// The case.
    pub case: &'static Case,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen, or why the case does not apply.
    pub seen: String,
    /// How long it took.
    pub took: Duration,
}

impl Finding {
    pub(super) fn new(
        case: &'static Case,
        outcome: Option<Result<String, Fault>>,
        took: Duration,
    ) -> Self {
        let (verdict, seen) = match outcome {
            Some(Ok(seen)) => (Verdict::Passed, seen),
            Some(Err(Fault::Failed(seen))) if case.weight == Weight::Must => {
                (Verdict::Failed, seen)
            }
            Some(Err(Fault::Failed(seen))) => (Verdict::Advised, seen),
            Some(Err(Fault::NotApplicable(why))) => (Verdict::NotApplicable, why),
            Some(Err(Fault::Operator(error))) => (Verdict::NotRun, error.to_string()),
            None => (
                Verdict::NotRun,
                "the device was not to be reached any more".into(),
            ),
        };
        Self {
            case,
            verdict,
            seen,
            took,
        }
    }
}

/// All findings.
pub struct Report {
    /// Which device, by which way.
    pub target: String,
    /// In the order of the cases.
    pub findings: Vec<Finding>,
    /// How long it all took.
    pub took: Duration,
}

impl Report {
    pub(super) fn new(target: &Target) -> Self {
        Self {
            target: target.to_string(),
            findings: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// How many cases ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        let all = self.findings.iter();
        all.filter(|finding| finding.verdict == verdict).count()
    }

    /// Whether at least one case could be looked at, none failed and none was left out. Advice does
    /// not count.
    pub fn conforms(&self) -> bool {
        self.count(Verdict::Passed) + self.count(Verdict::Advised) > 0
            && self.count(Verdict::Failed) == 0
            && self.count(Verdict::NotRun) == 0
    }

    /// As JSON: `{"target", "esp_idf", "conforms", "passed", …, "cases": [{"name", "verdict", "seen",
    /// "wants", "purpose", "source", "seconds"}]}`.
    pub fn to_json(&self) -> String {
        let case = |finding: &Finding| -> Value {
            json!({
                "name": finding.case.name,
                "verdict": finding.verdict.to_string(),
                "seen": finding.seen,
                "wants": finding.case.wants,
                "purpose": finding.case.purpose,
                "source": finding.case.source,
                "seconds": finding.took.as_secs_f64(),
            })
        };
        let whole = json!({
            "target": self.target,
            "esp_idf": COMMIT,
            "conforms": self.conforms(),
            "passed": self.count(Verdict::Passed),
            "failed": self.count(Verdict::Failed),
            "advised": self.count(Verdict::Advised),
            "not_applicable": self.count(Verdict::NotApplicable),
            "not_run": self.count(Verdict::NotRun),
            "seconds": self.took.as_secs_f64(),
            "cases": self.findings.iter().map(case).collect::<Vec<_>>(),
        });
        format!("{whole:#}\n")
    }

    /// As JUnit's XML, which CI systems read. What is advised counts as passed there.
    pub fn to_junit(&self) -> String {
        let failures = self.count(Verdict::Failed) + self.count(Verdict::NotRun);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"provisioning of {}\" tests=\"{}\" failures=\"{failures}\" \
             skipped=\"{}\" time=\"{:.3}\">\n",
            escaped(&self.target),
            self.findings.len(),
            self.count(Verdict::NotApplicable),
            self.took.as_secs_f64(),
        );
        for finding in &self.findings {
            let (group, _) = finding.case.name.split_once('.').unwrap_or_default();
            let inside = match finding.verdict {
                Verdict::Passed | Verdict::Advised => {
                    let verdict = finding.verdict;
                    let seen = escaped(&finding.seen);
                    format!("<system-out>{verdict}: {seen}</system-out>")
                }
                Verdict::NotApplicable => {
                    format!("<skipped message=\"{}\"/>", escaped(&finding.seen))
                }
                Verdict::Failed | Verdict::NotRun => format!(
                    "<failure message=\"{}\">wanted: {}\nsource: {}</failure>",
                    escaped(&finding.seen),
                    escaped(finding.case.wants),
                    escaped(finding.case.source),
                ),
            };
            // Writing into a text cannot fail.
            let _ = writeln!(
                xml,
                "  <testcase classname=\"{group}\" name=\"{}\" time=\"{:.3}\">{inside}</testcase>",
                finding.case.name,
                finding.took.as_secs_f64(),
            );
        }
        xml + "</testsuite>\n"
    }
}

/// For XML, where control characters cannot be written at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c if c.is_control() && c != '\n' => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(seen: &str) -> Report {
        let case = super::super::cases().next().unwrap();
        let outcome = Some(Err(Fault::failed(seen)));
        Report {
            target: "PROV_<1>".into(),
            findings: vec![Finding::new(case, outcome, Duration::from_millis(1500))],
            took: Duration::from_millis(1500),
        }
    }

    #[test]
    fn both_forms_say_what_failed_and_what_was_wanted() {
        let report = report("a \"name\" & a\u{1} bell");
        assert!(!report.conforms());
        let json: Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["failed"], 1);
        assert_eq!(json["cases"][0]["seen"], "a \"name\" & a\u{1} bell");
        assert_eq!(json["cases"][0]["wants"], report.findings[0].case.wants);
        let xml = report.to_junit();
        assert!(xml.contains("failures=\"1\""));
        assert!(
            xml.contains("a &quot;name&quot; &amp; a\u{FFFD} bell"),
            "{xml}"
        );
        assert!(xml.contains("PROV_&lt;1&gt;"));
    }

    #[test]
    fn a_report_of_nothing_shows_nothing() {
        let mut report = report("");
        report.findings.clear();
        assert!(!report.conforms());
    }
}
