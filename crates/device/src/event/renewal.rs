//! How a renewal goes on.

use alloc::boxed::Box;
use core::fmt;

use super::Why;

/// A step of a renewal.
#[derive(Debug, Clone, PartialEq)]
pub enum Renewal {
    /// A new key waits for its certificate; the request is told to the server.
    Requested,
    /// A certificate for it came, was proven, and is to be tried by a connection.
    Trying,
    /// The broker took it: it is the device's from now on.
    Renewed,
    /// It came to nothing; the old certificate works on.
    Failed {
        /// Who must do what.
        why: Box<Why>,
    },
    /// New CAs for the broker came, and are trusted, too, once the old ones do not do.
    AnchorsKept,
    /// A connection proved them: they are kept.
    AnchorsProven,
    /// They cannot be used.
    AnchorsRefused {
        /// Who must do what.
        why: Box<Why>,
    },
}

impl Renewal {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Requested => "renewal.requested",
            Self::Trying => "renewal.trying",
            Self::Renewed => "renewal.renewed",
            Self::Failed { .. } => "renewal.failed",
            Self::AnchorsKept => "anchors.kept",
            Self::AnchorsProven => "anchors.proven",
            Self::AnchorsRefused { .. } => "anchors.refused",
        }
    }
}

impl fmt::Display for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => {
                "asks for a new certificate: have the request signed (esptb tb renew)"
            }
            Self::Trying => "a new certificate came, and is tried",
            Self::Renewed => "the broker took the new certificate, and the old one is left",
            Self::Failed { why } => {
                return write!(f, "no new certificate, the old one works on: {why}");
            }
            Self::AnchorsKept => "new CAs for the broker came, and wait until it shows one of them",
            Self::AnchorsProven => "the broker shows a new CA, and is trusted",
            Self::AnchorsRefused { why } => {
                return write!(f, "the new CAs for the broker are not taken: {why}");
            }
        })
    }
}
