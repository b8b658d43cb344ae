//! What a connection asks and tells the renewals of a life: the words, without the deeds.

use alloc::string::String;
use core::ops::Range;

use embassy_time::Instant;
use thingsboard::RequestId;
use thingsboard::json::{BufferTooSmall, Object};

use crate::calendar::Moment;
use crate::event::Event;

/// The shared attribute by which a server asks for a renewal, and the call.
pub(crate) const ASKED: &str = "renewCertificate";
/// The shared attributes that tell what came in pieces.
pub(crate) const NOTICES: [&str; 2] = ["renewedChain", "serverChain"];

/// What a connection knows.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The device's name.
    pub name: &'a str,
    /// The time.
    pub now: Moment,
    /// When the certificates that it has shown are valid, in seconds since 1970.
    pub valid_unix_s: Range<u64>,
}

/// What a connection does for renewals.
pub(crate) trait Renewing {
    /// A connection begins.
    fn connected(&self);
    /// Asked for by a call; returns the state, or who must act.
    fn ask(&self, known: &Known<'_>) -> (Option<Event>, Result<&'static str, String>);
    /// The server tells shared attributes: all, or those that changed.
    fn shared(&self, shared: Option<Object<'_>>, all: bool, known: &Known<'_>) -> Option<Event>;
    /// The server deleted a shared attribute.
    fn deleted(&self, key: &str);
    /// Time passed: what is to be done of its own accord.
    fn look(&self, known: &Known<'_>) -> Option<Event>;
    /// A piece to ask for now.
    fn to_ask(&self) -> Option<RequestId>;
    /// Writes the request for it.
    fn write_ask(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall>;
    /// It was asked for.
    fn asked(&self, id: RequestId);
    /// An answer came, which is none to the first question of the connection. Whether it was waited for.
    fn piece(&self, id: RequestId, shared: Option<Object<'_>>) -> bool;
    /// It is larger than the device takes.
    fn piece_too_large(&self, id: RequestId);
    /// When something is to be looked at again.
    fn due(&self) -> Instant;
    /// Whether something is to be told.
    fn has_news(&self) -> bool;
    /// Writes it, as client attributes; returns the length.
    fn write_news(&self, name: &str, buffer: &mut [u8]) -> Result<usize, BufferTooSmall>;
    /// It was sent.
    fn sent_news(&self);
    /// The server has it.
    fn told_news(&self);
    /// Whether the connection is to end, so that the next one is made with something else.
    fn is_to_reconnect(&self) -> bool;
    /// The broker acknowledged telemetry.
    fn telemetry_acknowledged(&self) -> Option<Event>;
}
