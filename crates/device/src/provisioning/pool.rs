//! Packet buffers from the heap, so that they are gone when Bluetooth is.

use alloc::boxed::Box;
use alloc::vec::Vec;

use trouble_host::{Packet, PacketPool};

/// L2CAP frame: the largest useful ATT MTU, 517 (Core Specification 5.4, vol. 3, part F, 3.2.9:
/// a value of 512 bytes and the longest header of a PDU), and L2CAP's header of 4 bytes.
const FRAME: usize = 517 + 4;

/// One L2CAP frame.
pub(super) struct HeapPacket(Box<[u8]>);

impl AsRef<[u8]> for HeapPacket {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for HeapPacket {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Packet for HeapPacket {}

/// Frames from the heap. Static pools of frames this long would take 8 KB for ever; ATT is one
/// request at a time, so two or three are in use. The host's queues bound them at 17.
pub(super) struct HeapPool;

impl PacketPool for HeapPool {
    type Packet = HeapPacket;
    const MTU: usize = FRAME;

    fn allocate() -> Option<HeapPacket> {
        let mut frame = Vec::new();
        frame.try_reserve_exact(FRAME).ok()?;
        frame.resize(FRAME, 0);
        Some(HeapPacket(frame.into_boxed_slice()))
    }

    fn capacity() -> usize {
        17
    }
}
