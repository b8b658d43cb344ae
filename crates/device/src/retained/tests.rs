use core::cell::{Cell, RefCell};

use alloc::vec::Vec as List;

use super::*;
use crate::testing::run;

/// Memory as it is after power-on.
struct Ram(Cell<[u8; BYTES]>);

impl Ram {
    fn powered_on() -> Self {
        Self(Cell::new([0xa5; BYTES]))
    }
}

impl Memory for Ram {
    fn read(&self) -> [u8; BYTES] {
        self.0.get()
    }

    fn write(&self, bytes: &[u8; BYTES]) {
        self.0.set(*bytes);
    }
}

#[derive(Default)]
struct Diary(RefCell<List<(u8, u32)>>);

impl Observer for Diary {
    fn notice(&self, _: u64, event: &Event) {
        if let Event::BootPaused { crashes, ms } = event {
            self.0.borrow_mut().push((*crashes, *ms));
        }
    }

    fn show_provisioning_code(&self, _: &str) {}
}

fn record() -> PanicRecord {
    PanicRecord::new(
        "index out of bounds",
        "src/a.rs:3:7",
        [0x4200_1234, 0x4201_0000],
        BuildId([1, 2, 3, 4, 5, 6, 7, 8]),
    )
}

#[test]
fn a_panic_is_kept_until_it_is_reported() {
    let memory = Ram::powered_on();
    let diary = Diary::default();
    let begin = |reset| run(begin(&memory, reset, &diary));
    assert_eq!(begin(ResetReason::PowerOn), ResetReason::PowerOn);
    assert_eq!(panic(&memory), None);
    note_panic(&memory, record());
    assert_eq!(begin(ResetReason::Software), ResetReason::Panic);
    assert_eq!(panic(&memory), Some(record()));
    // A life without a connection in between.
    assert_eq!(begin(ResetReason::Software), ResetReason::Software);
    assert_eq!(panic(&memory), Some(record()));
    forget_panic(&memory);
    assert_eq!(panic(&memory), None);
    assert_eq!(begin(ResetReason::Software), ResetReason::Software);
    assert!(diary.0.borrow().is_empty());
}

#[test]
fn the_pause_grows_with_each_crash_and_ends_with_a_life_that_lasts() {
    let memory = Ram::powered_on();
    let diary = Diary::default();
    let begin = |reset| run(begin(&memory, reset, &diary));
    begin(ResetReason::Watchdog);
    note_panic(&memory, record());
    begin(ResetReason::Software);
    begin(ResetReason::Brownout);
    assert_eq!(diary.0.take(), [(2, 1_000), (3, 2_000)]);
    settle(&memory);
    begin(ResetReason::Watchdog);
    assert_eq!(diary.0.take(), []);
    begin(ResetReason::Watchdog);
    assert_eq!(diary.0.take(), [(2, 1_000)]);
    // Somebody wished for this one.
    begin(ResetReason::Software);
    begin(ResetReason::Watchdog);
    assert_eq!(diary.0.take(), []);
}

#[test]
fn pauses_double_up_to_their_bound() {
    let seconds = |crashes| pause_after(crashes).as_secs();
    assert_eq!([0, 1, 2, 3, 4, 7].map(seconds), [0, 0, 1, 2, 4, 32]);
    assert_eq!([8, 66, 255].map(seconds), [60, 60, 60]);
}

#[test]
fn the_memory_may_hold_anything() {
    let mut noise = 1u32;
    for _ in 0..1_000 {
        let mut bytes = [0; BYTES];
        for byte in &mut bytes {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (noise >> 24) as u8;
        }
        assert_eq!(Retained::decode(&bytes), Retained::default());
        // A right sum over wrong lengths, flags and text.
        bytes[..4].copy_from_slice(&MAGIC);
        let sum = software_crc32(0, &bytes[CRASHES..]);
        bytes[CRC].copy_from_slice(&sum.to_le_bytes());
        let _ = Retained::decode(&bytes);
    }
    let whole = Retained {
        crashes: 3,
        run: 0x12_3456,
        panic: Some(record()),
        new: true,
    };
    let bytes = whole.encode();
    assert_eq!(Retained::decode(&bytes), whole);
    for index in 0..BYTES {
        let mut spoilt = bytes;
        spoilt[index] ^= 0x10;
        assert_eq!(
            Retained::decode(&spoilt),
            Retained::default(),
            "byte {index}"
        );
    }
}

#[test]
fn a_long_panic_is_cut() {
    let message = "\u{e9}".repeat(200);
    let place = alloc::format!("{}end.rs:1:2", "\u{fc}/".repeat(100));
    let record = PanicRecord::new(message, &place, 0..100, BuildId([0xff; 8]));
    assert_eq!(record.message.chars().count(), MOST_MESSAGE / 2);
    assert!(record.place.ends_with("/end.rs:1:2") && record.place.len() >= MOST_PLACE - 1);
    assert_eq!(record.callers.as_slice(), [0, 1, 2, 3, 4, 5, 6, 7]);
    let whole = Retained {
        panic: Some(record),
        ..Retained::default()
    };
    assert_eq!(Retained::decode(&whole.encode()), whole);
}

#[test]
fn callers_are_shown_in_hexadecimal() {
    assert_eq!(record().backtrace(), "0x42001234 0x42010000");
    let most = PanicRecord::new("", "", [u32::MAX; 8], BuildId::default());
    assert_eq!(most.backtrace().len(), 8 * 11 - 1);
}

#[test]
fn a_build_is_shown_as_the_digest_of_its_elf_file_begins() {
    assert_eq!(record().build.hex().as_deref(), Some("0102030405060708"));
    assert_eq!(BuildId::default().hex(), None);
}
