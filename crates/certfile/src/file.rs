//! What is looked for in a file, in whatever comes around it; and what is there in its place.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::pem::{self, Block, Other};

/// PEM of something that has to be converted first, or does not belong here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `TRUSTED CERTIFICATE`.
    Trusted,
    /// `PKCS7` or `CMS`.
    Pkcs7,
    /// A request that a certificate be made.
    Request,
    /// `OPENSSH PRIVATE KEY`.
    OpenSsh,
    /// `PUBLIC KEY`.
    PublicKey,
}

/// Continues a sentence, and says what to do.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trusted => {
                "a TRUSTED CERTIFICATE, OpenSSL's own form: convert it with `openssl x509 -in … -out …`"
            }
            Self::Pkcs7 => {
                "PKCS#7: take the certificates out with `openssl pkcs7 -print_certs -in … -out …`"
            }
            Self::Request => "a request: put the certificate there that the CA made of it",
            Self::OpenSsh => {
                "a key in OpenSSH's form: convert it with `ssh-keygen -p -m PKCS8 -f …`"
            }
            Self::PublicKey => "a public key: put the private key there",
        })
    }
}

/// Why something cannot be had from a file. Whoever put the file there must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no block of it; what the file is instead.
    None(Other),
    /// A block of another form.
    Form {
        /// Which.
        form: Form,
        /// The line in which it begins, counted from 1.
        line: usize,
    },
    /// A block that is not whole, or not Base64.
    Damaged {
        /// The line in which it begins, counted from 1.
        line: usize,
    },
    /// A key with a passphrase, which nobody is there to type.
    Encrypted,
}

/// What to do about a file in which there is nothing of what is looked for. `None` where that
/// depends on what is looked for.
#[must_use]
pub fn remedy(other: Other) -> Option<&'static str> {
    match other {
        Other::Empty | Other::Unknown => None,
        Other::Binary => Some(
            "binary (DER): convert it to PEM, as with `openssl x509 -inform der -in … -out …`, or \
             `openssl pkey` for a key",
        ),
        Other::Utf16 => Some("text in UTF-16: save it as ASCII or UTF-8"),
    }
}

/// What to do about an encrypted key.
pub const ENCRYPTED: &str =
    "the key is encrypted: remove the passphrase, as with `openssl pkey -in … -out …`";

/// What is wrong, and what to do; to be preceded by the name of the file.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(other) => f.write_str(remedy(*other).unwrap_or(match other {
                Other::Empty => "empty",
                _ => "nothing of that in PEM is in it: is it another file?",
            })),
            Self::Form { form, line } => write!(f, "in line {line} begins {form}"),
            Self::Damaged { line } => write!(
                f,
                "what begins in line {line} is damaged: copy it anew, whole"
            ),
            Self::Encrypted => f.write_str(ENCRYPTED),
        }
    }
}

impl core::error::Error for Fault {}

/// A certificate in a file, or what would be one.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Which it is in the file, counted from 1.
    pub number: usize,
    /// The line in which it begins, counted from 1.
    pub line: usize,
    block: Block<'a>,
}

impl Held<'_> {
    /// The certificate, DER, whatever follows it.
    ///
    /// # Errors
    ///
    /// [`Fault::Form`] or [`Fault::Damaged`].
    pub fn decode(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let line = self.line;
        match certificate_form(&self.block) {
            Some(form) => Err(Fault::Form { form, line }),
            None => self.block.decode().map_err(|_| Fault::Damaged { line }),
        }
    }
}

/// The certificates of a file and what would be some, in their order.
pub fn certificates(file: &[u8]) -> impl Iterator<Item = Held<'_>> {
    let is_one = |block: &Block<'_>| block.is_certificate() || certificate_form(block).is_some();
    (1..)
        .zip(pem::blocks(file).filter(is_one))
        .map(|(number, block)| Held {
            number,
            line: block.line,
            block,
        })
}

/// All certificates of a file, of which there is at least one, in DER.
///
/// # Errors
///
/// The first [`Fault`].
pub fn all_certificates(file: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, Fault> {
    let all: Vec<_> = certificates(file)
        .map(|held| held.decode())
        .collect::<Result<_, _>>()?;
    match all.is_empty() {
        true => Err(Fault::None(pem::other(file))),
        false => Ok(all),
    }
}

/// The first private key of a file, DER: PKCS#8, SEC1 or PKCS#1.
///
/// # Errors
///
/// [`Fault`].
pub fn key(file: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let Some(block) = pem::blocks(file).find(Block::is_key) else {
        let other = pem::blocks(file).find_map(|block| key_form(&block));
        return Err(other.unwrap_or_else(|| Fault::None(pem::other(file))));
    };
    match key_form(&block) {
        Some(fault) => Err(fault),
        None if block.is_encrypted() => Err(Fault::Encrypted),
        None => {
            let line = block.line;
            block.decode().map_err(|_| Fault::Damaged { line })
        }
    }
}

/// What would be a certificate, and has to be converted first.
fn certificate_form(block: &Block<'_>) -> Option<Form> {
    match block.label {
        "TRUSTED CERTIFICATE" => Some(Form::Trusted),
        "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => Some(Form::Pkcs7),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Some(Form::Request),
        _ => None,
    }
}

/// The same for a key.
fn key_form(block: &Block<'_>) -> Option<Fault> {
    let form = match block.label {
        "OPENSSH PRIVATE KEY" => Form::OpenSsh,
        "PUBLIC KEY" => Form::PublicKey,
        _ => return None,
    };
    let line = block.line;
    Some(Fault::Form { form, line })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn pem(label: &str) -> alloc::string::String {
        format!("-----BEGIN {label}-----\nMAMCAQE=\n-----END {label}-----\n")
    }

    #[test]
    fn what_is_found_is_numbered_and_what_is_not_is_told_with_its_line() {
        let file = format!(
            "\u{feff}{}{}",
            pem("CERTIFICATE"),
            pem("TRUSTED CERTIFICATE")
        );
        let held: Vec<_> = certificates(file.as_bytes()).collect();
        assert_eq!(held.len(), 2);
        assert!(held[0].decode().is_ok());
        let fault = held[1].decode().unwrap_err();
        assert_eq!((held[1].number, held[1].line), (2, 4));
        assert!(
            fault.to_string().contains("line 4 begins a TRUSTED"),
            "{fault}"
        );
        assert_eq!(all_certificates(file.as_bytes()).unwrap_err(), fault);
        for (file, other) in [
            (&b""[..], Other::Empty),
            (b"\xff\xfe-\0", Other::Utf16),
            (b"0\x82\x01\x00", Other::Binary),
            (b"hello", Other::Unknown),
        ] {
            assert_eq!(all_certificates(file).unwrap_err(), Fault::None(other));
            assert_eq!(key(file).unwrap_err(), Fault::None(other));
            assert!(!Fault::None(other).to_string().is_empty());
        }
    }

    #[test]
    fn a_key_is_found_behind_its_parameters_and_others_are_told() {
        let file = format!("{}{}\0", pem("EC PARAMETERS"), pem("EC PRIVATE KEY"));
        assert_eq!(key(file.as_bytes()).unwrap().to_vec(), [0x30, 3, 2, 1, 1]);
        for (label, fault) in [
            ("ENCRYPTED PRIVATE KEY", Fault::Encrypted),
            (
                "OPENSSH PRIVATE KEY",
                Fault::Form {
                    form: Form::OpenSsh,
                    line: 1,
                },
            ),
            (
                "PUBLIC KEY",
                Fault::Form {
                    form: Form::PublicKey,
                    line: 1,
                },
            ),
            ("CERTIFICATE", Fault::None(Other::Unknown)),
        ] {
            assert_eq!(key(pem(label).as_bytes()).unwrap_err(), fault, "{label}");
        }
        let cut = "-----BEGIN PRIVATE KEY-----\nMAMC";
        assert_eq!(key(cut.as_bytes()).unwrap_err(), Fault::Damaged { line: 1 });
    }
}
