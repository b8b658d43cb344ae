//! Parts of which a device's body is put together on a host: whoever lets the device live in a process
//! takes what he needs of them, and names it in one [`Parts`](device::platform::Parts).
//!
//! | part | here |
//! |---|---|
//! | flash | NOR flash in memory or in a file, over an image that many share, with power cuts on command: [`flash`] |
//! | Wi-Fi | an air of access points, and a station in it; a cable: [`wifi`] |
//! | sockets | whatever network a body has, with a tap on its connections: [`sockets`] |
//! | Bluetooth | a virtual controller, H4 over TCP, the computer's adapter; none: [`bluetooth`] |
//! | mailbox | provisioning over HTTP, as an ESP-IDF device that is an access point has it: [`http`] |
//! | chip | clock, button, memory that outlives a restart, randomness or a seed, a key in eFuses: [`system`] |
//! | TLS | MbedTLS, set up once for a process: [`tls`] |
//! | observer | watchers who come and go, a function, nobody: [`observer`] |
//! | what products are wired to | models of their hardware: [`sensor`], [`greenhouse`] |
//!
//! The boundary: this crate brings no time driver, so that its parts live on the host's time as on any
//! other, and puts nothing together itself.

#![warn(missing_docs)]

pub mod bluetooth;
pub mod bootloader;
pub mod flash;
pub mod greenhouse;
pub mod http;
pub mod image;
pub mod observer;
pub mod sensor;
pub mod sockets;
pub mod system;
pub mod tls;
pub mod wifi;

mod noise;
mod wiring;

#[cfg(test)]
use hosttime as _; // nothing names it, and the linker asks for a time driver
pub use noise::Noise;
pub use wiring::Wiring;
