//! What can be wrong with `settings.json`, and what whoever wrote it should write instead.

use core::fmt;

use thingsboard::json::ParseError;

use crate::storage::FileError;

/// Why `settings.json`, or the proof of possession in a file of its own, was refused. Whoever made the SPIFFS image must act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// The file is there, but cannot be read.
    Unreadable(FileError),
    /// Not a JSON object.
    NotJson(ParseError),
    /// The value of a key cannot be used.
    Value {
        /// The key, with the object that it stands in.
        key: &'static str,
        /// What is wrong with its value.
        fault: Fault,
    },
    /// `provisioning.pop` is there, but cannot be read.
    ProofUnreadable(FileError),
    /// `provisioning.pop` holds no proof of possession.
    ProofFile,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not a string.
    NotText,
    /// A string with backslashes.
    Escaped,
    /// Not an object.
    NotAnObject,
    /// Not a number, or one with too many digits.
    NotANumber {
        /// The least value.
        least: u32,
        /// The greatest value.
        most: u32,
    },
    /// A number out of range, or with decimals.
    OutOfRange {
        /// The least value.
        least: u32,
        /// The greatest value.
        most: u32,
    },
    /// Too short or too long a text.
    Length {
        /// The fewest bytes.
        least: usize,
        /// The most bytes.
        most: usize,
    },
    /// Security 2 without a proof of possession.
    NoProof,
    /// Something else than printable ASCII.
    NotPrintable,
    /// Neither `newest` nor `oldest`.
    NotAnOrder,
    /// Not two capital letters.
    NotACountry,
    /// Not a URI of a broker that speaks MQTT over TLS.
    NotABroker,
    /// `mqtt://`, which has no TLS.
    NoTls,
    /// No host, or one longer than 128 bytes, or with a character that no host has.
    BadHost,
    /// An IPv6 address, which the device's network stack does not have.
    Ipv6,
    /// Not a port from 1 to 65535.
    BadPort,
    /// A user name or password before the host.
    UserInBroker,
    /// More than there is room for: so many.
    TooMany(usize),
}

impl Fault {
    /// Makes faults into errors about `key`.
    pub(super) fn at(key: &'static str) -> impl Fn(Self) -> SettingsError {
        move |fault| SettingsError::Value { key, fault }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "settings.json {error}"),
            Self::NotJson(error) => {
                write!(f, "settings.json: {error}: make it one JSON object")
            }
            Self::Value { key, fault } => write!(f, "settings.json: {key} {fault}"),
            Self::ProofUnreadable(error) => write!(f, "provisioning.pop {error}"),
            Self::ProofFile => f.write_str(
                "provisioning.pop holds no proof of possession: write 1 to 64 bytes of text, or \
                 leave the file out",
            ),
        }
    }
}

/// Continues a sentence that begins with the key.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("is not text: put it in double quotes"),
            Self::Escaped => f.write_str("has a backslash: write it without"),
            Self::NotAnObject => f.write_str("is not an object: put its keys in braces"),
            Self::NotANumber { least, most } => {
                write!(f, "is not a number: write one from {least} to {most}")
            }
            Self::OutOfRange { least, most } => {
                write!(f, "is out of range: write a number from {least} to {most}")
            }
            Self::Length { least, most } => {
                write!(f, "has the wrong length: write {least} to {most} bytes")
            }
            Self::NoProof => f.write_str(
                "is empty, which security 2 cannot be: write 1 to 64 bytes, or leave the key out",
            ),
            Self::NotPrintable => f.write_str("is not printable: write ASCII characters only"),
            Self::NotAnOrder => f.write_str("is no order: write \"newest\" or \"oldest\""),
            Self::NotACountry => {
                f.write_str("is no country: write its two capital letters, as in ISO 3166-1")
            }
            Self::NotABroker => {
                f.write_str("is no broker: write mqtts://host or mqtts://host:port")
            }
            Self::NoTls => {
                f.write_str("has no TLS: write mqtts:// in place of mqtt://, port 8883 by default")
            }
            Self::BadHost => f
                .write_str("has no usable host: write a name or an IPv4 address, and its port if any"),
            Self::Ipv6 => f.write_str(
                "is an IPv6 address, and the device speaks IPv4 alone: write a name or an IPv4 address",
            ),
            Self::TooMany(most) => write!(f, "names too many: write {most} at most"),
            Self::UserInBroker => f.write_str(
                "has a user or password: leave out all up to the @, for the device proves itself \
                 by its certificate",
            ),
            Self::BadPort => f.write_str("has a bad port: write one from 1 to 65535"),
        }
    }
}

impl core::error::Error for SettingsError {}
