//! Any HCI transport, made fit for the Bluetooth host: with the error type that it asks for, and
//! without the packets that it cannot bear.
//!
//! trouble-host 0.8 panics on ATT requests that are shorter than their fixed part: anybody in reach
//! could restart a device that waits to be provisioned. They are dropped here, unanswered, which
//! no honest client notices.

use core::convert::Infallible;
use core::fmt;

use bt_hci_transport::{PacketKind, PacketToController, PacketToHost, ReadHciError, Transport};
use embedded_io::{ErrorKind, Read};
use embedded_io_async::Read as AsyncRead;

/// The longest packet that the host reads: ACL data of 255 bytes.
const PACKET: usize = 4 + 255;

/// A transport whose error can also be a malformed packet.
pub(super) struct Adapter<T>(pub(super) T);

/// The transport's own error, or a packet that the host could not read.
#[derive(Debug)]
pub(super) enum AdapterError<E> {
    Transport(E),
    Malformed(ReadHciError<Infallible>),
}

impl<E> From<ReadHciError<Infallible>> for AdapterError<E> {
    fn from(error: ReadHciError<Infallible>) -> Self {
        Self::Malformed(error)
    }
}

impl<E: fmt::Debug> fmt::Display for AdapterError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => write!(f, "{error:?}"),
            Self::Malformed(error) => write!(f, "{error:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for AdapterError<E> {}

impl<E: embedded_io_async::Error> embedded_io_async::Error for AdapterError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Transport(error) => error.kind(),
            Self::Malformed(_) => ErrorKind::InvalidData,
        }
    }
}

impl<T: Transport> embedded_io_async::ErrorType for Adapter<T> {
    type Error = AdapterError<T::Error>;
}

impl<T: Transport> Transport for Adapter<T> {
    async fn read<'a, P: PacketToHost<'a>>(&self, rx: &'a mut [u8]) -> Result<P, Self::Error> {
        let mut buffer = [0; PACKET];
        let (kind, length) = loop {
            let packet: Packet<'_> = self
                .0
                .read(&mut buffer)
                .await
                .map_err(AdapterError::Transport)?;
            if packet.is_bearable() {
                break (packet.kind, packet.bytes.len());
            }
            log::warn!("dropped a frame that no honest client sends");
        };
        let mut bytes = buffer.get(..length).unwrap_or_default();
        Ok(P::read_hci(kind, &mut bytes, rx)?)
    }

    async fn write<P: PacketToController>(&self, packet: &P) -> Result<(), Self::Error> {
        self.0.write(packet).await.map_err(AdapterError::Transport)
    }
}

/// A packet from the controller, as bytes.
struct Packet<'d> {
    kind: PacketKind,
    bytes: &'d [u8],
}

impl Packet<'_> {
    /// Whether the host can take it. Only the start of an L2CAP frame on the ATT channel is looked
    /// into.
    fn is_bearable(&self) -> bool {
        match (self.kind, self.bytes) {
            // A continuation (boundary flag 0b01) begins with any bytes.
            (PacketKind::AclData, [_, flags, ..]) if flags >> 4 & 0b11 == 0b01 => true,
            (PacketKind::AclData, [_, _, _, _, l0, l1, ATT_CHANNEL, 0, pdu @ ..]) => {
                is_request(usize::from(u16::from_le_bytes([*l0, *l1])), pdu)
            }
            _ => true,
        }
    }
}

/// The low byte of ATT's channel; the high byte is 0.
const ATT_CHANNEL: u8 = 4;

/// The smallest MTU of LE (Core Specification 5.4, vol. 3, part F, 5.2.1).
const LEAST_MTU: u16 = 23;

/// Whether these first bytes of an ATT PDU of this length can be read as a client's request.
///
/// A link carries at least 27 bytes at once, so an honest PDU's fixed part is in its first
/// fragment. Lengths: Core Specification 5.4, vol. 3, part F, 3.4. Requests that are unknown pass:
/// the host answers them with an error. Responses and indications are dropped, since nobody here
/// asks for anything; so is Read By Group Type for a UUID of 128 bits, on which the host panics.
fn is_request(length: usize, pdu: &[u8]) -> bool {
    let Some((opcode, parameters)) = pdu.split_first() else {
        return false;
    };
    let fixed = match opcode {
        0x02 => 2,               // Exchange MTU: the MTU
        0x04 => 4,               // Find Information: a range
        0x06 => 6,               // Find By Type Value: a range and a type
        0x08 | 0x10 => 6,        // Read By (Group) Type: a range and a type
        0x0A | 0x12 | 0x52 => 2, // Read, Write, Write without response: a handle
        0x0C | 0x16 => 4,        // Read Blob, Prepare Write: a handle and an offset
        0x0E => 4,               // Read Multiple: two handles
        0x18 => 1,               // Execute Write: flags
        other if other % 2 == 1 => return false,
        _ => 0,
    };
    let whole = length > fixed && parameters.len() >= fixed;
    match (opcode, parameters) {
        (0x02, [m0, m1, ..]) => whole && u16::from_le_bytes([*m0, *m1]) >= LEAST_MTU,
        (0x10, _) => whole && length == 1 + fixed,
        _ => whole,
    }
}

/// Bytes of a packet's header, and how many there are behind it. `None`: no such packet comes from
/// a controller.
fn lengths(kind: PacketKind, header: &[u8]) -> Option<usize> {
    match (kind, header) {
        (PacketKind::Event | PacketKind::SyncData, [.., length]) => Some(usize::from(*length)),
        (PacketKind::AclData, [.., l0, l1]) => Some(usize::from(u16::from_le_bytes([*l0, *l1]))),
        (PacketKind::IsoData, [.., l0, l1]) => {
            Some(usize::from(u16::from_le_bytes([*l0, *l1]) & 0x3FFF))
        }
        _ => None,
    }
}

fn header(kind: PacketKind) -> usize {
    match kind {
        PacketKind::Event => 2,
        PacketKind::Cmd | PacketKind::SyncData => 3,
        PacketKind::AclData | PacketKind::IsoData => 4,
    }
}

impl<'d> PacketToHost<'d> for Packet<'d> {
    fn read_hci<R: Read>(
        kind: PacketKind,
        data: &mut R,
        buffer: &'d mut [u8],
    ) -> Result<Self, ReadHciError<R::Error>> {
        let (head, rest) = buffer
            .split_at_mut_checked(header(kind))
            .ok_or(ReadHciError::BufferTooSmall)?;
        data.read_exact(head)?;
        let length = lengths(kind, head).ok_or(ReadHciError::InvalidValue)?;
        let body = rest.get_mut(..length).ok_or(ReadHciError::BufferTooSmall)?;
        data.read_exact(body)?;
        let bytes = buffer.get(..header(kind) + length).unwrap_or_default();
        Ok(Self { kind, bytes })
    }

    async fn read_hci_async<R: AsyncRead>(
        kind: PacketKind,
        data: &mut R,
        buffer: &'d mut [u8],
    ) -> Result<Self, ReadHciError<R::Error>> {
        let (head, rest) = buffer
            .split_at_mut_checked(header(kind))
            .ok_or(ReadHciError::BufferTooSmall)?;
        data.read_exact(head).await?;
        let length = lengths(kind, head).ok_or(ReadHciError::InvalidValue)?;
        let body = rest.get_mut(..length).ok_or(ReadHciError::BufferTooSmall)?;
        data.read_exact(body).await?;
        let bytes = buffer.get(..header(kind) + length).unwrap_or_default();
        Ok(Self { kind, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bears(acl: &[u8]) -> bool {
        let packet = Packet {
            kind: PacketKind::AclData,
            bytes: acl,
        };
        packet.is_bearable()
    }

    fn start(pdu: &[u8]) -> alloc::vec::Vec<u8> {
        let length = pdu.len() as u8;
        [&[0x40, 0x20, length + 4, 0, length, 0, 4, 0], pdu].concat()
    }

    #[test]
    fn honest_requests_pass() {
        for pdu in [
            &[0x02, 0x05, 0x02][..],
            &[0x10, 1, 0, 0xFF, 0xFF, 0, 0x28],
            &[0x0A, 9, 0],
            &[0x12, 9, 0],
            &[0x12, 9, 0, 1, 2, 3],
            &[0x16, 9, 0, 0, 0, 1],
            &[0x18, 1],
            &[0x1E],
            &[0x20],
        ] {
            assert!(bears(&start(pdu)), "{pdu:02x?}");
        }
        // The first fragment of a long write, and a continuation that looks like nothing.
        assert!(bears(&[0x40, 0x20, 8, 0, 0xF7, 0, 4, 0, 0x12, 9, 0, 1]));
        assert!(bears(&[0x40, 0x10, 4, 0, 0, 0, 4, 0]));
        // Another channel.
        assert!(bears(&[0x40, 0x20, 4, 0, 0, 0, 5, 0]));
    }

    #[test]
    fn every_request_that_is_cut_short_is_dropped() {
        for pdu in [
            &[0x02, 0x05, 0x02][..],
            &[0x04, 1, 0, 9, 0],
            &[0x06, 1, 0, 9, 0, 0, 0x28],
            &[0x08, 1, 0, 9, 0, 3, 0x28],
            &[0x0A, 9, 0],
            &[0x0C, 9, 0, 1, 0],
            &[0x0E, 9, 0, 12, 0],
            &[0x10, 1, 0, 9, 0, 0, 0x28],
            &[0x12, 9, 0],
            &[0x16, 9, 0, 1, 0],
            &[0x18, 1],
            &[0x52, 9, 0],
        ] {
            assert!(bears(&start(pdu)), "{pdu:02x?}");
            for length in 0..pdu.len() {
                assert!(!bears(&start(&pdu[..length])), "{:02x?}", &pdu[..length]);
                // The same, but claiming to be whole.
                let mut claims = start(&pdu[..length]);
                claims[4] = pdu.len() as u8;
                assert!(!bears(&claims), "{claims:02x?}");
            }
        }
        assert!(!bears(&start(&[0x02, 22, 0])), "an MTU below 23");
        assert!(
            !bears(&start(&[0x01, 0x0A, 1, 0, 5])),
            "an answer to nothing"
        );
    }
}
