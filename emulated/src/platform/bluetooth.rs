//! Bluetooth: an HCI controller behind the second serial line, in H4 framing (Core 5.4, Vol 4,
//! Part A).
//!
//! Opening the line resets the controller and waits until it says so; whatever a life before left
//! on the line is passed over. Closing it resets the controller again, so that it is off the air.

use core::{cell::RefCell, future::poll_fn, task::Poll};

use bt_hci_transport::{
    PacketKind, PacketToController, PacketToHost, ReadHciError, Transport, WithIndicator,
};
use device::platform::Bluetooth;
use embassy_time::{Duration, with_timeout};

use crate::board::serial::Serial;

/// The longest packet: the indicator, then 4 bytes of header and 255 of content.
const LONGEST: usize = 1 + 4 + 255;
const RESET: &[u8] = &[0x01, 0x03, 0x0c, 0x00];
/// How a command's completion begins, and where in it the opcode is.
const COMPLETE: &[u8] = &[0x04, 0x0e];
const RESET_OPCODE: &[u8] = &[0x03, 0x0c];
/// How long a reset may take.
const RESET_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the line to the controller does not work.
#[derive(Debug)]
pub(crate) enum Error {
    /// The serial line fails.
    Serial(virtio_drivers::Error),
    /// The controller does not answer a reset: nothing is connected to the line?
    Silent,
    /// The controller sent a packet that is too long or makes no sense.
    Malformed,
}

impl From<virtio_drivers::Error> for Error {
    fn from(error: virtio_drivers::Error) -> Self {
        Self::Serial(error)
    }
}

impl<E: embedded_io::Error> From<ReadHciError<E>> for Error {
    fn from(_: ReadHciError<E>) -> Self {
        Self::Malformed
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Serial(error) => write!(f, "the line to the Bluetooth controller: {error}"),
            Self::Silent => f.write_str("the Bluetooth controller does not answer"),
            Self::Malformed => f.write_str("the Bluetooth controller sent what makes no sense"),
        }
    }
}

impl core::error::Error for Error {}

impl embedded_io::Error for Error {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::Serial(_) => embedded_io::ErrorKind::Other,
            Self::Silent => embedded_io::ErrorKind::TimedOut,
            Self::Malformed => embedded_io::ErrorKind::InvalidData,
        }
    }
}

/// The controller while it is off.
pub(crate) struct Controller;

impl Bluetooth for Controller {
    type Transport<'a> = H4;
    type Error = Error;

    async fn start(&mut self) -> Result<H4, Error> {
        let line = H4 {
            serial: RefCell::new(Serial::open()?),
            packet: RefCell::default(),
        };
        line.serial.borrow_mut().send(RESET)?;
        let answered = with_timeout(RESET_TIMEOUT, line.until_reset()).await;
        answered.map_err(|_| Error::Silent)??;
        Ok(line)
    }
}

/// The way to the controller.
pub(crate) struct H4 {
    serial: RefCell<Serial>,
    /// What has come of the next packet, its indicator first. Kept, so that reading can be
    /// dropped and begun again.
    packet: RefCell<heapless::Vec<u8, LONGEST>>,
}

impl H4 {
    /// Waits for a whole packet; it is in `packet` until [`H4::passed`].
    async fn whole_packet(&self) -> Result<(), Error> {
        poll_fn(|context| {
            let mut packet = self.packet.borrow_mut();
            let mut serial = self.serial.borrow_mut();
            loop {
                if whole(&packet) {
                    return Poll::Ready(Ok(()));
                }
                match serial.receive(context.waker()) {
                    Ok(Some(byte)) if packet.is_empty() && !is_indicator(byte) => {
                        // Out of step, as after a restart in the middle of a packet.
                    }
                    Ok(Some(byte)) => {
                        if packet.push(byte).is_err() {
                            packet.clear();
                            return Poll::Ready(Err(Error::Malformed));
                        }
                    }
                    Ok(None) => return Poll::Pending,
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
        })
        .await
    }

    fn passed(&self) {
        self.packet.borrow_mut().clear();
    }

    async fn until_reset(&self) -> Result<(), Error> {
        loop {
            self.whole_packet().await?;
            let packet = self.packet.borrow();
            let complete = packet.starts_with(COMPLETE) && packet.get(4..6) == Some(RESET_OPCODE);
            drop(packet);
            self.passed();
            if complete {
                return Ok(());
            }
        }
    }
}

/// Whether a byte can begin a packet from a controller.
fn is_indicator(byte: u8) -> bool {
    [
        PacketKind::AclData,
        PacketKind::SyncData,
        PacketKind::Event,
        PacketKind::IsoData,
    ]
    .iter()
    .any(|kind| *kind as u8 == byte)
}

fn whole(packet: &[u8]) -> bool {
    let length = match packet {
        [kind, _, length, ..] if *kind == PacketKind::Event as u8 => 3 + usize::from(*length),
        [kind, _, _, length, ..] if *kind == PacketKind::SyncData as u8 => 4 + usize::from(*length),
        [kind, _, _, low, high, ..] if *kind == PacketKind::AclData as u8 => {
            5 + usize::from(u16::from_le_bytes([*low, *high]))
        }
        [kind, _, _, low, high, ..] if *kind == PacketKind::IsoData as u8 => {
            5 + usize::from(u16::from_le_bytes([*low, *high]) & 0x3fff)
        }
        _ => return false,
    };
    packet.len() >= length
}

impl Drop for H4 {
    fn drop(&mut self) {
        // Nobody is left to be told if it fails.
        let _ = self.serial.get_mut().send(RESET);
    }
}

impl embedded_io::ErrorType for H4 {
    type Error = Error;
}

impl Transport for H4 {
    async fn read<'a, P: PacketToHost<'a>>(&self, rx: &'a mut [u8]) -> Result<P, Error> {
        self.whole_packet().await?;
        let packet = self.packet.borrow();
        let mut rest = &packet[..];
        let kind = PacketKind::read(&mut rest)?;
        let read = P::read_hci(kind, &mut rest, rx);
        drop(packet);
        self.passed();
        Ok(read?)
    }

    async fn write<P: PacketToController>(&self, packet: &P) -> Result<(), Error> {
        let mut bytes = [0; LONGEST];
        let mut rest = &mut bytes[..];
        WithIndicator::new(packet)
            .write_hci(&mut rest)
            .map_err(|_| Error::Malformed)?;
        let left = rest.len();
        Ok(self.serial.borrow_mut().send(&bytes[..LONGEST - left])?)
    }
}
