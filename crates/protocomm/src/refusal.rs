//! Requests that a device does not answer, and how a transport says so.
//!
//! Most failures travel inside a reply, as a [`Status`](crate::wire::Status). What is listed here
//! has no reply: the session is missing, or the bytes cannot be read. ESP-IDF answers all of these
//! over Bluetooth with ATT error 0x04 (Invalid PDU), and over HTTP by closing the connection. This
//! crate keeps 0x04 and says 500, and has a code of its own where a client does well to wait:
//!
//! | refusal | ATT error | HTTP |
//! |---|---|---|
//! | [`Refusal::CoolingDown`] | 0x80 and the time left in steps of 10 s, rounded up, at most 0x9E | 503, `Retry-After` |
//! | [`Refusal::Busy`] | 0x9F | 503 |
//! | [`Refusal::UnknownEndpoint`] | 0x04 | 404 |
//! | all others | 0x04 | 500 |
//!
//! 0x80 to 0x9F are the codes that the Core Specification leaves to applications, so phones pass
//! them on and do not act on them (0x05, for one, would make a phone ask for pairing).

use core::fmt;
use core::time::Duration;

use crate::wire::{BufferTooSmall, Malformed};

/// Why a device does not answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The client has to be corrected: the bytes are no message of this endpoint.
    Malformed,
    /// The client has to be corrected: it used a scheme other than `expected`, which `proto-ver`
    /// names.
    WrongScheme {
        /// The device's security scheme.
        expected: u8,
    },
    /// The client has to start over: it has no session, or skipped a step of the handshake.
    NoSession,
    /// The client has to start over: the message is not the next one of this session, or was
    /// changed on its way.
    Undecryptable,
    /// The client has to start over: the session's nonces are used up.
    SessionExhausted,
    /// The user has to correct the proof of possession or the username.
    ProofMismatch {
        /// How many more attempts there are before the device refuses for a while.
        attempts_left: u8,
    },
    /// The user has to wait: there were too many wrong proofs, or handshakes that nobody finished.
    CoolingDown {
        /// For how long.
        remaining: Duration,
    },
    /// The user has to wait: another client has the session. It ends when that client leaves, or
    /// is idle for too long.
    Busy,
    /// The client has to wait for the reply to its request before.
    ReplyOwed,
    /// The device has no such endpoint.
    UnknownEndpoint,
    /// The application refused a request to its custom endpoint.
    CustomRefused,
    /// The transport has to give more room for replies.
    ResponseBuffer(BufferTooSmall),
    /// The device's random number generator is stuck.
    NoRandomness,
}

/// ATT's Invalid PDU.
const ATT_INVALID_PDU: u8 = 0x04;
const ATT_COOLING_DOWN: u8 = 0x80;
const ATT_COOLING_DOWN_MAX: u8 = 0x9E;
const ATT_BUSY: u8 = 0x9F;
const ATT_STEP_SECS: u64 = 10;

impl Refusal {
    /// The ATT error to answer a write with.
    pub const fn att_error(self) -> u8 {
        match self {
            Self::CoolingDown { remaining } => {
                let steps = whole_secs(remaining).div_ceil(ATT_STEP_SECS);
                const MAX: u64 = (ATT_COOLING_DOWN_MAX - ATT_COOLING_DOWN) as u64;
                ATT_COOLING_DOWN + if steps < MAX { steps } else { MAX } as u8
            }
            Self::Busy => ATT_BUSY,
            _ => ATT_INVALID_PDU,
        }
    }

    /// The status to answer a `POST` with.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::CoolingDown { .. } | Self::Busy => 503,
            Self::UnknownEndpoint => 404,
            _ => 500,
        }
    }

    /// The seconds for a `Retry-After` header, where it is known how long to wait.
    pub const fn retry_after_secs(self) -> Option<u64> {
        match self {
            Self::CoolingDown { remaining } => Some(whole_secs(remaining)),
            _ => None,
        }
    }
}

/// Seconds, rounded up.
const fn whole_secs(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add((duration.subsec_nanos() > 0) as u64)
}

/// What a client can know of a refusal: the other side of [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The device refuses handshakes for about so long.
    CoolingDown(Duration),
    /// Another client has the session.
    Busy,
    /// Anything else. What it means depends on the request, see
    /// [`Client::refused`](crate::client::Client::refused).
    Other,
}

impl Refused {
    /// What this ATT error of a device says.
    pub const fn from_att_error(code: u8) -> Self {
        match code {
            ATT_COOLING_DOWN..=ATT_COOLING_DOWN_MAX => Self::CoolingDown(Duration::from_secs(
                (code - ATT_COOLING_DOWN) as u64 * ATT_STEP_SECS,
            )),
            ATT_BUSY => Self::Busy,
            _ => Self::Other,
        }
    }

    /// What this HTTP status of a device says, with the seconds of its `Retry-After` header.
    pub const fn from_http(status: u16, retry_after_secs: Option<u64>) -> Self {
        match (status, retry_after_secs) {
            (503, Some(secs)) => Self::CoolingDown(Duration::from_secs(secs)),
            (503, None) => Self::Busy,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => Malformed.fmt(f),
            Self::WrongScheme { expected } => {
                write!(f, "the client must use security {expected}")
            }
            Self::NoSession => f.write_str("there is no session: the client must start over"),
            Self::Undecryptable => f.write_str(
                "the message is not the next one of this session: the client must start over",
            ),
            Self::SessionExhausted => {
                f.write_str("the session is used up: the client must start over")
            }
            Self::ProofMismatch { attempts_left } => write!(
                f,
                "wrong proof of possession or username; {attempts_left} attempts left"
            ),
            Self::CoolingDown { remaining } => write!(
                f,
                "too many wrong proofs or unfinished sessions: wait {} seconds",
                whole_secs(*remaining)
            ),
            Self::Busy => f.write_str("another client has the session: wait until it leaves"),
            Self::ReplyOwed => f.write_str("the reply to the request before is still owed"),
            Self::UnknownEndpoint => f.write_str("there is no such endpoint"),
            Self::CustomRefused => f.write_str("the application refused the request"),
            Self::ResponseBuffer(error) => write!(f, "for the reply, {error}"),
            Self::NoRandomness => f.write_str("the random number generator is stuck"),
        }
    }
}

impl core::error::Error for Refusal {}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<BufferTooSmall> for Refusal {
    fn from(error: BufferTooSmall) -> Self {
        Self::ResponseBuffer(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_reads_what_the_device_wrote() {
        for (millis, secs) in [
            (0, 0),
            (1, 10),
            (10_000, 10),
            (59_001, 60),
            (9_999_999, 300),
        ] {
            let refusal = Refusal::CoolingDown {
                remaining: Duration::from_millis(millis),
            };
            assert_eq!(
                Refused::from_att_error(refusal.att_error()),
                Refused::CoolingDown(Duration::from_secs(secs))
            );
            assert_eq!(
                Refused::from_http(refusal.http_status(), refusal.retry_after_secs()),
                Refused::CoolingDown(Duration::from_secs(millis.div_ceil(1000)))
            );
        }
        let busy = Refusal::Busy;
        assert_eq!(Refused::from_att_error(busy.att_error()), Refused::Busy);
        assert_eq!(
            Refused::from_http(busy.http_status(), busy.retry_after_secs()),
            Refused::Busy
        );
        assert_eq!(Refused::from_att_error(0x04), Refused::Other);
        assert_eq!(Refused::from_http(500, None), Refused::Other);
    }
}
