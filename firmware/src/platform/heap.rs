//! The heap: how much is free, the least that ever was, and the largest block.
//!
//! The least is counted here, by the allocator's hooks: its own count (feature `internal-heap-stats`)
//! cannot be told that memory is asked for only to see whether there is any.
#![expect(
    unsafe_code,
    reason = "the allocator finds its hooks by their names alone"
)]

use core::cell::Cell;

use critical_section::Mutex;
use device::platform::{Heap, largest_free_block};
use esp_alloc::{EspHeap, HEAP, MemoryCapability, export::enumset::EnumSet};

/// The most bytes that were ever in use.
static MOST: Mutex<Cell<usize>> = Mutex::new(Cell::new(0));
/// Whether the present allocations only ask how much there is.
static PROBING: Mutex<Cell<bool>> = Mutex::new(Cell::new(false));

/// The memory that the allocator has left.
pub(crate) fn left() -> Heap {
    let used = HEAP.used();
    let most = critical_section::with(|cs| MOST.borrow(cs).get());
    let size = HEAP.free() + used;
    let left = |used: usize| u32::try_from(size.saturating_sub(used)).unwrap_or(u32::MAX);
    Heap {
        free: left(used),
        least: left(used.max(most)),
    }
}

/// The largest free block, in bytes. Interrupts wait meanwhile, for 0.1 ms at most.
pub(crate) fn largest() -> u32 {
    critical_section::with(|cs| {
        PROBING.borrow(cs).set(true);
        let largest = largest_free_block(left().free);
        PROBING.borrow(cs).set(false);
        largest
    })
}

/// How much is in use only falls when something is given back: the most is seen right before.
fn count(heap: &EspHeap) {
    let used = heap.used();
    critical_section::with(|cs| {
        if !PROBING.borrow(cs).get() {
            MOST.borrow(cs).update(|most| most.max(used));
        }
    });
}

// SAFETY: the two names and signatures are those that esp-alloc 0.11.0 declares (src/lib.rs, feature
// `alloc-hooks`), and nobody else defines them.
#[unsafe(no_mangle)]
fn _esp_alloc_alloc(heap: &EspHeap, _: EnumSet<MemoryCapability>, _: usize, _: usize) {
    count(heap);
}

// SAFETY: as above.
#[unsafe(no_mangle)]
fn _esp_alloc_dealloc(heap: &EspHeap, _: usize, _: usize) {
    count(heap);
}
