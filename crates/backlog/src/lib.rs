#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod flash;
mod order;
pub mod record;
mod ring;

pub use ring::{Fault, Ring};
