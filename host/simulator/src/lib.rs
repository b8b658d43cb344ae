//! A device on a host: a board of [`bodykit`]'s parts in a world, with the host's sockets.
//!
//! Everything above the seams is the code that runs on the chip; this crate replaces only what a
//! desk lacks. A [`World`] is the air around devices; a [`Simulator`] is one board in it, which
//! can be booted, watched, restarted, and made to suffer.
//!
//! MbedTLS on a host has no threading, so all simulated devices of a process live on one thread,
//! as tasks of a tokio `LocalSet`; [`Simulator::live`] must be called on one.

#![warn(missing_docs)]

pub mod internet;
pub mod network;
pub mod ntp;

mod board;

pub use board::{Simulator, World};
pub use bodykit::{
    Wiring, bootloader, flash, greenhouse, http, image, observer, sensor, system, tls, wifi,
};
