//! Why a case did not pass.

use provisioner::{Error, LinkError};

/// Why a case did not pass.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The device did otherwise; this was seen.
    Failed(String),
    /// The case does not apply to this device or link, and why.
    NotApplicable(String),
    /// Whoever runs the suite has to mend something first: nothing is said of the device.
    Operator(Error),
}

impl Fault {
    pub(crate) fn failed(seen: impl Into<String>) -> Self {
        Self::Failed(seen.into())
    }

    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
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
