#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod asked;
mod bench;
mod case;
mod cases;
mod fault;
mod report;

use std::time::{Duration, Instant};

use bench::Bench;
use fault::Fault;
use provisioner::Error;

pub use asked::{Options, Target};
pub use case::{COMMIT, Case, Weight};
pub use report::{Finding, Report, Verdict};

#[cfg(test)]
use hosttime as _; // nothing names it, and the linker asks for a time driver

/// All cases, in the order in which they run.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    cases::ALL.iter().copied().flatten()
}

/// After so many connections in a row that did not come about, the rest is not tried.
const DEAD: u32 = 3;

/// Runs the cases that were chosen and tells each finding to `tell`, besides returning them all.
///
/// Takes half a minute to a few minutes: the device has to look for networks that are not there.
/// Must be called on a `LocalSet`.
///
/// # Errors
///
/// If the controller cannot be opened, no device is heard, or it wants another proof of possession
/// than the one given: then nothing can be said of the device. Whatever else it does is a finding.
pub async fn run(
    target: Target,
    options: &Options,
    mut tell: impl FnMut(&Finding),
) -> Result<Report, Error> {
    let mut report = Report::new(&target);
    let chosen = |case: &&Case| {
        let mut only = options.only.iter();
        options.only.is_empty() || only.any(|name| case.name.starts_with(name.as_str()))
    };
    let mut bench = Bench::open(target, options).await?;
    let mut unreachable = 0;
    for case in cases().filter(chosen) {
        let start = Instant::now();
        let outcome = if unreachable >= DEAD {
            None
        } else {
            match bench.fresh().await {
                Ok(()) => {
                    unreachable = 0;
                    Some((case.run)(&mut bench).await)
                }
                Err(fault) => {
                    unreachable += 1;
                    Some(Err(fault))
                }
            }
        };
        let outcome = match outcome {
            Some(Err(Fault::Operator(error))) => {
                bench.hang_up().await;
                return Err(error);
            }
            outcome => outcome,
        };
        let finding = Finding::new(case, outcome, start.elapsed());
        tell(&finding);
        report.findings.push(finding);
    }
    bench.hang_up().await;
    report.took = report
        .findings
        .iter()
        .map(|finding| finding.took)
        .sum::<Duration>();
    Ok(report)
}
