//! What can go wrong, told by who can mend it: whoever asked, whoever owns the folder, or a broken
//! backend.

use std::{io, path::PathBuf};

/// A request for a certificate that cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The serial number cannot be a common name.
    #[error(
        "the serial number {0:?} cannot be a common name: use 1 to 64 printable characters, \
         without slashes"
    )]
    SerialNumber(String),
    /// A server needs at least one name.
    #[error("the server certificate needs a host name or an address")]
    NoServerName,
    /// A server name is neither a DNS name nor an IP address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    ServerName(String),
    /// The organization does not fit a certificate.
    #[error("the organization {0:?} has to be 1 to 64 printable characters")]
    Organization(String),
    /// The dates are the wrong way round, or outside the years 1950 to 9999.
    #[error("the validity has to end after it begins, within the years 1950 to 9999")]
    Validity,
    /// Nothing that an authority issues is valid for longer than itself.
    #[error("the validity begins after that of the CA has ended: make a new CA, or begin earlier")]
    AfterAuthority,
    /// SEC1 is for elliptic-curve keys, PKCS#1 for RSA keys.
    #[error("{algorithm} keys cannot be written as {encoding}: use PKCS#8")]
    Encoding {
        /// The key's algorithm.
        algorithm: crate::KeyAlgorithm,
        /// The encoding asked for.
        encoding: crate::KeyEncoding,
    },
}

/// Why a request is not signed. Whoever made it must act, or whoever handed it on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// There is none.
    #[error(
        "no certificate request (PKCS#10, in DER, PEM or Base64): take the device's client attribute \
         certificate_request, whole"
    )]
    None,
    /// It was changed, or is of a key that whoever asks does not have.
    #[error(
        "the request is not signed by the key that it asks for: it was changed on its way, so let the device make \
         a new one"
    )]
    Signature,
    /// Devices do not take such a key.
    #[error("the request's key {0}")]
    Key(String),
    /// It has no name, or more than one.
    #[error(
        "the request has {0} common names (CN), and the device's is one: let the device make a new one"
    )]
    Names(usize),
    /// It is another device's.
    #[error(
        "the request is for {there:?}, not for {expected:?}: one device asks in the name of another"
    )]
    Another {
        /// Whose it is to be.
        expected: String,
        /// Whose it is.
        there: String,
    },
}

/// Why certificates could not be made, written or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// For the caller.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// For whoever made the request.
    #[error(transparent)]
    Request(#[from] RequestFault),
    /// A file is there already, and replacing it was not asked for.
    #[error("{} exists: choose another folder, or say that it may be replaced", .0.display())]
    Exists(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should, or does not go with the others.
    #[error("{}: {reason}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// The backend failed to generate or sign.
    #[error("the cryptography backend failed: {0}")]
    Backend(String),
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Backend(error.to_string())
    }
}

impl From<aws_lc_rs::error::Unspecified> for Error {
    fn from(error: aws_lc_rs::error::Unspecified) -> Self {
        Self::Backend(error.to_string())
    }
}
