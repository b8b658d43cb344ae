//! Flash with anything in it where samples wait, and records of any bytes, with restarts and flipped bits in
//! between.
//!
//! What is there is read within bounds or passed over; afterwards what is kept comes out again, in its
//! order and to the last record.
#![no_main]

use std::collections::VecDeque;

use backlog::record::{MOST_BODY, MOST_BYTES, MOST_SAMPLES, MOST_TAIL, Record};
use backlog::{Fault, Ring};
use bodykit::flash::{Flash, SECTOR};
use embedded_storage::nor_flash::ReadNorFlash;
use fuzz::{Script, body, sparse};
use libfuzzer_sys::fuzz_target;

/// A sector has fewer records than this, or what it takes for one.
const MOST_RECORDS: usize = SECTOR / 8;
/// More operations than this on so few sectors for one call are an endless loop.
const MOST_OPERATIONS: u64 = 400_000;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let sectors = 2 + usize::from(script.byte_or_0() % 3);
    let mut bytes = vec![0xFF; sectors * SECTOR];
    sparse::unpack(Script::new(script.string()), &mut bytes);
    let mut flash = whole(&bytes);
    drain(&mut flash, sectors);

    let mut ring = open(&flash);
    let mut kept = VecDeque::new();
    while let Some(action) = script.byte() {
        let before = flash.calls();
        match action % 8 {
            0..=3 => {
                let record = [&[action], script.short_string()].concat();
                ring.push(&mut flash, &record).expect("the flash works");
                kept.push_back(record);
            }
            4 => {
                next(&mut ring, &mut flash, &mut kept);
            }
            5 => {
                if next(&mut ring, &mut flash, &mut kept) {
                    ring.pop(&mut flash).expect("the flash works");
                    kept.pop_front();
                }
            }
            6 => ring = open(&flash),
            // A bit fell: from here on nothing is sure, but that it ends, and that the ring can be used.
            _ => {
                let at = usize::from(script.short()) % flash.capacity();
                flash.overlay(at, &[flash.to_bytes()[at] & script.byte_or_0()]);
                drain(&mut flash, sectors);
                ring = open(&flash);
                kept.clear();
            }
        }
        check(&flash, before);
    }
    // The newest is there to the end.
    let newest = kept.back().cloned();
    let mut last = None;
    while next(&mut ring, &mut flash, &mut kept) {
        ring.pop(&mut flash).expect("the flash works");
        last = kept.pop_front();
    }
    assert_eq!(last, newest);
});

/// A flash whose every byte was another before, and none of them blank: so all has its memory from the first, and what is
/// allocated later is the ring's.
fn whole(bytes: &[u8]) -> Flash {
    let others = bytes.iter().map(|byte| u8::from(*byte == 0)).collect();
    let flash = body::flash(others);
    flash.overlay(0, bytes);
    flash
}

/// Not without end.
fn check(flash: &Flash, before: u64) {
    let calls = flash.calls() - before;
    assert!(calls <= MOST_OPERATIONS, "{calls}");
}

fn open(flash: &Flash) -> Ring {
    Ring::new::<Flash>(0..flash.capacity() as u32).expect("whole sectors")
}

/// Whether a record comes out; it is the oldest of those kept that did not give way.
fn next(ring: &mut Ring, flash: &mut Flash, kept: &mut VecDeque<Vec<u8>>) -> bool {
    let mut buffer = [0; MOST_BYTES];
    let Some(record) = ring.peek(flash, &mut buffer).expect("the flash works") else {
        assert!(kept.is_empty(), "{} records are gone", kept.len());
        return false;
    };
    while kept.front().is_some_and(|oldest| oldest != record) {
        kept.pop_front();
    }
    assert!(!kept.is_empty(), "nobody kept this: {record:?}");
    true
}

/// Reads all that is there, as the device does, and lets go of it.
fn drain(flash: &mut Flash, sectors: usize) {
    let mut ring = open(flash);
    for _ in 0..sectors * MOST_RECORDS {
        let before = flash.calls();
        let mut buffer = [0; MOST_BYTES];
        let (found, peak) = fuzz::heap::peak_of(|| ring.peek(flash, &mut buffer));
        assert!(peak <= 64, "{peak} bytes of heap");
        match found {
            Ok(None) => return,
            Ok(Some(record)) => read(record),
            Err(fault) => assert_eq!(fault, Fault::Damaged),
        }
        let _ = ring.pop(flash);
        check(&flash, before);
    }
    panic!("there is no end to what is there");
}

fn read(bytes: &[u8]) {
    let Some(record) = Record::parse(bytes) else {
        return;
    };
    let mut samples = 0;
    record.each(|entry| {
        samples += 1;
        assert!(entry.body.len() <= MOST_BODY && entry.tail.len() <= MOST_TAIL);
        assert!(entry.uptime_ms < 1 << 48);
    });
    assert!(samples <= usize::from(record.samples()) && samples <= MOST_SAMPLES);
}
