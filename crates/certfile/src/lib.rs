//! Files of certificates and keys, as people have them.
//!
//! The device, the tools that make certificates and the local server all read the same files, so
//! they read them in one way:
//!
//! - [`pem`]: the blocks of a file, with whatever editors, tools and C programs put around them.
//! - [`mod@file`]: the certificates and the key of a file; and what is wrong where there are none.
//! - [`outline`]: which algorithms, curve and extensions a certificate or key names, as far as it
//!   takes to say why somebody cannot use it.
//! - [`firmware`]: which of them the firmware has code for.
//! - [`name`], [`text`]: names, and their strings in all encodings.
//!
//! Nothing is verified here, and no key is used: that is the business of whoever has a
//! cryptographic library. No bytes panic, nothing recurses, and what is decoded of a key is wiped.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod der;
pub mod file;
pub mod firmware;
pub mod name;
mod oid;
pub mod outline;
pub mod pem;
pub mod text;

pub use oid::Oid;
