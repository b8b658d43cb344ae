//! The second serial line: a virtio console, behind which QEMU has a socket.

use core::task::Waker;

use embassy_sync::waitqueue::AtomicWaker;
use virtio_drivers::{
    Error, device::console::VirtIOConsole, transport::DeviceType, transport::mmio::MmioTransport,
};

use super::virtio::{self, Memory};

/// The line, open until dropped. Its buffers are on the heap, 4 KiB.
pub(crate) struct Serial {
    console: VirtIOConsole<Memory, MmioTransport<'static>>,
    interrupted: &'static AtomicWaker,
}

impl Serial {
    /// Opens the line. The one opened before must have been dropped.
    ///
    /// # Errors
    ///
    /// What the device says.
    ///
    /// # Panics
    ///
    /// If QEMU was started without one.
    pub(crate) fn open() -> Result<Self, Error> {
        let (device, interrupted) = virtio::find(DeviceType::Console);
        Ok(Self {
            console: VirtIOConsole::new(device)?,
            interrupted,
        })
    }

    /// The next byte that was received; none yet if there is none, and then `waker` is woken
    /// when there is.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) fn receive(&mut self, waker: &Waker) -> Result<Option<u8>, Error> {
        self.interrupted.register(waker);
        self.console.recv(true)
    }

    /// Sends bytes, and waits until QEMU has taken them.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.console.send_bytes(bytes)
    }
}
