//! Packet buffers from the heap.

use trouble_host::{Packet, PacketPool};

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

/// Buffers for L2CAP frames of `MTU` bytes, header included: 4 more than the ATT MTU that they
/// make possible.
pub(super) struct HeapPool<const MTU: usize>;

impl<const MTU: usize> PacketPool for HeapPool<MTU> {
    type Packet = HeapPacket;
    const MTU: usize = MTU;

    fn allocate() -> Option<HeapPacket> {
        Some(HeapPacket(vec![0; MTU].into_boxed_slice()))
    }

    /// A number for the log only: the heap of a computer is the limit.
    fn capacity() -> usize {
        usize::MAX
    }
}
