#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

/// What a source of random numbers has to be, of the `rand_core` that this crate uses (0.10).
pub use rand_core::CryptoRng;

mod buffer;
pub mod claim;
pub mod client;
pub mod device;
pub mod endpoint;
pub mod gatt;
mod json;
pub mod online;
pub mod qr;
pub mod refusal;
pub mod security;
#[cfg(test)]
mod testing;
pub mod time;
pub mod wifi;
pub mod wire;
