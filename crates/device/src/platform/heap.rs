//! How much of the free heap is in one piece, as ESP-IDF's `heap_caps_get_largest_free_block` tells
//! (v5.4.1, 4c2820d377d1, components/heap/heap_caps.c).
//!
//! The chips' allocator counts what is free and keeps its list of free blocks to itself, so this asks
//! for memory and gives it back, larger and smaller until it is found. It reads no memory that is not
//! its own. What holds others off the heap meanwhile, and keeps this out of the count of the least
//! that was free, is the body's business.

use alloc::vec::Vec;
use core::hint::black_box;

/// Between two sizes that are tried, in bytes.
const STEP: usize = 16;

/// The largest block that the heap can give, in bytes, rounded down to 16, if so many are `free` in all.
///
/// To be called while nobody else uses the heap: with interrupts held back, where they or another task
/// might. It takes some fifteen allocations, most of which fail.
#[must_use]
pub fn largest_free_block(free: u32) -> u32 {
    let most = usize::try_from(free).unwrap_or(usize::MAX);
    let found = largest(most, |bytes| {
        let mut block = Vec::<u8>::new();
        let fits = block.try_reserve_exact(bytes).is_ok();
        // A compiler may leave out memory that nobody looks at.
        black_box(block.as_ptr());
        fits
    });
    u32::try_from(found).unwrap_or(u32::MAX)
}

/// The largest multiple of the step that `fits`, up to `most`.
fn largest(most: usize, mut fits: impl FnMut(usize) -> bool) -> usize {
    let (mut fitting, mut steps) = (0, most / STEP);
    while fitting < steps {
        let middle = steps - (steps - fitting) / 2;
        if fits(middle * STEP) {
            fitting = middle;
        } else {
            steps = middle - 1;
        }
    }
    fitting * STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_to_a_step_and_soon() {
        for free in [0, 15, 16, 17, 1_000, 112 * 1024, 204_800] {
            for block in [0, 8, 16, 40, 4_096, 65_536, 204_800] {
                let mut tried = 0;
                let found = largest(free, |bytes| {
                    tried += 1;
                    bytes <= block
                });
                assert_eq!(found, block.min(free) / STEP * STEP);
                assert!(tried <= 14, "{tried}");
            }
        }
    }

    #[test]
    #[expect(unsafe_code, reason = "the allocator gets its memory back so")]
    fn a_heap_in_pieces_has_a_smaller_block_than_is_free() {
        use core::alloc::Layout;
        use linked_list_allocator::Heap;

        let memory = Vec::leak(alloc::vec![core::mem::MaybeUninit::uninit(); 8_192]);
        let mut heap = Heap::from_slice(memory);
        let look = |heap: &mut Heap| {
            let free = heap.free();
            let found = largest(free, |bytes| {
                let layout = Layout::from_size_align(bytes, 1).unwrap();
                let block = heap.allocate_first_fit(layout);
                block.is_ok_and(|block| {
                    // SAFETY: it was just allocated so.
                    unsafe { heap.deallocate(block, layout) };
                    true
                })
            });
            assert_eq!(heap.free(), free);
            (free, found)
        };
        let (free, found) = look(&mut heap);
        assert_eq!(found, free / STEP * STEP);
        let layout = Layout::from_size_align(1_024, 1).unwrap();
        let blocks: Vec<_> = (0..7)
            .map(|_| heap.allocate_first_fit(layout).unwrap())
            .collect();
        for block in blocks.into_iter().step_by(2) {
            // SAFETY: as above.
            unsafe { heap.deallocate(block, layout) };
        }
        let (free, found) = look(&mut heap);
        assert!(
            free >= 4 * 1_024 && (1_024..=2_048).contains(&found),
            "{free} {found}"
        );
    }
}
