#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod client;
mod error;
mod fleet;
mod kept;
pub mod rest;
mod secret;
pub mod setup;

pub use address::{Address, AddressError};
pub use client::{Client, Login};
pub use error::Error;
pub use fleet::{Device, Filter, Summary};
pub use kept::{KeptError, Servers};
