//! The virtio slots, and the memory that is shared with what is in them.

use core::{
    cell::{Cell, UnsafeCell},
    mem::MaybeUninit,
    ptr::{NonNull, with_exposed_provenance_mut},
};

use critical_section::Mutex;
use embassy_sync::waitqueue::AtomicWaker;
use virtio_drivers::{
    BufferDirection, Hal, PAGE_SIZE, PhysAddr,
    transport::{DeviceType, Transport, mmio::MmioTransport},
};

use super::Register;

/// How many slots there are (`VIRTIO_COUNT`).
pub(super) const SLOTS: usize = 8;
const FIRST: usize = 0x1000_1000;
const SIZE: usize = 0x1000;
/// Virtio 1.2, 4.2.2: `InterruptStatus` and `InterruptACK`.
const INTERRUPT_STATUS: usize = 0x60;
const INTERRUPT_ACKNOWLEDGE: usize = 0x64;

static WAITING: [AtomicWaker; SLOTS] = [const { AtomicWaker::new() }; SLOTS];

/// Finds the device of a kind, with whom to wake at its interrupts.
///
/// # Panics
///
/// If QEMU was started without it.
pub(super) fn find(kind: DeviceType) -> (MmioTransport<'static>, &'static AtomicWaker) {
    for (slot, waiting) in WAITING.iter().enumerate() {
        let header = NonNull::new(with_exposed_provenance_mut(FIRST + slot * SIZE));
        // SAFETY: each slot is such a region, whether something is in it or not. Each kind of
        // device is there once, and whoever asks for it again has dropped it before.
        let device = header.map(|header| unsafe { MmioTransport::new(header, SIZE) });
        if let Some(Ok(device)) = device
            && device.device_type() == kind
        {
            return (device, waiting);
        }
    }
    panic!("QEMU was started without a virtio device of the kind {kind:?}");
}

/// A device in a slot wants attention.
pub(super) fn interrupt(slot: usize) {
    let Some(waiting) = WAITING.get(slot) else {
        return;
    };
    let base = FIRST + slot * SIZE;
    // SAFETY: registers of the slot that only tell of interrupts and end them.
    let (status, acknowledge) = unsafe {
        (
            Register::<u32>::at(base + INTERRUPT_STATUS),
            Register::<u32>::at(base + INTERRUPT_ACKNOWLEDGE),
        )
    };
    acknowledge.write(status.read());
    waiting.wake();
}

/// Pages for queues: two for each queue, two queues for each device, three devices.
const PAGES: usize = 12;

#[repr(C, align(4096))]
struct Pool(UnsafeCell<MaybeUninit<[[u8; PAGE_SIZE]; PAGES]>>);

// SAFETY: pages are given out one by one, under a lock.
unsafe impl Sync for Pool {}

#[unsafe(link_section = ".dma.pool")]
static POOL: Pool = Pool(UnsafeCell::new(MaybeUninit::uninit()));
/// One bit for each page that is given out.
static TAKEN: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));

/// Memory is where its address says, for devices as for the processor.
pub(super) struct Memory;

fn bits(pages: usize, first: usize) -> u32 {
    ((1 << pages) - 1) << first
}

// SAFETY: pages are aligned, zeroed, and given to one user until he gives them back.
unsafe impl Hal for Memory {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let first = critical_section::with(|cs| {
            let taken = TAKEN.borrow(cs);
            let first = (0..=PAGES.checked_sub(pages)?)
                .find(|&first| taken.get() & bits(pages, first) == 0)?;
            taken.set(taken.get() | bits(pages, first));
            Some(first)
        });
        let first = first.expect("the pool has pages for all devices");
        // SAFETY: inside of the pool, and nobody else has these pages.
        let memory = unsafe {
            let memory = POOL.0.get().cast::<u8>().add(first * PAGE_SIZE);
            memory.write_bytes(0, pages * PAGE_SIZE);
            NonNull::new_unchecked(memory)
        };
        (memory.addr().get() as PhysAddr, memory)
    }

    unsafe fn dma_dealloc(_: PhysAddr, memory: NonNull<u8>, pages: usize) -> i32 {
        let first = (memory.addr().get() - POOL.0.get().addr()) / PAGE_SIZE;
        critical_section::with(|cs| {
            let taken = TAKEN.borrow(cs);
            taken.set(taken.get() & !bits(pages, first));
        });
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _size: usize) -> NonNull<u8> {
        NonNull::new(with_exposed_provenance_mut(address as usize)).expect("no device is at 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().expose_provenance().get() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
