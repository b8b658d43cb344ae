//! `prov-session`: the handshake.
//!
//! ```text
//! SessionData   2: sec_ver   10: Sec0Payload | 11: Sec1Payload | 12: Sec2Payload
//!
//! Sec0Payload   1: msg  (0 command, 1 response)
//!   20: command {}                      21: response { 1: status }
//!
//! Sec1Payload   1: msg  (0 command 0, 1 response 0, 2 command 1, 3 response 1)
//!   20: command 0  { 1: client key }
//!   21: response 0 { 1: status, 2: device key, 3: device random }
//!   22: command 1  { 2: client verify }
//!   23: response 1 { 1: status, 3: device verify }
//!
//! Sec2Payload   1: msg  (0 command 0, 1 response 0, 2 command 1, 3 response 1)
//!   20: command 0  { 1: username, 2: client key }
//!   21: response 0 { 1: status, 2: device key, 3: salt }
//!   22: command 1  { 1: client proof }
//!   23: response 1 { 1: status, 2: device proof, 3: nonce }
//! ```

use super::codec::{Fields, Value, Writer, encode};
use super::{BufferTooSmall, Malformed, Status};

/// A message of the handshake. The bytes are as they came; their lengths are for the security
/// scheme to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are named as the layout above names them"
)]
pub enum Handshake<'a> {
    /// Security 0: may I?
    Sec0Command,
    /// Security 0: yes.
    Sec0Response { status: Status },
    /// Security 1: the client's X25519 key, 32 bytes.
    Sec1Command0 { client_key: &'a [u8] },
    /// Security 1: the device's X25519 key, 32 bytes, and the first counter block, 16 bytes.
    Sec1Response0 {
        status: Status,
        device_key: &'a [u8],
        device_random: &'a [u8],
    },
    /// Security 1: the device's key, encrypted: the client has the secret. 32 bytes.
    Sec1Command1 { client_verify: &'a [u8] },
    /// Security 1: the client's key, encrypted: the device has the secret. 32 bytes.
    Sec1Response1 {
        status: Status,
        device_verify: &'a [u8],
    },
    /// Security 2: who the client says it is, and its SRP-6a public value A, up to 384 bytes.
    Sec2Command0 {
        username: &'a [u8],
        client_key: &'a [u8],
    },
    /// Security 2: the device's SRP-6a public value B, up to 384 bytes, and the salt.
    Sec2Response0 {
        status: Status,
        device_key: &'a [u8],
        salt: &'a [u8],
    },
    /// Security 2: the client's proof M1, 64 bytes.
    Sec2Command1 { client_proof: &'a [u8] },
    /// Security 2: the device's proof, 64 bytes, and the AES-GCM nonce, 12 or 16 bytes.
    Sec2Response1 {
        status: Status,
        device_proof: &'a [u8],
        nonce: &'a [u8],
    },
}

/// The fields of the innermost message, by number. None has a number above 3.
#[derive(Default)]
struct Inner<'a> {
    status: u32,
    bytes: [&'a [u8]; 4],
}

impl<'a> Inner<'a> {
    fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut inner = Self::default();
        let mut fields = Fields::new(message);
        while let Some((field, value)) = fields.next()? {
            match value {
                Value::Varint(number) if field == 1 => inner.status = number,
                Value::Bytes(bytes) => {
                    if let Some(slot) = inner.bytes.get_mut(field as usize) {
                        *slot = bytes;
                    }
                }
                _ => {}
            }
        }
        Ok(inner)
    }
}

impl<'a> Handshake<'a> {
    /// The number of the security scheme: `sec_ver` on the wire.
    pub const fn scheme(&self) -> u8 {
        match self {
            Self::Sec0Command | Self::Sec0Response { .. } => 0,
            Self::Sec1Command0 { .. }
            | Self::Sec1Response0 { .. }
            | Self::Sec1Command1 { .. }
            | Self::Sec1Response1 { .. } => 1,
            Self::Sec2Command0 { .. }
            | Self::Sec2Response0 { .. }
            | Self::Sec2Command1 { .. }
            | Self::Sec2Response1 { .. } => 2,
        }
    }

    /// Reads a message. A missing inner message counts as an empty one.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is no protobuf, names a scheme above 2, carries no payload of the scheme
    /// that it names, or a step that the scheme does not have.
    pub fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut scheme = 0;
        let mut payloads = [None; 3];
        let mut fields = Fields::new(message);
        while let Some((field, value)) = fields.next()? {
            match field {
                2 => scheme = value.number()?,
                10..=12 => {
                    // A later member of a oneof replaces an earlier one.
                    payloads = [None; 3];
                    payloads[(field - 10) as usize] = Some(value.bytes()?);
                }
                _ => {}
            }
        }
        let payload = payloads
            .get(scheme as usize)
            .copied()
            .flatten()
            .ok_or(Malformed)?;

        let mut step = 0;
        let mut inner: [&[u8]; 4] = [&[]; 4];
        let mut fields = Fields::new(payload);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => step = value.number()?,
                20..=23 => inner[(field - 20) as usize] = value.bytes()?,
                _ => {}
            }
        }
        let inner = Inner::decode(inner.get(step as usize).ok_or(Malformed)?)?;
        let status = Status::from(inner.status);
        let [_, first, second, third] = inner.bytes;
        Ok(match (scheme, step) {
            (0, 0) => Self::Sec0Command,
            (0, 1) => Self::Sec0Response { status },
            (1, 0) => Self::Sec1Command0 { client_key: first },
            (1, 1) => Self::Sec1Response0 {
                status,
                device_key: second,
                device_random: third,
            },
            (1, 2) => Self::Sec1Command1 {
                client_verify: second,
            },
            (1, 3) => Self::Sec1Response1 {
                status,
                device_verify: third,
            },
            (2, 0) => Self::Sec2Command0 {
                username: first,
                client_key: second,
            },
            (2, 1) => Self::Sec2Response0 {
                status,
                device_key: second,
                salt: third,
            },
            (2, 2) => Self::Sec2Command1 {
                client_proof: first,
            },
            (2, 3) => Self::Sec2Response1 {
                status,
                device_proof: second,
                nonce: third,
            },
            _ => return Err(Malformed),
        })
    }

    /// Writes the message and returns its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] with the length needed: at most 430 bytes and the username.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let (step, status, bytes): (u32, Option<Status>, [&[u8]; 3]) = match *self {
            Self::Sec0Command => (0, None, [&[]; 3]),
            Self::Sec0Response { status } => (1, Some(status), [&[]; 3]),
            Self::Sec1Command0 { client_key } => (0, None, [client_key, &[], &[]]),
            Self::Sec1Response0 {
                status,
                device_key,
                device_random,
            } => (1, Some(status), [&[], device_key, device_random]),
            Self::Sec1Command1 { client_verify } => (2, None, [&[], client_verify, &[]]),
            Self::Sec1Response1 {
                status,
                device_verify,
            } => (3, Some(status), [&[], &[], device_verify]),
            Self::Sec2Command0 {
                username,
                client_key,
            } => (0, None, [username, client_key, &[]]),
            Self::Sec2Response0 {
                status,
                device_key,
                salt,
            } => (1, Some(status), [&[], device_key, salt]),
            Self::Sec2Command1 { client_proof } => (2, None, [client_proof, &[], &[]]),
            Self::Sec2Response1 {
                status,
                device_proof,
                nonce,
            } => (3, Some(status), [&[], device_proof, nonce]),
        };
        let scheme = u32::from(self.scheme());
        let inner = |w: &mut Writer<'_>| {
            w.number(1, status.map_or(0, u32::from));
            for (field, value) in (1..).zip(bytes) {
                w.bytes(field, value);
            }
        };
        let payload = |w: &mut Writer<'_>| {
            w.number(1, step);
            w.message(20 + step, inner);
        };
        encode(buffer, |w| {
            w.number(2, scheme);
            w.message(10 + scheme, payload);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_wire() {
        let status = Status::Unknown(99);
        let messages = [
            Handshake::Sec0Command,
            Handshake::Sec0Response { status },
            Handshake::Sec1Command0 { client_key: b"key" },
            Handshake::Sec1Response0 {
                status: Status::Success,
                device_key: b"key",
                device_random: b"random",
            },
            Handshake::Sec1Command1 {
                client_verify: b"verify",
            },
            Handshake::Sec1Response1 {
                status,
                device_verify: b"verify",
            },
            Handshake::Sec2Command0 {
                username: b"wifiprov",
                client_key: &[0xA5; 384],
            },
            Handshake::Sec2Response0 {
                status: Status::Success,
                device_key: &[0x5A; 384],
                salt: b"salt",
            },
            Handshake::Sec2Command1 {
                client_proof: &[7; 64],
            },
            Handshake::Sec2Response1 {
                status: Status::Success,
                device_proof: &[8; 64],
                nonce: &[9; 12],
            },
        ];
        for message in messages {
            let mut buffer = [0; 512];
            let len = message.encode(&mut buffer).unwrap();
            assert_eq!(Handshake::decode(&buffer[..len]), Ok(message));
            assert_eq!(
                message.encode(&mut buffer[..len - 1]),
                Err(BufferTooSmall { needed: len })
            );
        }
    }

    #[test]
    fn a_scheme_without_its_payload_is_refused() {
        // sec_ver 1 with a security 2 payload, sec_ver 7, nothing at all
        assert_eq!(Handshake::decode(&[0x10, 1, 0x62, 0]), Err(Malformed));
        assert_eq!(Handshake::decode(&[0x10, 7, 0x5A, 0]), Err(Malformed));
        assert_eq!(Handshake::decode(&[]), Err(Malformed));
        // a step that security 1 does not have
        assert_eq!(
            Handshake::decode(&[0x10, 1, 0x5A, 2, 0x08, 4]),
            Err(Malformed)
        );
    }

    #[test]
    fn unknown_fields_are_skipped() {
        // field 15 as bytes, field 100 as varint, around an empty security 0 command
        let message = [0x7A, 2, 1, 2, 0xA0, 0x06, 5, 0x52, 0];
        assert_eq!(Handshake::decode(&message), Ok(Handshake::Sec0Command));
    }
}
