//! What a body must bring so that the device can live in it.
//!
//! Where the ecosystem has a trait, that trait is the seam: HCI packets
//! ([`bt_hci_transport::Transport`]), TCP and DNS ([`embedded_nal_async`]), UDP for SNTP
//! ([`sntpc::NtpUdpSocket`]), NOR flash ([`embedded_storage`]). The traits of our own cover only
//! what is left: joining and scanning Wi-Fi, and the system around the device. What is measured, and
//! by which hardware, is the [product](product::Product)'s.
//!
//! All methods take `&self` where the device uses the thing from several of its tasks at once;
//! bodies bring their own interior mutability. Nothing here needs `Send`: a device is one task.

pub mod h4;
mod heap;
pub mod light;
mod mailbox;
mod system;
mod wifi;

use alloc::rc::Rc;
use core::fmt::Debug;

use embedded_nal_async::{Dns, TcpConnect};
use embedded_storage::nor_flash::NorFlash;

pub use crate::event::Observer;
pub use crate::machine::{BuildId, Heap, Identity, ResetReason, Running};
pub use crate::wifi::{
    AccessPoint, AuthMode, Bssid, JoinError, Passphrase, Place, Shown, Ssid, WifiCredentials,
};
pub use heap::largest_free_block;
pub use mailbox::{Closed, Mailbox};
pub use protocomm::qr;
pub use system::{Entropy, Press, System};
pub use wifi::{ANYWHERE, ScanRequest, Wifi, join};

/// The parts of a body, by type.
pub trait Platform {
    /// The Bluetooth controller.
    type Bluetooth: Bluetooth;
    /// The Wi-Fi station.
    type Wifi: Wifi;
    /// Sockets over the station.
    type Network: Network;
    /// The whole flash, from address 0, with the partition table at 0x8000.
    type Flash: NorFlash;
    /// Clock, randomness, button, heap, reset reason.
    type System: System;
    /// Whoever is told what happens: a console, a view, a test.
    type Observer: Observer;
}

/// The parts of a body, by value. The device owns them as long as it lives.
pub struct Body<P: Platform> {
    /// The Bluetooth controller.
    pub bluetooth: P::Bluetooth,
    /// Where provisioning requests come from that Bluetooth does not carry, if any.
    pub mailbox: Option<Rc<Mailbox>>,
    /// The Wi-Fi station.
    pub wifi: P::Wifi,
    /// Sockets over the station.
    pub network: P::Network,
    /// The whole flash.
    pub flash: P::Flash,
    /// Clock, randomness, button, heap, reset reason.
    pub system: P::System,
    /// Whoever is told what happens.
    pub observer: P::Observer,
}

/// The parts of a body that has no type of its own: it is what it is put together of.
///
/// A body on a chip is a type with a name, for there is one. Where many are put together in passing, as by
/// tests, each of other parts, this spares each the same seven lines.
pub struct Parts<B, W, N, F, S, O> {
    /// The Bluetooth controller.
    pub bluetooth: B,
    /// The Wi-Fi station.
    pub wifi: W,
    /// Sockets over the station.
    pub network: N,
    /// The whole flash.
    pub flash: F,
    /// Clock, randomness, button, heap, reset reason.
    pub system: S,
    /// Whoever is told what happens.
    pub observer: O,
}

impl<B, W, N, F, S, O> Platform for Parts<B, W, N, F, S, O>
where
    B: Bluetooth,
    W: Wifi,
    N: Network,
    F: NorFlash,
    S: System,
    O: Observer,
{
    type Bluetooth = B;
    type Wifi = W;
    type Network = N;
    type Flash = F;
    type System = S;
    type Observer = O;
}

impl<B, W, N, F, S, O> Parts<B, W, N, F, S, O>
where
    Self: Platform<Bluetooth = B, Wifi = W, Network = N, Flash = F, System = S, Observer = O>,
{
    /// The body, without a mailbox.
    pub fn body(self) -> Body<Self> {
        Body {
            bluetooth: self.bluetooth,
            mailbox: None,
            wifi: self.wifi,
            network: self.network,
            flash: self.flash,
            system: self.system,
            observer: self.observer,
        }
    }
}

/// A Bluetooth controller that can be powered up and down.
pub trait Bluetooth {
    /// The way to the powered controller. Dropping it powers the controller down and gives its
    /// memory back, before TLS needs it.
    type Transport<'a>: bt_hci_transport::Transport
    where
        Self: 'a;
    /// Why the controller did not start.
    type Error: Debug;

    /// Powers the controller up.
    ///
    /// # Errors
    ///
    /// When there is no controller or it does not answer; the device then says so and tries
    /// again later.
    async fn start(&mut self) -> Result<Self::Transport<'_>, Self::Error>;
}

/// Sockets over the joined network.
pub trait Network {
    /// TCP connections and names. Connections close when dropped.
    type Stack: TcpConnect + Dns;
    /// A UDP socket for SNTP.
    type Udp<'a>: sntpc::NtpUdpSocket
    where
        Self: 'a;
    /// Why no UDP socket could be had.
    type Error: Debug;

    /// TCP and DNS.
    fn stack(&self) -> &Self::Stack;

    /// Opens a UDP socket on any free local port.
    ///
    /// # Errors
    ///
    /// When the network stack has no socket left.
    async fn udp(&self) -> Result<Self::Udp<'_>, Self::Error>;
}
