//! A device's certificate renewed without a visit, and the CAs of its broker changed: the rules of it,
//! apart from network, flash and arithmetic.
//!
//! - [`request`]: the request for a certificate (PKCS#10), around a public key and a signature that the
//!   caller brings.
//! - [`pieces`]: certificates that come in pieces of text, put together and compared with their digest.
//! - [`kept`]: what is kept of a renewal, and which of two counts, whenever the power went.
//! - [`trial`]: with which of two the next connection is to be made, and when it is decided.
//!
//! The same three steps hold for both: a *candidate* is kept beside what is *proven*, a connection *tries*
//! it, and the *verdict* is one number in flash. Nothing here proves a certificate; whoever uses this
//! crate does, before something becomes a candidate.
//!
//! No bytes panic, nothing recurses, and what holds a key is wiped.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod kept;
pub mod pieces;
pub mod request;
pub mod trial;

/// The SHA-256 of some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
