//! The device's body on a host: flash file, sockets, virtual radio.

#![warn(missing_docs)]

pub mod flash;
pub mod network;
pub mod ntp;
pub mod sensor;
pub mod system;
pub mod wifi;
