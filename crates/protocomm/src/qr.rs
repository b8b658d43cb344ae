//! The QR code that phone apps scan instead of asking for name and proof: its text, and how it is
//! drawn.
//!
//! ```json
//! {"ver":"v1","name":"PROV_1A2B3C","username":"wifiprov","pop":"abcd1234","transport":"ble","security":2}
//! ```
//!
//! `username` goes with security 2 only, `pop` is left out where there is none. Apps that find no
//! `security` assume 1 or 2 by their age, so this crate always writes it. The text holds the proof
//! of possession in plain: it belongs on the device's label, not in a log.
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `examples/provisioning/wifi_prov_mgr/main/app_main.c`,
//! `wifi_prov_print_qr`, which stops at `transport`; for the rest, espressif's
//! esp-idf-provisioning-android (0106b28), `README.md`.

mod drawing;

use crate::json::{Token, Tokens, Writer};
use crate::wire::{BufferTooSmall, Malformed};

pub use drawing::{BORDER, draw};

/// How a client reaches the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `ble`: Bluetooth Low Energy, by the name that is advertised.
    Ble,
    /// `softap`: HTTP over the device's own Wi-Fi network of this name.
    SoftAp,
}

impl Transport {
    const fn name(self) -> &'static str {
        match self {
            Self::Ble => "ble",
            Self::SoftAp => "softap",
        }
    }
}

/// The content of a QR code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The device's name, see [`gatt::device_name`](crate::gatt::device_name).
    pub name: &'a str,
    /// The username, for security 2.
    pub username: Option<&'a str>,
    /// The proof of possession.
    pub proof_of_possession: Option<&'a str>,
    /// How to reach the device.
    pub transport: Transport,
    /// The security scheme: 0, 1 or 2. `None` only in a text that does not say.
    pub security: Option<u8>,
}

impl<'a> Payload<'a> {
    /// Writes the text and returns its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] with the length needed.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut w = Writer::new(buffer);
        w.raw("{\"ver\":\"v1\",\"name\":");
        w.string(self.name);
        if let Some(username) = self.username {
            w.raw(",\"username\":");
            w.string(username);
        }
        if let Some(proof) = self.proof_of_possession {
            w.raw(",\"pop\":");
            w.string(proof);
        }
        w.raw(",\"transport\":");
        w.string(self.transport.name());
        if let Some(security) = self.security {
            w.raw(",\"security\":");
            w.digit(security);
        }
        w.raw("}");
        w.finish()
    }

    /// Reads the text of a QR code.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is not of version 1, has no name or no known transport, or has a string
    /// with an escape or a control character in it.
    pub fn decode(text: &'a str) -> Result<Self, Malformed> {
        let mut tokens = Tokens::new(text.trim());
        if tokens.next() != Some(Token::Open) {
            return Err(Malformed);
        }
        let mut version = None;
        let mut name = None;
        let mut username = None;
        let mut proof_of_possession = None;
        let mut transport = None;
        let mut security = None;
        loop {
            let key = match tokens.next() {
                Some(Token::String(key)) => key,
                Some(Token::Close) => break,
                _ => return Err(Malformed),
            };
            if tokens.next() != Some(Token::Colon) {
                return Err(Malformed);
            }
            match tokens.next() {
                // A raw control character is no JSON (RFC 8259, 7).
                Some(Token::String(value)) if !value.contains(|c| c == '\\' || c < ' ') => {
                    match key {
                        "ver" => version = Some(value),
                        "name" => name = Some(value),
                        "username" => username = Some(value),
                        "pop" => proof_of_possession = Some(value),
                        "transport" => transport = Some(value),
                        _ => {}
                    }
                }
                Some(Token::Scalar(value)) => {
                    if key == "security" {
                        security = Some(value.parse().map_err(|_| Malformed)?);
                    }
                }
                _ => return Err(Malformed),
            }
        }
        if version != Some("v1") {
            return Err(Malformed);
        }
        Ok(Self {
            name: name.ok_or(Malformed)?,
            username,
            proof_of_possession,
            transport: match transport {
                Some("ble") => Transport::Ble,
                Some("softap") => Transport::SoftAp,
                _ => return Err(Malformed),
            },
            security,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const FULL: &str = concat!(
        r#"{"ver":"v1","name":"PROV_1A2B3C","username":"wifiprov","#,
        r#""pop":"abcd1234","transport":"ble","security":2}"#
    );

    #[test]
    fn a_full_text() {
        let payload = Payload {
            name: "PROV_1A2B3C",
            username: Some("wifiprov"),
            proof_of_possession: Some("abcd1234"),
            transport: Transport::Ble,
            security: Some(2),
        };
        let mut buffer = [0; 128];
        let len = payload.encode(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], FULL.as_bytes());
        assert!(Payload::decode(FULL) == Ok(payload));
        assert_eq!(
            payload.encode(&mut buffer[..len - 1]),
            Err(BufferTooSmall { needed: len })
        );
    }

    #[test]
    fn what_espressifs_examples_print() {
        let text = r#"{"ver":"v1","name":"PROV_CE03C0","transport":"softap","password":"x"}"#;
        let payload = Payload::decode(text).unwrap_or_else(|_| panic!());
        assert_eq!(payload.name, "PROV_CE03C0");
        assert_eq!(payload.transport, Transport::SoftAp);
        assert_eq!(payload.security, None);
        assert!(payload.proof_of_possession.is_none());
    }

    #[test]
    fn texts_that_are_no_payload() {
        for text in [
            "",
            "https://example.com",
            "{}",
            r#"{"ver":"v2","name":"x","transport":"ble"}"#,
            r#"{"ver":"v1","name":"x","transport":"mesh"}"#,
            r#"{"ver":"v1","name":"x\n","transport":"ble"}"#,
            "{\"ver\":\"v1\",\"name\":\"x\n\",\"transport\":\"ble\"}",
            r#"{"ver":"v1","name":"x","transport":"ble","security":999}"#,
            r#"{"ver":"v1","name":"x","transport":"ble""#,
            r#"{"ver":"v1","name":["x"],"transport":"ble"}"#,
        ] {
            assert!(Payload::decode(text) == Err(Malformed), "{text}");
        }
    }
}
