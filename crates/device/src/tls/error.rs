//! MbedTLS's codes in words: what happened, and who must act.

use core::fmt;

use embedded_io_async::ErrorKind;
use mbedtls_rs_sys as sys;

use super::{Alert, Violation};

/// Why there is no TLS session, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsError {
    /// The server's certificate was refused by the device.
    ServerCertificate(CertificateFault),
    /// The server refused the device's certificate.
    DeviceCertificate(Alert),
    /// The server refused for another reason.
    Refused(Alert),
    /// The two have no version, cipher or curve in common.
    NothingInCommon,
    /// The server does not keep a rule of TLS.
    Violation(Violation),
    /// The server gives out cookies before it goes on.
    RetryCookie,
    /// The server changed its keys amid the connection.
    KeyUpdate,
    /// What answers does not speak TLS.
    NotTls,
    /// The connection broke, or was closed without a word.
    Broken(ErrorKind),
    /// The heap is too small.
    OutOfMemory,
    /// Anything else, by MbedTLS's code.
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
    /// Its key or its signature is too weak.
    TooWeak,
    /// It is not for servers.
    NotForServers,
    /// Anything else, as MbedTLS's flags.
    Other(u32),
}

impl CertificateFault {
    pub(super) fn from_flags(flags: u32) -> Self {
        let has = |flag| flags & flag != 0;
        // The one that matters most first: a certificate of another CA may have other dates.
        if flags == u32::MAX {
            Self::Other(flags)
        } else if has(sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
            Self::NotTrusted
        } else if has(sys::MBEDTLS_X509_BADCERT_EXPIRED) {
            Self::Expired
        } else if has(sys::MBEDTLS_X509_BADCERT_FUTURE) {
            Self::NotYetValid
        } else if has(sys::MBEDTLS_X509_BADCERT_CN_MISMATCH) {
            Self::WrongName
        } else if has(sys::MBEDTLS_X509_BADCERT_BAD_MD
            | sys::MBEDTLS_X509_BADCERT_BAD_PK
            | sys::MBEDTLS_X509_BADCERT_BAD_KEY)
        {
            Self::TooWeak
        } else if has(sys::MBEDTLS_X509_BADCERT_KEY_USAGE
            | sys::MBEDTLS_X509_BADCERT_EXT_KEY_USAGE
            | sys::MBEDTLS_X509_BADCERT_NS_CERT_TYPE)
        {
            Self::NotForServers
        } else {
            Self::Other(flags)
        }
    }
}

impl TlsError {
    /// `fault` is what MbedTLS found wrong with the server's certificate, `alert` the one that
    /// came.
    pub(super) fn from_code(code: i32, fault: CertificateFault, alert: Option<Alert>) -> Self {
        match code {
            sys::MBEDTLS_ERR_X509_CERT_VERIFY_FAILED => Self::ServerCertificate(fault),
            sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE => match alert {
                Some(Alert(40 | 70 | 71)) => Self::NothingInCommon,
                Some(alert) if alert.is_about_certificate() => Self::DeviceCertificate(alert),
                Some(alert) => Self::Refused(alert),
                None => Self::Other(code),
            },
            sys::MBEDTLS_ERR_SSL_CONN_EOF => Self::Broken(ErrorKind::ConnectionReset),
            sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE
            | sys::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
            | sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER => Self::NothingInCommon,
            // Bad input is what MbedTLS calls a record longer than any may be.
            sys::MBEDTLS_ERR_SSL_INVALID_RECORD
            | sys::MBEDTLS_ERR_SSL_UNEXPECTED_RECORD
            | sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA => Self::NotTls,
            sys::MBEDTLS_ERR_SSL_ALLOC_FAILED
            | sys::MBEDTLS_ERR_X509_ALLOC_FAILED
            | sys::MBEDTLS_ERR_PK_ALLOC_FAILED
            | sys::MBEDTLS_ERR_MPI_ALLOC_FAILED
            | sys::MBEDTLS_ERR_ASN1_ALLOC_FAILED => Self::OutOfMemory,
            code => Self::Other(code),
        }
    }
}

/// What a server has to speak.
const ALLOW: &str = "allow TLS 1.2 or 1.3 with ECDHE and AES-128-GCM there";

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerCertificate(fault) => write!(f, "the server's certificate {fault}"),
            Self::DeviceCertificate(alert) => {
                write!(f, "the server refuses the device's certificate ({alert})")?;
                f.write_str(
                    ": check that device.crt is the leaf followed by the CA that signed it, and \
                     that the server trusts that CA",
                )
            }
            Self::Refused(alert) => {
                write!(f, "the server hangs up ({alert}): look into its log")?;
                if alert.may_be_about_ciphers() {
                    f.write_str("; it may lack what the device speaks, so ")?;
                    f.write_str(ALLOW)?;
                }
                Ok(())
            }
            Self::NothingInCommon => {
                f.write_str("the server has no TLS version or cipher in common with the device: ")?;
                f.write_str(ALLOW)
            }
            Self::Violation(violation) => write!(
                f,
                "the server {violation}, against the rules of TLS: update it, or look for who \
                 stands in between"
            ),
            Self::RetryCookie => f.write_str(
                "the server asks for a cookie (HelloRetryRequest), which the device's TLS cannot \
                 give back: turn that off there, or allow P-256",
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
                    "TLS failed with MbedTLS's code -0x{magnitude:04x}: look into the server's log"
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
            Self::TooWeak => {
                "is too weak: have it made anew with P-256 or RSA of 2048 bits, and SHA-256"
            }
            Self::NotForServers => {
                "is not for TLS servers: have it made anew with the extended key usage serverAuth"
            }
            Self::Other(flags) => {
                return write!(
                    f,
                    "is refused (flags 0x{flags:x}): check it with `openssl verify`"
                );
            }
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
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_server_without_the_devices_cipher_is_told_which_one_to_allow() {
        let refused = |alert| TlsError::Refused(Alert(alert)).to_string();
        for alert in [40, 70, 71] {
            assert!(refused(alert).contains("AES-128-GCM"), "{}", refused(alert));
        }
        assert!(!refused(80).contains("AES"), "{}", refused(80));
    }
}
