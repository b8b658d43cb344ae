//! Gives the allocator memory that nobody has: on the ESP32, 16,648 and 113,840 bytes.
//!
//! Where it is, the chip's file says. The larger begins where the ROM's data for the second core ends: esp-hal 1.2.2
//! leaves 15,072 bytes before its own (`ld/esp32/memory.x`, `dram2_seg`) to the stacks that the ROM starts both cores on.
//! Nobody is on them once `main` is, and the second core is never started; ESP-IDF gives them to its heap: "At 3FFE4350
//! len 0001BCB0 (111 KiB): D/IRAM" says each of its starts, beside the line told below.
//!
//! Of the smaller: esp-hal 1.2.2 leaves the first 64 KiB from 0x3ffb0000 on to Bluetooth
//! (`ld/esp32/memory.x`, `RESERVE_DRAM`). Of these the controller uses 0x3ffb0000 to 0x3ffb6388, 0x3ffb8000 to 0x3ffb9a20
//! and 0x3ffbdb28 to 0x3ffbdb5c (esp-radio 1.0.0-beta.1, `ble/os_adapter_esp32.rs`, as ESP-IDF v5.4.1 has them in
//! `components/bt/controller/esp32/bt.c`), and ESP-IDF gives what is between to its heap, with Bluetooth up:
//! "At 3FFB9A20 len 00004108 (16 KiB): DRAM" says each of its starts (for example in esp-idf#4413). The
//! allocator takes three regions, so it is the largest of these gaps alone.
#![expect(unsafe_code, reason = "the memory has no name, but an address")]

use esp_alloc::{HEAP, HeapRegion, MemoryCapability};

/// Adds the memory from this address to that one, of the chip's file, to the heap. Once.
pub(super) fn add(from: usize, to: usize) {
    // SAFETY: by the chip's file, this is memory for as long as the program runs, and by what is told above nobody else
    // uses it: the linker places nothing there. It has more than no bytes.
    unsafe {
        HEAP.add_region(HeapRegion::new(
            from as *mut u8,
            to - from,
            MemoryCapability::Internal.into(),
        ));
    }
}
