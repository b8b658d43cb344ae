//! Alerts: by which the other end says why it hangs up.

use core::fmt;

/// The description of a fatal alert (RFC 8446, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert(pub u8);

impl Alert {
    /// Whether it is about the certificate or the identity of the one who got it.
    #[must_use]
    pub fn is_about_certificate(self) -> bool {
        matches!(self.0, 41..=46 | 48 | 49 | 51 | 113..=116)
    }

    /// Whether it may say that the two have no version or cipher in common.
    pub(super) fn may_be_about_ciphers(self) -> bool {
        matches!(self.0, 40 | 70 | 71)
    }
}

/// The name in RFC 8446, or the number.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            48 => "unknown_ca",
            49 => "access_denied",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            112 => "unrecognized_name",
            116 => "certificate_required",
            other => return write!(f, "number {other}"),
        })
    }
}
