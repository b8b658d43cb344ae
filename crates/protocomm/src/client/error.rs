//! What stands in a client's way.

use core::fmt;
use core::time::Duration;

use crate::security::{ChannelError, Rejected};
use crate::wire::{BufferTooSmall, Malformed, Status};

/// What stands in the way, by who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The user: the proof of possession or the username is wrong.
    WrongProof,
    /// The user has to wait about so long: there were too many wrong proofs.
    CoolingDown(Duration),
    /// The user has to wait: the device is provisioned by another client.
    Busy,
    /// The device does not know the proof of possession. It is not the one it seems to be, or
    /// somebody is in between.
    DeviceNotProven,
    /// The device is at fault: its reply is no message of this endpoint.
    Malformed,
    /// The device is at fault, or the bytes were changed on their way: the reply is not the next
    /// one of this session.
    Undecryptable,
    /// The device refused the handshake with this status.
    HandshakeStatus(Status),
    /// The device refused to begin: it may speak another scheme than it was spoken to with.
    HandshakeRefused,
    /// The client has to start over: the device refused the request, or has lost the session.
    SessionLost,
    /// The client has to start over: the session's nonces are used up.
    SessionExhausted,
    /// This crate does not know the device's scheme.
    UnknownScheme(u8),
    /// The caller: the username is empty or longer than 64 bytes.
    InvalidUsername,
    /// The caller called in the wrong order: no session yet, a request before the last one's reply,
    /// or after an error. Nothing has changed.
    OutOfOrder,
    /// The caller: the buffer is too small.
    Buffer(BufferTooSmall),
    /// The caller's random number generator is stuck.
    NoRandomness,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongProof => f.write_str(
                "wrong proof of possession or username: the proof is on the device's label or \
                 console",
            ),
            Self::CoolingDown(duration) => write!(
                f,
                "too many wrong proofs or unfinished sessions: the device refuses for about {} \
                 seconds",
                duration.as_secs()
            ),
            Self::Busy => f.write_str("the device is busy with another client: wait, or close it"),
            Self::DeviceNotProven => f.write_str(
                "the device does not know the proof of possession: it may not be the right one",
            ),
            Self::Malformed => f.write_str("the device's reply is no message of this endpoint"),
            Self::Undecryptable => f.write_str("the device's reply does not belong to the session"),
            Self::HandshakeStatus(status) => {
                write!(f, "the device refused the handshake: {status:?}")
            }
            Self::HandshakeRefused => {
                f.write_str("the device refused the handshake: it may use another security scheme")
            }
            Self::SessionLost => f.write_str(
                "the device refused the request or lost the session: start a new session",
            ),
            Self::SessionExhausted => f.write_str("the session is used up: start a new one"),
            Self::UnknownScheme(scheme) => write!(
                f,
                "the device uses security {scheme}, which this program does not know"
            ),
            Self::InvalidUsername => f.write_str("the username has to have 1 to 64 bytes"),
            Self::OutOfOrder => f.write_str("the client was called out of order"),
            Self::Buffer(error) => error.fmt(f),
            Self::NoRandomness => f.write_str("the random number generator is stuck"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<BufferTooSmall> for Error {
    fn from(error: BufferTooSmall) -> Self {
        Self::Buffer(error)
    }
}

impl From<ChannelError> for Error {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::Undecryptable => Self::Undecryptable,
            ChannelError::Exhausted => Self::SessionExhausted,
            ChannelError::Buffer(error) => Self::Buffer(error),
        }
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Invalid => Self::Malformed,
            Rejected::Mismatch => Self::DeviceNotProven,
            Rejected::NoRandomness => Self::NoRandomness,
        }
    }
}
