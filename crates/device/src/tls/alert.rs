//! Alerts: by which the other end says why it hangs up.
//!
//! MbedTLS tells that there was an alert, but not which. As long as records are not encrypted
//! (RFC 8446, 5.1) it can be read from the stream as it passes by; later alerts stay unnamed.

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

/// Content types of records (RFC 8446, 5.1).
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;

/// Follows the records of a stream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Type, version and length of the record under way, as far as they came.
    header: [u8; 5],
    /// How many bytes of the header came.
    header_length: usize,
    /// How many bytes of the body came.
    body_length: usize,
    /// The last alert that came unencrypted.
    pub(super) alert: Option<Alert>,
    /// From the first encrypted record on there is nothing to see.
    blind: bool,
}

impl Watch {
    /// Takes notice of bytes that came in.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.blind {
                return;
            }
            if let Some(place) = self.header.get_mut(self.header_length) {
                *place = byte;
                self.header_length += 1;
                self.blind = self.header[0] == APPLICATION_DATA;
            } else {
                // An alert is its level and its description. After TLS 1.2's change of cipher it
                // is longer than that, and encrypted.
                if self.header[0] == ALERT && self.expected() == 2 && self.body_length == 1 {
                    self.alert = Some(Alert(byte));
                }
                self.body_length += 1;
            }
            if self.header_length == self.header.len() && self.body_length >= self.expected() {
                self.header_length = 0;
                self.body_length = 0;
            }
        }
    }

    fn expected(&self) -> usize {
        let [.., high, low] = self.header;
        usize::from(u16::from_be_bytes([high, low]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_seen_however_it_is_cut() {
        // A handshake record of 3 bytes, then a fatal unknown_ca.
        let stream = [22, 3, 3, 0, 3, 21, 2, 48, 21, 3, 3, 0, 2, 2, 48];
        for cut in 0..stream.len() {
            let mut watch = Watch::default();
            watch.pass(&stream[..cut]);
            assert_eq!(watch.alert, None);
            watch.pass(&stream[cut..]);
            assert_eq!(watch.alert, Some(Alert(48)));
        }
    }

    #[test]
    fn encrypted_records_are_no_alerts() {
        let mut watch = Watch::default();
        watch.pass(&[23, 3, 3, 0, 2, 2, 48, 21, 3, 3, 0, 2, 2, 48]);
        assert_eq!(watch.alert, None);
        let mut watch = Watch::default();
        watch.pass(&[21, 3, 3, 0, 26, 2, 48]);
        assert_eq!(watch.alert, None);
        let mut watch = Watch::default();
        watch.pass(&[21, 3, 3, 0, 0, 21, 3, 3, 0, 2, 1, 0]);
        assert_eq!(watch.alert, Some(Alert(0)));
    }
}
