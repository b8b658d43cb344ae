//! MbedTLS's codes in words: what happened, and who must act.

use core::fmt;

use embedded_io_async::ErrorKind;
use mbedtls_rs_sys as sys;

use super::{Alert, Violation};
use crate::credentials::{Fault, File};

/// Why there is no TLS session, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsError {
    /// The server's certificate was refused by the device.
    ServerCertificate(CertificateFault),
    /// The server refused the device's certificate.
    DeviceCertificate(Alert),
    /// The server refused for another reason.
    Refused(Alert),
    /// The two have no cipher suite, group or kind of certificate in common: a server does not say
    /// which.
    NothingInCommon,
    /// The server does not keep a rule of TLS; or somebody on the way spoils what it says.
    Violation(Violation),
    /// The server asks for another group, and gives out a cookie with that. The next connection begins
    /// with that group, so that it needs neither.
    RetryCookie,
    /// The server's records end amid the header of a message.
    MessageCut,
    /// The server changed its keys amid the connection.
    KeyUpdate,
    /// The two have no version in common.
    NoVersion,
    /// The server demands larger keys or other suites than the device has.
    TooWeak,
    /// What answers does not speak TLS.
    NotTls,
    /// The connection broke, or was closed without a word.
    Broken(ErrorKind),
    /// The heap is too small.
    OutOfMemory,
    /// Anything else, by MbedTLS's code: nothing that a server can bring about.
    Other(i32),
}

/// What is wrong with the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// It does not come from a CA in `server_chain.pem`.
    NotTrusted,
    /// It, or one above it, has expired.
    Expired,
    /// It, or one above it, is not valid yet.
    NotYetValid,
    /// It is for another name.
    WrongName,
    /// Its signature, or that of one above it, is too weak.
    WeakSignature,
    /// Its key, or that of one above it, is too weak.
    WeakKey,
    /// Its extended key usage is without TLS servers.
    NotForServers,
    /// Its key usage is without signing.
    KeyUsage,
    /// It comes with more than the device takes.
    ChainTooLong,
    /// It, or one above it, is damaged or of a kind that the device cannot do.
    Unusable(Fault),
    /// There is none.
    Missing,
}

/// What is known when MbedTLS gives a code.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The alert that came.
    pub(super) alert: Option<Alert>,
    /// What MbedTLS found wrong with the server's certificate.
    pub(super) flags: u32,
    /// Whether the server has answered as TLS does.
    pub(super) answered: bool,
    /// Whether a record ends amid the header of a message.
    pub(super) cut: bool,
    /// Whether it is its turn to finish a handshake of TLS 1.2, in which the device showed its
    /// certificate.
    pub(super) finishing: bool,
    /// Whether the message under way has the server's certificates; then, which of them the device
    /// cannot use, if there is one.
    pub(super) certificates: Option<Option<Fault>>,
}

impl CertificateFault {
    /// None if MbedTLS found nothing wrong.
    fn from_flags(flags: u32) -> Option<Self> {
        let has = |flag| flags & flag != 0;
        // The one that matters most first: a certificate of another CA may have other dates.
        Some(if has(sys::MBEDTLS_X509_BADCERT_MISSING) {
            Self::Missing
        } else if has(sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
            Self::NotTrusted
        } else if has(sys::MBEDTLS_X509_BADCERT_EXPIRED) {
            Self::Expired
        } else if has(sys::MBEDTLS_X509_BADCERT_FUTURE) {
            Self::NotYetValid
        } else if has(sys::MBEDTLS_X509_BADCERT_CN_MISMATCH) {
            Self::WrongName
        } else if has(sys::MBEDTLS_X509_BADCERT_BAD_MD) {
            Self::WeakSignature
        } else if has(sys::MBEDTLS_X509_BADCERT_BAD_PK | sys::MBEDTLS_X509_BADCERT_BAD_KEY) {
            Self::WeakKey
        } else if has(
            sys::MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | sys::MBEDTLS_X509_BADCERT_NS_CERT_TYPE
        ) {
            Self::NotForServers
        } else if has(sys::MBEDTLS_X509_BADCERT_KEY_USAGE) {
            Self::KeyUsage
        } else {
            return None;
        })
    }
}

impl TlsError {
    pub(super) fn from_code(code: i32, seen: &Seen) -> Self {
        use Violation as V;
        match code {
            sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE => return Self::from_alert(code, seen),
            sys::MBEDTLS_ERR_SSL_CONN_EOF => return Self::Broken(ErrorKind::ConnectionReset),
            sys::MBEDTLS_ERR_SSL_ALLOC_FAILED
            | sys::MBEDTLS_ERR_X509_ALLOC_FAILED
            | sys::MBEDTLS_ERR_PK_ALLOC_FAILED
            | sys::MBEDTLS_ERR_MPI_ALLOC_FAILED
            | sys::MBEDTLS_ERR_ASN1_ALLOC_FAILED => return Self::OutOfMemory,
            _ => {}
        }
        if seen.cut {
            return Self::MessageCut;
        }
        if let Some(fault) = seen.certificates {
            return Self::ServerCertificate(from_certificates(code, seen.flags, fault));
        }
        match code {
            sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE => Self::NothingInCommon,
            sys::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION => Self::NoVersion,
            // Bad input is what MbedTLS calls a record longer than any may be.
            sys::MBEDTLS_ERR_SSL_INVALID_RECORD
            | sys::MBEDTLS_ERR_SSL_UNEXPECTED_RECORD
            | sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA => {
                if seen.answered {
                    Self::Violation(V::NoRecord)
                } else {
                    Self::NotTls
                }
            }
            sys::MBEDTLS_ERR_SSL_INVALID_MAC => Self::Violation(V::Undecryptable),
            sys::MBEDTLS_ERR_SSL_DECODE_ERROR => Self::Violation(V::Malformed),
            sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE => Self::Violation(V::OutOfTurn),
            sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER => Self::Violation(V::NotOffered),
            sys::MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION => Self::Violation(V::NotAsked),
            sys::MBEDTLS_ERR_SSL_BAD_CERTIFICATE
            | sys::MBEDTLS_ERR_SSL_PK_TYPE_MISMATCH
            | sys::MBEDTLS_ERR_ECP_VERIFY_FAILED
            | sys::MBEDTLS_ERR_RSA_VERIFY_FAILED
            | sys::MBEDTLS_ERR_RSA_INVALID_PADDING
            | sys::MBEDTLS_ERR_PK_SIG_LEN_MISMATCH => Self::Violation(V::Signature),
            code => Self::Other(code),
        }
    }

    fn from_alert(code: i32, seen: &Seen) -> Self {
        match seen.alert {
            // By OpenSSL of a curve that is not among its groups: all else that it could judge are
            // messages that MbedTLS makes well.
            Some(alert @ Alert(47)) if seen.finishing => Self::DeviceCertificate(alert),
            Some(Alert(40)) => Self::NothingInCommon,
            // By Java in place of that, where no group is in common: nothing is less unexpected than a
            // ClientHello.
            Some(Alert(10)) if !seen.answered => Self::NothingInCommon,
            Some(Alert(70)) => Self::NoVersion,
            Some(Alert(71)) => Self::TooWeak,
            Some(alert) if alert.is_about_certificate() => Self::DeviceCertificate(alert),
            Some(alert) => Self::Refused(alert),
            None => Self::Other(code),
        }
    }
}

/// MBEDTLS_ERR_ERROR_CORRUPTION_DETECTED, which bindgen passes over: also said where parts of a
/// message do not fit together into the buffer (library/ssl_msg.c,
/// mbedtls_ssl_prepare_handshake_record, v3.6.5).
const CORRUPTION_DETECTED: i32 = -0x6e;

/// What is wrong with the certificates of the message under way.
fn from_certificates(code: i32, flags: u32, unusable: Option<Fault>) -> CertificateFault {
    let damaged = CertificateFault::Unusable(Fault::Damaged { number: 1 });
    match code {
        // The message, or the list in it, is too long.
        sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA
        | sys::MBEDTLS_ERR_SSL_INVALID_RECORD
        | CORRUPTION_DETECTED
        | sys::MBEDTLS_ERR_X509_FATAL_ERROR => CertificateFault::ChainTooLong,
        sys::MBEDTLS_ERR_X509_CERT_VERIFY_FAILED | sys::MBEDTLS_ERR_SSL_BAD_CERTIFICATE => {
            CertificateFault::from_flags(flags).unwrap_or(CertificateFault::Missing)
        }
        sys::MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE => CertificateFault::Missing,
        _ => unusable.map_or(damaged, CertificateFault::Unusable),
    }
}

/// What a server has to speak.
const ALLOW: &str = "allow TLS 1.2 or 1.3 with ECDHE on P-256, P-384 or X25519, and AES-GCM or \
     ChaCha20-Poly1305 there, and give it a certificate with P-256, P-384 or RSA (Ed25519 and P-521 \
     are none of them) that may sign (digitalSignature)";

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerCertificate(CertificateFault::Unusable(fault)) => {
                f.write_str("the server's ")?;
                File::Certificate.has(*fault).explain(f)
            }
            Self::ServerCertificate(fault) => write!(f, "the server's certificate {fault}"),
            Self::DeviceCertificate(alert) => {
                write!(f, "the server refuses the device's certificate ({alert})")?;
                f.write_str(
                    ": check that device.crt is the leaf followed by the CA that signed it, and \
                     that the server trusts that CA and allows its kind of key and group",
                )
            }
            Self::Refused(alert) => {
                write!(f, "the server hangs up ({alert}): look into its log")
            }
            Self::NothingInCommon => {
                f.write_str(
                    "the server has no cipher suite, group or kind of certificate in common with \
                     the device: ",
                )?;
                f.write_str(ALLOW)
            }
            Self::NoVersion => f.write_str(
                "the server has no version of TLS in common with the device: allow TLS 1.2 or 1.3 \
                 there",
            ),
            Self::TooWeak => {
                f.write_str(
                    "the server demands larger keys or other suites than the device has: ",
                )?;
                f.write_str(ALLOW)
            }
            Self::Violation(violation) => write!(
                f,
                "the server {violation}, against the rules of TLS, or somebody on the way spoils \
                 what it says: look into its log, update it, and try it without proxies"
            ),
            Self::RetryCookie => f.write_str(
                "the server asks for another group and a cookie (HelloRetryRequest), which the \
                 device's TLS cannot give back: the next connection begins with that group; if this \
                 comes again and again, allow P-256 there",
            ),
            Self::MessageCut => f.write_str(
                "the server's records end amid the header of a message, which the device's TLS cannot \
                 join: let it send longer ones (max_fragment_size, ssl_buffer_size)",
            ),
            Self::KeyUpdate => f.write_str(
                "the server changed its keys (KeyUpdate), which the device's TLS cannot follow; it \
                 resumes at once; if this comes often, let the server do so less often",
            ),
            Self::NotTls => f.write_str(
                "what answers does not speak TLS: check the port in broker, usually 8883",
            ),
            Self::Broken(kind) => write!(
                f,
                "the connection broke ({kind:?}): check the network, and the log of the server, \
                 which may hang up without a word"
            ),
            Self::OutOfMemory => {
                // MbedTLS says the same where its table of keys (32 slots for PSA) is full.
                f.write_str(
                    "not enough memory for TLS, or more handshakes at once in one process than \
                     MbedTLS has key slots for: this is a fault of the firmware",
                )
            }
            Self::Other(code) => {
                let magnitude = code.unsigned_abs();
                write!(
                    f,
                    "TLS failed in the device (MbedTLS's -0x{magnitude:04x}): this is a fault of the \
                     firmware"
                )
            }
        }
    }
}

/// Continues a sentence about the server's certificate.
impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTrusted => {
                "does not come from a CA in server_chain.pem: put the CA of the MQTT server there, \
                 which need not be that of its web page"
            }
            Self::Expired => "has expired: renew it on the server, or check the time server",
            Self::NotYetValid => "is not valid yet: check the time server, or the server's CA",
            Self::WrongName => {
                "is for another name: correct broker or server_name in settings.json"
            }
            Self::WeakSignature => {
                "is signed with SHA-1 or weaker, or one above it is: have it made anew with SHA-256"
            }
            Self::WeakKey => {
                "has a key that is too weak, or one above it has: have it made anew with P-256 or \
                 RSA of 2048 bits"
            }
            Self::NotForServers => {
                "is not for TLS servers: have it made anew with the extended key usage serverAuth"
            }
            Self::KeyUsage => {
                "may not sign, as TLS wants: have it made anew with the key usage digitalSignature"
            }
            Self::ChainTooLong => {
                "comes with more than the device takes, 16 KiB and 8 CAs: leave out of the server's \
                 chain what the device does not need"
            }
            Self::Missing => "is missing: give the server one",
            Self::Unusable(fault) => return File::Certificate.has(*fault).explain(f),
        })
    }
}

impl core::error::Error for TlsError {}

impl embedded_io_async::Error for TlsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Broken(kind) => *kind,
            Self::OutOfMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;

    fn text(code: i32, seen: &Seen) -> String {
        TlsError::from_code(code, seen).to_string()
    }

    #[test]
    fn a_server_without_what_the_device_has_is_told_what_to_allow() {
        let seen = |alert| Seen {
            alert: Some(Alert(alert)),
            ..Seen::default()
        };
        const CODE: i32 = sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE;
        for (alert, named) in [
            (40, ["X25519", "Ed25519"]),
            (70, ["version", "1.2"]),
            (71, ["larger keys", "AES-GCM"]),
        ] {
            let text = text(CODE, &seen(alert));
            assert!(named.iter().all(|name| text.contains(name)), "{text}");
        }
        assert!(!text(CODE, &seen(80)).contains("AES"));
        assert!(text(CODE, &seen(10)).contains("X25519"));
        let late = Seen {
            answered: true,
            ..seen(10)
        };
        assert!(!text(CODE, &late).contains("X25519"));
        let finishing = Seen {
            finishing: true,
            ..seen(47)
        };
        assert!(text(CODE, &finishing).contains("group"));
        assert!(!text(CODE, &seen(47)).contains("group"));
    }

    #[test]
    fn no_alert_of_the_standards_is_a_number() {
        for alert in [
            0, 10, 20, 21, 22, 30, 40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 86,
            90, 100, 109, 110, 111, 112, 113, 114, 115, 116, 120,
        ] {
            let text = Alert(alert).to_string();
            assert!(!text.contains(char::is_numeric), "{text}");
        }
        assert_eq!(Alert(200).to_string(), "alert 200");
    }

    #[test]
    fn usages_are_named() {
        let seen = |flags| Seen {
            flags,
            answered: true,
            certificates: Some(None),
            ..Seen::default()
        };
        let code = sys::MBEDTLS_ERR_SSL_BAD_CERTIFICATE;
        let usage = text(code, &seen(sys::MBEDTLS_X509_BADCERT_KEY_USAGE));
        assert!(usage.contains("digitalSignature"), "{usage}");
        let extended = text(code, &seen(sys::MBEDTLS_X509_BADCERT_EXT_KEY_USAGE));
        assert!(extended.contains("serverAuth"), "{extended}");
        assert!(text(code, &seen(0)).contains("missing"));
    }

    #[test]
    fn what_is_too_long_depends_on_when_it_comes() {
        let code = sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
        let mut seen = Seen::default();
        assert_eq!(TlsError::from_code(code, &seen), TlsError::NotTls);
        seen.answered = true;
        let record = TlsError::Violation(Violation::NoRecord);
        assert_eq!(TlsError::from_code(code, &seen), record);
        seen.certificates = Some(None);
        assert!(text(code, &seen).contains("16 KiB"));
    }
}
