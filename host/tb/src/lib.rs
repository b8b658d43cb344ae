#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod backlog;
pub mod campaign;
mod client;
mod digest;
mod error;
mod fleet;
mod kept;
mod login;
pub mod rest;
mod secret;
pub mod setup;

pub use address::{Address, AddressError};
pub use backlog::ask_backlogs;
pub use client::Client;
pub use digest::sha256;
pub use error::{Error, LedgerError};
pub use fleet::{Crash, Device, Filter, Summary};
pub use kept::{KeptError, Servers};
pub use login::Login;
