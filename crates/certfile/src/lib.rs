//! Files of certificates and keys, as people have them.
//!
//! The device, the tools that make certificates and the local server all read the same files, so
//! they read them in one way:
//!
//! - [`pem`]: the blocks of a file, with whatever editors, tools and C programs put around them.
//! - [`outline`]: which algorithms, curve and extensions a certificate or key names, as far as it
//!   takes to say why somebody cannot use it.
//! - [`text`]: the strings of names, in all their encodings.
//!
//! Nothing is verified here, and no key is used: that is the business of whoever has a
//! cryptographic library. No bytes panic, nothing recurses, and what is decoded of a key is wiped.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod der;
mod oid;
pub mod outline;
pub mod pem;
pub mod text;

pub use oid::Oid;
