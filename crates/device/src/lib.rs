//! One device, from blank flash to live telemetry, knowing no chip and no operating system.
//!
//! The device runs in three bodies: the firmware of an ESP32, the simulator of a computer, and an
//! emulated board without an operating system. A body hands over what [`platform`] asks for and
//! calls [`run()`] with a [product](product::Product), which says what the device is for; everything
//! else is here.
//!
//! # Where things are
//!
//! - [`platform`]: what a body brings: Bluetooth, Wi-Fi, sockets, flash, system.
//! - [`event`]: the one vocabulary in which the device tells what happens to it.
//! - [`lifecycle`]: what follows from what happened, as a pure function; [`run()`] does it.
//! - [`storage`], [`settings`], [`credentials`]: what is in flash, and whether it is any good.
//! - [`provisioning`]: the client that tells the device which network to join.
//! - [`calendar`], [`clock`], [`sntp`], [`telemetry`]: time, and samples until they are acknowledged.
//! - [`retained`]: what outlives a crash: the last panic, and the pause before the next life.
//! - [`renewal`]: another certificate, and other CAs to trust, over the air.
//! - [`firmware`]: packages into the other slot, and the trial of what starts from there.
//! - [`tls`], [`cloud`]: one connection to the broker, and what outlives it.

#![no_std]
#![warn(missing_docs)]
// A device is one task: its futures need no `Send`.
#![allow(async_fn_in_trait)]

extern crate alloc;

mod broker;
pub mod calendar;
pub mod clock;
pub mod cloud;
pub mod context;
pub mod credentials;
mod errands;
pub mod event;
mod files;
pub mod firmware;
#[cfg_attr(not(feature = "backlog"), path = "kept/none.rs")]
mod kept;
pub mod lifecycle;
mod machine;
mod mbedtls;
pub mod platform;
mod proof;
pub mod provisioning;
#[cfg_attr(not(feature = "renewal"), path = "renewal/absent.rs")]
pub mod renewal;
pub mod retained;
mod run;
pub mod settings;
pub mod sntp;
pub mod storage;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod tls;
mod wifi;

pub use run::run;
