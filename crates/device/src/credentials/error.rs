//! What can be wrong with the three files, and what whoever made the SPIFFS image should do.

use core::fmt;

use certfile::Oid;
use certfile::file::{self, Form};
use certfile::firmware::Objection;
use certfile::pem::Other;

use crate::calendar::Date;
use crate::storage::FileError;

/// One of the three files, or what a renewal brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// `device.crt`
    Certificate,
    /// `device.key`
    Key,
    /// `server_chain.pem`
    ServerChain,
    /// What a renewal brought in the place of certificate and key.
    Renewed,
    /// What a renewal brought beside `server_chain.pem`.
    RenewedAnchors,
}

impl File {
    /// Its name in SPIFFS, or that of the shared attribute that it came by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "device.crt",
            Self::Key => "device.key",
            Self::ServerChain => "server_chain.pem",
            Self::Renewed => "renewedChain",
            Self::RenewedAnchors => "serverChain",
        }
    }

    /// All names that it may have, of which the first that is there counts: that of the C firmware
    /// on ESP-IDF v5.4.1, and that of its successor on 6.1.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let other = match self {
            Self::Certificate | Self::Key | Self::Renewed | Self::RenewedAnchors => None,
            Self::ServerChain => Some("root_ca.crt"),
        };
        core::iter::once(self.name()).chain(other)
    }

    /// An error about this file.
    #[must_use]
    pub fn has(self, fault: Fault) -> CredentialsError {
        CredentialsError { file: self, fault }
    }

    /// What belongs into it.
    fn purpose(self) -> &'static str {
        match self {
            Self::Certificate => "the device's certificate and the CAs above it",
            Self::Key => "the device's private key",
            Self::ServerChain | Self::RenewedAnchors => "the CA certificates of the broker",
            Self::Renewed => "what was signed for the device's request, and the CAs above it",
        }
    }
}

/// Why the device cannot prove who it is. Whoever made its SPIFFS image must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsError {
    /// The file.
    pub file: File,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a file. Certificates are numbered from 1 in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not in SPIFFS.
    Missing,
    /// In SPIFFS, but not to be read.
    Unreadable(FileError),
    /// No bytes.
    Empty,
    /// More bytes than the device reads.
    TooLarge {
        /// The most, in bytes.
        most: usize,
    },
    /// More than [`MOST_CERTIFICATES`](super::MOST_CERTIFICATES).
    TooMany,
    /// More than [`MOST_CHAIN_BYTES`](super::MOST_CHAIN_BYTES), decoded.
    ChainTooLong,
    /// No PEM, or not of the right kind.
    NotPem,
    /// PEM that cannot be decoded.
    Damaged {
        /// Which certificate; 1 for a key.
        number: u8,
    },
    /// DER: what PEM is the text of.
    Binary,
    /// Text in UTF-16.
    Utf16,
    /// PEM, but of something that has to be converted, or is not what belongs here.
    Form {
        /// What it is.
        form: Form,
        /// The line in which it begins, counted from 1.
        line: u16,
    },
    /// A kind of key that this firmware cannot do.
    KeyKind {
        /// Which certificate; 1 for a key.
        number: u8,
        /// The key's algorithm.
        kind: Oid,
    },
    /// A curve that this firmware cannot do.
    Curve {
        /// Which certificate; 1 for a key.
        number: u8,
        /// The curve.
        curve: Oid,
    },
    /// A curve that is told by its parameters.
    ExplicitCurve {
        /// Which certificate; 1 for a key.
        number: u8,
    },
    /// A signature that this firmware cannot verify, or that nobody should trust any more.
    Signature {
        /// Which certificate.
        number: u8,
        /// How it is signed.
        algorithm: Oid,
    },
    /// An extension that must be understood, and is not.
    Critical {
        /// Which certificate.
        number: u8,
        /// The extension.
        extension: Oid,
    },
    /// An RSA key that is too weak or takes too long.
    RsaSize {
        /// Which certificate; 1 for a key.
        number: u8,
        /// Its size.
        bits: usize,
    },
    /// The key is encrypted, and nobody is there to type a passphrase.
    Encrypted,
    /// The key is sealed for one chip, and what reads it here opens none.
    Sealed,
    /// The key is sealed, and this chip does not open it.
    #[cfg(feature = "seal")]
    Seal(seal::Fault),
    /// The key is not that of the first certificate.
    Mismatch,
    /// The certificate is not signed by the one that follows.
    OutOfOrder {
        /// Which certificate.
        number: u8,
    },
    /// The certificate signed another one, but is not a CA's.
    NotACa {
        /// Which certificate.
        number: u8,
    },
    /// In `server_chain.pem`, but neither a CA's nor signed by itself.
    NotAnAnchor {
        /// Which certificate.
        number: u8,
    },
    /// The device's certificate is restricted to other uses.
    NotForClients,
    /// The key usage of the device's certificate lacks signing.
    KeyUsage,
    /// The device's certificate has no common name.
    NoCommonName,
    /// The common name is blank, longer than 64 bytes, or no printable text.
    CommonNameUnusable,
    /// Good only later.
    NotYetValid {
        /// Which certificate.
        number: u8,
        /// From when, in seconds since 1970.
        from_unix_s: u64,
        /// When this was checked, in seconds since 1970.
        now_unix_s: u64,
    },
    /// No longer good.
    Expired {
        /// Which certificate.
        number: u8,
        /// Until when it was, in seconds since 1970.
        to_unix_s: u64,
        /// When this was checked, in seconds since 1970.
        now_unix_s: u64,
    },
    /// The heap is too small.
    OutOfMemory,
}

impl CredentialsError {
    /// Whether the device's clock may be to blame: a date does not fit it.
    #[must_use]
    pub fn doubts_clock(self) -> bool {
        matches!(
            self.fault,
            Fault::Expired { .. } | Fault::NotYetValid { .. }
        )
    }
}

/// `file: what is wrong: what to do`.
impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.name())?;
        self.explain(f)
    }
}

impl CredentialsError {
    /// What is wrong, and what to do.
    pub(crate) fn explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let purpose = self.file.purpose();
        match self.fault {
            Fault::Missing => write!(f, "missing: put {purpose} into SPIFFS"),
            Fault::Unreadable(error) => fmt::Display::fmt(&error, f),
            Fault::Empty => write!(f, "empty: put {purpose} into it"),
            Fault::TooLarge { most } => {
                write!(f, "more than {most} bytes: put {purpose} into it, no more")
            }
            Fault::TooMany => {
                let most = super::MOST_CERTIFICATES;
                write!(
                    f,
                    "more than {most} certificates: leave those that are needed"
                )
            }
            Fault::ChainTooLong => f.write_str(
                "more than the device can send: leave out the root, or have the certificates made \
                 anew with P-256 keys",
            ),
            Fault::NotPem => write!(
                f,
                "no PEM, or another file's: put {purpose} into it, as text"
            ),
            Fault::Damaged { number } => {
                self.item(f, number)?;
                f.write_str(" is damaged: copy it anew, whole")
            }
            Fault::Binary => f.write_str(file::remedy(Other::Binary).unwrap_or_default()),
            Fault::Utf16 => f.write_str(file::remedy(Other::Utf16).unwrap_or_default()),
            Fault::Form { form, line } => write!(f, "in line {line} begins {form}"),
            Fault::KeyKind { number, kind } => self.objects(f, number, Objection::KeyKind(kind)),
            Fault::Curve { number, curve } => self.objects(f, number, Objection::Curve(curve)),
            Fault::ExplicitCurve { number } => self.objects(f, number, Objection::ExplicitCurve),
            Fault::Signature { number, algorithm } => {
                self.objects(f, number, Objection::Signature(algorithm))
            }
            Fault::Critical { number, extension } => {
                self.objects(f, number, Objection::Critical(extension))
            }
            Fault::RsaSize { number, bits } => {
                self.item(f, number)?;
                write!(
                    f,
                    ": RSA of {bits} bits: take 2048 to 4096, or better P-256"
                )
            }
            Fault::Encrypted => f.write_str(file::ENCRYPTED),
            Fault::Sealed => f.write_str(
                "sealed for one chip, and not opened here: write a firmware that was built with the feature \
                 `seal` to that chip's board",
            ),
            #[cfg(feature = "seal")]
            Fault::Seal(fault) => explain_seal(f, fault),
            Fault::Mismatch if self.file == File::Renewed => f.write_str(
                "not for the key of the device's request: sign what stands in certificate_request now",
            ),
            Fault::Mismatch => f.write_str(
                "not the key of the first certificate in device.crt: put the pair together again",
            ),
            Fault::OutOfOrder { number } => write!(
                f,
                "certificate {number} is not signed by certificate {}: put the device's own first, \
                 then the CA that signed it, then the CA above",
                u32::from(number) + 1
            ),
            Fault::NotACa { number } => write!(
                f,
                "certificate {number} signed another, but is not a CA's (basicConstraints CA:TRUE, \
                 keyCertSign): have the CA certificate made anew"
            ),
            Fault::NotAnAnchor { number } => write!(
                f,
                "certificate {number} is not a CA's, so that no server can be trusted by it: put the \
                 CA there that signed the server's"
            ),
            Fault::KeyUsage => f.write_str(
                "the key usage of the device's certificate is without digitalSignature, so that no \
                 server takes it: have it made anew with digitalSignature",
            ),
            Fault::NotForClients => f.write_str(
                "the device's certificate is not for TLS clients: have it made anew with the \
                 extended key usage clientAuth",
            ),
            Fault::NoCommonName => f.write_str(
                "the device's certificate has no common name (CN): have it made anew, with the \
                 serial number as CN",
            ),
            Fault::CommonNameUnusable => f.write_str(
                "the common name (CN) is blank, longer than 64 bytes or not printable: have the \
                 certificate made anew, with the serial number as CN",
            ),
            Fault::NotYetValid {
                number,
                from_unix_s,
                now_unix_s,
            } => {
                let from = Date::from_unix_s(from_unix_s);
                let now = Date::from_unix_s(now_unix_s);
                write!(
                    f,
                    "certificate {number} is not valid before {from}, and it is {now}: check the \
                     time server, or the clock of the CA"
                )
            }
            Fault::Expired {
                number,
                to_unix_s,
                now_unix_s,
            } => {
                let to = Date::from_unix_s(to_unix_s);
                let now = Date::from_unix_s(now_unix_s);
                write!(
                    f,
                    "certificate {number} expired on {to}, and it is {now}: renew it"
                )
            }
            Fault::OutOfMemory => {
                f.write_str("not enough memory to read it: this is a fault of the firmware")
            }
        }
    }

    fn objects(&self, f: &mut fmt::Formatter<'_>, number: u8, objection: Objection) -> fmt::Result {
        self.item(f, number)?;
        write!(f, " {objection}")
    }

    fn item(&self, f: &mut fmt::Formatter<'_>, number: u8) -> fmt::Result {
        match self.file {
            File::Key => f.write_str("the key"),
            _ => write!(f, "certificate {number}"),
        }
    }
}

impl core::error::Error for CredentialsError {}

/// Why a sealed key is not opened by this chip, and what to do.
#[cfg(feature = "seal")]
fn explain_seal(f: &mut fmt::Formatter<'_>, fault: seal::Fault) -> fmt::Result {
    match fault {
        seal::Fault::NoKey(block) => write!(
            f,
            "sealed with a chip's key in {block}, and this chip has none there, for the flash is another \
             board's: make this board its own by `esptb factory run --seal`"
        ),
        seal::Fault::Another => f.write_str(
            "sealed with another chip's key, or changed, for the flash is another board's: make this board its \
             own by `esptb factory run --seal`",
        ),
        seal::Fault::Version(version) => write!(
            f,
            "sealed in form {version}, and this firmware opens {}: write a later firmware",
            seal::FORM
        ),
        seal::Fault::NotSealed | seal::Fault::Damaged | seal::Fault::TooLarge => {
            f.write_str("sealed, and damaged: write the board's files anew")
        }
    }
}
