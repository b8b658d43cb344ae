//! The device's body on a host: flash file, sockets, virtual radio; and what products are wired to.
//!
//! Everything above the seams is the code that runs on the chip; this crate replaces only what a
//! desk lacks. A [`World`] is the air around devices; a [`Simulator`] is one board in it, which
//! can be booted, watched, restarted, and made to suffer.
//!
//! MbedTLS on a host has no threading, so all simulated devices of a process live on one thread,
//! as tasks of a tokio `LocalSet`; [`Simulator::live`] must be called on one.

#![warn(missing_docs)]

pub mod flash;
pub mod greenhouse;
pub mod image;
pub mod network;
pub mod ntp;
pub mod sensor;
pub mod system;
pub mod wifi;

mod bluetooth;
mod board;
pub mod bootloader;
mod wiring;

pub use board::{Simulator, World};
pub use wiring::Wiring;
