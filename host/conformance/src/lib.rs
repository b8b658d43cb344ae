#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod bench;
mod cases;
mod report;

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use vhci::{HciSpec, SharedAir};
use zeroize::Zeroizing;

use bench::Bench;
use provisioner::{Error, LinkError, Secrets};
pub use report::{Finding, Report, Verdict};

/// The commit of ESP-IDF that the sources of the cases belong to: v5.4.1.
pub const COMMIT: &str = "4c2820d377d1375e787bcef612f0c32c1427d183";

/// How to reach the device.
#[derive(Clone)]
pub enum Target {
    /// Over Bluetooth. The controller is opened anew for each ATT MTU.
    Bluetooth {
        /// The controller.
        hci: HciSpec,
        /// The air of [`HciSpec::Virtual`]; any other takes none of it.
        air: SharedAir,
        /// The device's name, if several are in the air.
        name: Option<String>,
    },
    /// Over HTTP, as an access point: `HOST` or `HOST:PORT`.
    Http(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bluetooth { name, .. } => match name {
                Some(name) => write!(f, "{name} over Bluetooth"),
                None => f.write_str("the device over Bluetooth"),
            },
            Self::Http(address) => write!(f, "{address} over HTTP"),
        }
    }
}

/// What the suite needs to know of the device.
#[derive(Clone)]
pub struct Options {
    /// The proof of possession and the user name.
    pub secrets: Secrets,
    /// What the device's name must begin with.
    pub prefix: String,
    /// A network that the device can join, and its passphrase. Without it the cases that need one
    /// are not applicable.
    pub network: Option<(String, Zeroizing<String>)>,
    /// Only cases whose name begins with one of these. Empty: all.
    pub only: Vec<String>,
}

impl Options {
    /// All cases, the usual prefix, no network.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            prefix: protocomm::gatt::DEFAULT_NAME_PREFIX.to_owned(),
            network: None,
            only: Vec::new(),
        }
    }
}

/// How much a failure counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// ESP-IDF's devices do so, and clients rely on it.
    Must,
    /// ESP-IDF's devices do not all do so; a device is safer or kinder if it does.
    Advice,
}

/// A case of the suite.
pub struct Case {
    /// Its name: a group and what is looked at, as `session.wrong-proof`.
    pub name: &'static str,
    /// Why anybody should care.
    pub purpose: &'static str,
    /// What the device has to do.
    pub wants: &'static str,
    /// The file of ESP-IDF at [`COMMIT`], or the standard, that says so.
    pub source: &'static str,
    /// How much a failure counts.
    pub weight: Weight,
    run: for<'b> fn(&'b mut Bench) -> Running<'b>,
}

/// A case under way; in the end, what was seen.
type Running<'b> = Pin<Box<dyn Future<Output = Result<String, Fault>> + 'b>>;

/// Why a case did not pass.
#[derive(Debug)]
enum Fault {
    /// The device did otherwise; this was seen.
    Failed(String),
    /// The case does not apply to this device or link, and why.
    NotApplicable(String),
    /// Whoever runs the suite has to mend something first: nothing is said of the device.
    Operator(Error),
}

impl Fault {
    fn failed(seen: impl Into<String>) -> Self {
        Self::Failed(seen.into())
    }

    fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            // A device is looked for only until it was found once.
            Error::NotFound { .. } | Error::Ambiguous(_) | Error::ProofNeeded => {
                Self::Operator(error)
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<LinkError> for Fault {
    fn from(error: LinkError) -> Self {
        Self::Failed(error.to_string())
    }
}

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
