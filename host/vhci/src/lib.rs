#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod air;
pub mod btsnoop;
mod controller;
mod error;
mod faults;
mod h4;
pub mod raw;
mod stream;
mod transport;
mod wire;

pub use air::{Air, ControllerConfig, Port};
pub use controller::{FaultControl, SharedAir, VirtualController};
pub use error::Error;
pub use faults::Faults;
pub use h4::{Framer, NotH4};
pub use stream::{H4Stream, serve};
pub use transport::{HciSpec, HciTransport, OpenError, UnknownHci};
pub use wire::{Address, Status, h4 as indicator};
