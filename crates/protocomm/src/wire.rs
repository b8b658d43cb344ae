//! The messages, as bytes.
//!
//! Protobuf (proto3) messages of ESP-IDF v5.4.1 (4c2820d), `components/protocomm/proto` and
//! `components/wifi_provisioning/proto`, and the JSON of `proto-ver`. This module knows neither
//! encryption nor state: [`crate::security`] wraps these bytes, [`crate::device`] and
//! [`crate::client`] decide what they mean.
//!
//! Every message is one enumeration with `decode` and `encode`. Decoding borrows from the input,
//! skips fields it does not know, and keeps unknown values of enumerations. No input makes it
//! panic, and its work is proportional to the input's length. Zero and empty fields are absent on
//! the wire, so an absent field is zero or empty.
//!
//! Each protected endpoint has one payload type with its own `msg` number, which says what is
//! inside; a reply's number is the request's plus one. The layouts are drawn in the modules.

pub(crate) mod codec;
pub mod config;
pub mod control;
pub mod scan;
pub mod session;
pub mod version;

use core::fmt;

pub use crate::buffer::BufferTooSmall;
use crate::wifi::open_enum;

/// The bytes are not a message of this endpoint. The peer is at fault, or is no peer of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not a message of this endpoint")
    }
}

impl core::error::Error for Malformed {}

open_enum! {
    /// How a request went: `Status` of `constants.proto`.
    Status {
        /// Done.
        Success = 0,
        /// The device speaks another security scheme.
        InvalidSecurityScheme = 1,
        /// The request is not of this protocol.
        InvalidProtocol = 2,
        /// Somebody else has the session.
        TooManySessions = 3,
        /// A value is out of its range.
        InvalidArgument = 4,
        /// The device could not do it, or not in its present state.
        InternalError = 5,
        /// Encryption failed.
        CryptoError = 6,
        /// There is no session.
        InvalidSession = 7,
    }
}
