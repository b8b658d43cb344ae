#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod check;
pub mod checksum;
pub mod download;
pub mod image;
pub mod key;
pub mod otadata;
pub mod package;
mod slots;
mod tail;
pub mod trial;

pub use slots::{Fault, Places, SECTOR, Slot};

/// A little-endian word; zero beyond the end, which the callers' lengths exclude.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// A little-endian half word, as [`word`].
fn half(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u16::from_le_bytes(*bytes))
}
