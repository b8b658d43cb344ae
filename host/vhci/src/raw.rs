//! HCI packets as plain bytes on their way through `bt-hci-transport`, whose traits are typed.
//!
//! With these, a layer between a host stack and any transport can look at packets, log them,
//! hold them back or add its own.

use bt_hci_transport::{PacketKind, PacketToController, PacketToHost, ReadHciError, Transport};
use embedded_io::{Read, Write};
use embedded_io_async::{Read as AsyncRead, Write as AsyncWrite};

use crate::wire::h4;

/// The longest packet that is read through a typed transport: what bt-hci's own hosts have room
/// for, less than any larger controller could send.
const READ_BUFFER: usize = 4 + 1021;

/// A packet from a controller: its H4 indicator byte, then the HCI packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawPacket(pub Vec<u8>);

/// Bytes of the header before the length field, and of the length field itself.
fn header(kind: PacketKind) -> (usize, usize) {
    match kind {
        PacketKind::Cmd => (2, 1),
        PacketKind::AclData | PacketKind::IsoData => (2, 2),
        PacketKind::SyncData => (2, 1),
        PacketKind::Event => (1, 1),
    }
}

fn length(kind: PacketKind, header: &[u8]) -> usize {
    match (kind, header) {
        // The two upper bits of an isochronous length are reserved.
        (PacketKind::IsoData, [.., l0, l1]) => usize::from(u16::from_le_bytes([*l0, *l1]) & 0x3FFF),
        (PacketKind::AclData, [.., l0, l1]) => usize::from(u16::from_le_bytes([*l0, *l1])),
        (_, [.., l]) => usize::from(*l),
        _ => 0,
    }
}

impl<'d> PacketToHost<'d> for RawPacket {
    fn read_hci<R: Read>(
        kind: PacketKind,
        data: &mut R,
        _buf: &'d mut [u8],
    ) -> Result<Self, ReadHciError<R::Error>> {
        let (before, field) = header(kind);
        let mut packet = vec![0; 1 + before + field];
        packet[0] = kind as u8;
        data.read_exact(&mut packet[1..])?;
        let start = packet.len();
        packet.resize(start + length(kind, &packet), 0);
        data.read_exact(&mut packet[start..])?;
        Ok(Self(packet))
    }

    async fn read_hci_async<R: AsyncRead>(
        kind: PacketKind,
        data: &mut R,
        _buf: &'d mut [u8],
    ) -> Result<Self, ReadHciError<R::Error>> {
        let (before, field) = header(kind);
        let mut packet = vec![0; 1 + before + field];
        packet[0] = kind as u8;
        data.read_exact(&mut packet[1..])
            .await
            .map_err(ReadHciError::Read)?;
        let start = packet.len();
        packet.resize(start + length(kind, &packet), 0);
        data.read_exact(&mut packet[start..])
            .await
            .map_err(ReadHciError::Read)?;
        Ok(Self(packet))
    }
}

/// A command for a controller as bytes, without its indicator byte.
pub struct RawCommand<'a>(pub &'a [u8]);

/// ACL data for a controller as bytes, without its indicator byte.
pub struct RawAcl<'a>(pub &'a [u8]);

macro_rules! to_controller {
    ($name:ident, $kind:expr) => {
        impl PacketToController for $name<'_> {
            const KIND: PacketKind = $kind;

            fn size(&self) -> usize {
                self.0.len()
            }

            fn write_hci<W: Write>(&self, mut writer: W) -> Result<(), W::Error> {
                writer.write_all(self.0)
            }

            async fn write_hci_async<W: AsyncWrite>(&self, mut writer: W) -> Result<(), W::Error> {
                writer.write_all(self.0).await
            }
        }
    };
}

to_controller!(RawCommand, PacketKind::Cmd);
to_controller!(RawAcl, PacketKind::AclData);

/// The bytes of a packet for a controller, its indicator byte first.
pub fn encode<P: PacketToController>(packet: &P) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + packet.size());
    bytes.push(P::KIND as u8);
    // Writing to a vector cannot fail.
    let _ = packet.write_hci(&mut bytes);
    bytes
}

/// Reads bytes as the packet that a host asks for.
///
/// # Errors
/// Where `packet` is malformed, or longer than `rx`.
pub fn decode<'a, P: PacketToHost<'a>>(
    packet: &[u8],
    rx: &'a mut [u8],
) -> Result<P, ReadHciError<core::convert::Infallible>> {
    let mut rest = packet;
    let kind = PacketKind::read(&mut rest)?;
    P::read_hci(kind, &mut rest, rx)
}

/// Reads the next packet of any transport as bytes.
///
/// # Errors
/// The transport's.
pub async fn read_packet<T: Transport>(transport: &T) -> Result<Vec<u8>, T::Error> {
    let mut buffer = [0; READ_BUFFER];
    Ok(transport.read::<RawPacket>(&mut buffer).await?.0)
}

/// Cuts an ACL packet for a host into pieces of at most `most` data bytes; other packets stay as
/// they are. Some controllers hand over whole L2CAP frames, more than a small host has room for.
pub fn fragment(packet: Vec<u8>, most: usize) -> Vec<Vec<u8>> {
    let Some((&[h4::ACL, h0, h1, _, _], data)) = packet.split_first_chunk::<5>() else {
        return vec![packet];
    };
    if data.len() <= most {
        return vec![packet];
    }
    let mut pieces = Vec::new();
    for (i, piece) in data.chunks(most.max(1)).enumerate() {
        // Later pieces are continuations (packet boundary flag 0b01).
        let flags = if i == 0 {
            h1
        } else {
            h1 & 0b1100_1111 | 0b0001_0000
        };
        let [l0, l1] = (piece.len() as u16).to_le_bytes();
        let mut part = vec![h4::ACL, h0, flags, l0, l1];
        part.extend_from_slice(piece);
        pieces.push(part);
    }
    pieces
}
