//! `prov-ctrl`: forget a failed attempt, or provision anew.
//!
//! ```text
//! WiFiCtrlPayload   1: msg   2: status
//!   msg 1  11: reset {}          msg 2  12: reset reply {}
//!   msg 3  13: re-provision {}   msg 4  14: re-provision reply {}
//! ```

use super::codec::encode;
use super::config::payload;
use super::{BufferTooSmall, Malformed, Status};

/// What a client asks of `prov-ctrl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Forget the credentials that failed, and be ready for others.
    Reset,
    /// Leave the network, and be ready for other credentials.
    Reprovision,
}

/// What a device answers at `prov-ctrl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// The answer to [`Request::Reset`].
    Reset(Status),
    /// The answer to [`Request::Reprovision`].
    Reprovision(Status),
}

/// The field of message number 0, which does not exist.
const FIRST_FIELD: u32 = 10;

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is no protobuf, or no request of this endpoint.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        match payload(message, FIRST_FIELD)? {
            (1, ..) => Ok(Self::Reset),
            (3, ..) => Ok(Self::Reprovision),
            _ => Err(Malformed),
        }
    }

    /// Writes the request and returns its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] with the length needed: 4 bytes.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let kind = match self {
            Self::Reset => 1,
            Self::Reprovision => 3,
        };
        encode(buffer, |w| {
            w.number(1, kind);
            w.message(FIRST_FIELD + kind, |_| {});
        })
    }
}

impl Response {
    /// Reads a reply.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is no protobuf, or no reply of this endpoint.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        match payload(message, FIRST_FIELD)? {
            (2, _, status) => Ok(Self::Reset(status.into())),
            (4, _, status) => Ok(Self::Reprovision(status.into())),
            _ => Err(Malformed),
        }
    }

    /// Writes the reply and returns its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] with the length needed: at most 9 bytes.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let (kind, status) = match *self {
            Self::Reset(status) => (2, status),
            Self::Reprovision(status) => (4, status),
        };
        encode(buffer, |w| {
            w.number(1, kind);
            w.number(2, status.into());
            w.message(FIRST_FIELD + kind, |_| {});
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_wire() {
        let mut buffer = [0; 16];
        for request in [Request::Reset, Request::Reprovision] {
            let len = request.encode(&mut buffer).unwrap();
            assert_eq!(Request::decode(&buffer[..len]), Ok(request));
            assert_eq!(Response::decode(&buffer[..len]), Err(Malformed));
        }
        for reply in [
            Response::Reset(Status::Success),
            Response::Reprovision(Status::InternalError),
        ] {
            let len = reply.encode(&mut buffer).unwrap();
            assert_eq!(Response::decode(&buffer[..len]), Ok(reply));
            assert_eq!(Request::decode(&buffer[..len]), Err(Malformed));
        }
        assert_eq!(Request::decode(&[]), Err(Malformed));
    }
}
