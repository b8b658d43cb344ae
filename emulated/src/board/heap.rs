//! The heap, counted: how much is in use, and the most that ever was.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::{Cell, UnsafeCell},
    mem::MaybeUninit,
};

use critical_section::Mutex;
use device::platform::largest_free_block;
use embedded_alloc::LlffHeap;

/// Bytes of heap: no more than an ESP32-C3 leaves beside its radios. The firmware claims 168 KiB
/// there, of which the Wi-Fi driver takes about 50.
pub(crate) const SIZE: usize = 112 * 1024;

#[repr(align(8))]
struct Memory(UnsafeCell<MaybeUninit<[u8; SIZE]>>);

// SAFETY: it is handed to the allocator once, which locks.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new(MaybeUninit::uninit()));

#[global_allocator]
pub(super) static HEAP: Counted = Counted {
    heap: LlffHeap::empty(),
    peaks: Mutex::new(Cell::new(Peaks { boot: 0, phase: 0 })),
    probing: Mutex::new(Cell::new(false)),
};

pub(super) struct Counted {
    heap: LlffHeap,
    peaks: Mutex<Cell<Peaks>>,
    /// Whether the present allocations only ask how much there is.
    probing: Mutex<Cell<bool>>,
}

/// The most bytes ever in use.
#[derive(Clone, Copy)]
struct Peaks {
    /// Since boot.
    boot: usize,
    /// Since the present phase began.
    phase: usize,
}

// SAFETY: all is done by the allocator below.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is the same.
        let memory = unsafe { self.heap.alloc(layout) };
        let used = self.heap.used();
        critical_section::with(|cs| {
            if self.probing.borrow(cs).get() {
                return;
            }
            let peaks = self.peaks.borrow(cs);
            let Peaks { boot, phase } = peaks.get();
            peaks.set(Peaks {
                boot: boot.max(used),
                phase: phase.max(used),
            });
        });
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { self.heap.dealloc(memory, layout) }
    }
}

/// Gives the allocator its memory.
pub(super) fn claim() {
    // SAFETY: runs once; nobody else knows the memory.
    unsafe { HEAP.heap.init(MEMORY.0.get().addr(), SIZE) }
}

/// Bytes in use.
pub(crate) fn used() -> usize {
    HEAP.heap.used()
}

/// The largest free block, in bytes.
pub(crate) fn largest() -> u32 {
    critical_section::with(|cs| {
        HEAP.probing.borrow(cs).set(true);
        let largest = largest_free_block(left(used()));
        HEAP.probing.borrow(cs).set(false);
        largest
    })
}

/// How many bytes are left beside those.
pub(crate) fn left(used: usize) -> u32 {
    u32::try_from(SIZE.saturating_sub(used)).unwrap_or(u32::MAX)
}

/// The most bytes in use since boot.
pub(crate) fn peak() -> usize {
    critical_section::with(|cs| HEAP.peaks.borrow(cs).get().boot)
}

/// The most bytes in use since the present phase began.
pub(crate) fn phase_peak() -> usize {
    critical_section::with(|cs| HEAP.peaks.borrow(cs).get().phase)
}

/// Begins a phase.
pub(crate) fn begin_phase() {
    let used = used();
    critical_section::with(|cs| {
        let peaks = HEAP.peaks.borrow(cs);
        peaks.set(Peaks {
            phase: used,
            ..peaks.get()
        });
    });
}
