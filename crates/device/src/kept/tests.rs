use super::*;
use crate::event::ClockSource;
use crate::storage::{TABLE_OFFSET, TABLE_SIZE};
use crate::testing::{Lamp, Room, readings};
use alloc::vec;
use alloc::vec::Vec;
use esp_nvs::mem_flash::MemFlash;

const SCHEMA: Schema = Schema::of::<Room>();
const BACKLOG: usize = 0xa000;
/// In the year 2033.
const BOOT_UNIX_MS: u64 = 2_000_000_000_123;
/// The first life, from the moment the power came.
const FIRST: Life = Life {
    life: 1,
    run: 7,
    boot_ms: 40,
};
/// The one after it, with the power on all the time.
const SECOND: Life = Life {
    life: 2,
    run: 7,
    boot_ms: 90_040,
};
/// One after the power was away.
const AFTER_POWER: Life = Life {
    life: 3,
    run: 8,
    boot_ms: 40,
};

/// A flash of 64 KiB whose table has this partition alone, of six sectors.
fn flash(label: &str) -> MemFlash {
    let mut bytes = vec![0xff; 0x1_0000];
    let entry = &mut bytes[TABLE_OFFSET as usize..][..TABLE_SIZE as usize / 96];
    entry.fill(0);
    entry[..4].copy_from_slice(&[0xaa, 0x50, 1, 6]);
    entry[4..8].copy_from_slice(&(BACKLOG as u32).to_le_bytes());
    entry[8..12].copy_from_slice(&0x6000_u32.to_le_bytes());
    entry[12..12 + label.len()].copy_from_slice(label.as_bytes());
    MemFlash::from_bytes(bytes)
}

fn storage() -> Storage<MemFlash> {
    Storage::open(flash("backlog")).0
}

fn clock(boot_unix_ms: Option<u64>) -> Clock {
    let clock = Clock::boot();
    if let Some(boot_unix_ms) = boot_unix_ms {
        clock.set(boot_unix_ms + clock.uptime_ms(), ClockSource::Sntp);
    }
    clock
}

/// A queue with samples at these times since boot; every tenth has vitals.
fn queue(times: impl IntoIterator<Item = u64>) -> SampleQueue {
    let queue = SampleQueue::new(600, SCHEMA);
    for uptime_ms in times {
        queue.push(sample(uptime_ms));
    }
    queue
}

fn sample(uptime_ms: u64) -> Sample {
    let vital = uptime_ms.is_multiple_of(10);
    Sample {
        uptime_ms,
        readings: readings(Some((uptime_ms % 300) as i32), None),
        rssi_dbm: vital.then_some(-61),
        heap_free: vital.then_some(123_456),
        vitals: if vital { Vitals::ALL } else { Vitals::NONE },
        ..Sample::default()
    }
}

/// Everything that comes out of flash, with the calendar by which it is sent, each record acknowledged
/// as it comes.
fn all(kept: &Kept<'_, MemFlash>, live: &SampleQueue, clock: &Clock) -> Vec<(u64, Sample)> {
    let mut all = Vec::new();
    while kept.fetch(live, clock) {
        let queue = kept.queue().unwrap();
        let numbers = queue.first()..queue.first() + queue.len() as u64;
        for number in numbers.clone() {
            all.push((queue.sent_with(number).unwrap(), queue.at(number).unwrap()));
        }
        let samples = kept.acknowledge_below(numbers.end);
        assert_eq!(samples as u64, numbers.end - numbers.start);
    }
    all
}

#[test]
fn samples_come_through_flash_as_they_were_taken() {
    let storage = storage();
    // On no grid, and with a step back, which an event between samples makes.
    let times: Vec<u64> = (0..200).map(|n| 5_007 + n * 1_000 + n * n % 7).collect();
    let live = queue(times.iter().copied());
    let kept = Kept::new(&storage, SCHEMA, FIRST);
    let there = clock(Some(BOOT_UNIX_MS));
    assert_eq!(kept.keep(&live, &there, usize::MAX), 200);
    assert!(live.is_empty() && live.dropped() == 0);
    // A later life, by another calendar.
    let kept = Kept::new(&storage, SCHEMA, AFTER_POWER);
    let later = queue([]);
    let out = all(&kept, &later, &clock(Some(BOOT_UNIX_MS + 77_777_777)));
    let wanted = times.iter().map(|&time| (BOOT_UNIX_MS, sample(time)));
    assert!(out.into_iter().eq(wanted));
    assert_eq!(later.dropped(), 0);
}

#[test]
fn what_was_sent_before_keeps_the_calendar_that_it_was_sent_with() {
    let storage = storage();
    let live = queue(0..10);
    live.note_sent(4, BOOT_UNIX_MS - 5);
    let kept = Kept::new(&storage, SCHEMA, FIRST);
    let clock = clock(Some(BOOT_UNIX_MS));
    kept.keep(&live, &clock, usize::MAX);
    let boots = all(&kept, &live, &clock).into_iter().map(|(boot, _)| boot);
    let wanted = [[BOOT_UNIX_MS - 5; 4].as_slice(), &[BOOT_UNIX_MS; 6]].concat();
    assert!(boots.eq(wanted));
}

#[test]
fn a_life_without_a_calendar_gets_it_from_the_next_if_the_power_stayed() {
    let storage = storage();
    let live = queue([1_000, 2_000]);
    let kept = Kept::new(&storage, SCHEMA, FIRST);
    assert_eq!(kept.keep(&live, &clock(None), usize::MAX), 2);
    // Not yet, as long as nobody knows the time.
    let kept = Kept::new(&storage, SCHEMA, SECOND);
    let live = queue([]);
    assert!(!kept.fetch(&live, &clock(None)));
    let out = all(&kept, &live, &clock(Some(BOOT_UNIX_MS)));
    // It began 90 seconds before.
    let boot = BOOT_UNIX_MS - 90_000;
    assert_eq!(out, [(boot, sample(1_000)), (boot, sample(2_000))]);
    assert_eq!(live.dropped(), 0);
}

#[test]
fn the_life_itself_may_learn_the_calendar_later() {
    let storage = storage();
    let live = queue([1_000]);
    let kept = Kept::new(&storage, SCHEMA, Life { run: 0, ..FIRST });
    assert_eq!(kept.keep(&live, &clock(None), 1), 1);
    let out = all(&kept, &live, &clock(Some(BOOT_UNIX_MS)));
    assert_eq!(out, [(BOOT_UNIX_MS, sample(1_000))]);
}

#[test]
fn samples_whose_time_nobody_can_know_are_dropped_and_counted() {
    for (then, now) in [
        (FIRST, AFTER_POWER),
        // No counter runs through restarts.
        (Life { run: 0, ..FIRST }, Life { run: 0, ..SECOND }),
        // The counter went back.
        (
            SECOND,
            Life {
                boot_ms: 3,
                ..FIRST
            },
        ),
    ] {
        let storage = storage();
        let kept = Kept::new(&storage, SCHEMA, then);
        kept.keep(&queue(0..40), &clock(None), usize::MAX);
        // And one that has its time.
        let there = clock(Some(BOOT_UNIX_MS));
        kept.keep(&queue([5]), &there, usize::MAX);
        let live = queue([]);
        let kept = Kept::new(&storage, SCHEMA, now);
        assert_eq!(all(&kept, &live, &there), [(BOOT_UNIX_MS, sample(5))]);
        assert_eq!(live.dropped(), 40);
        assert_eq!(live.dropped_untold(), 40, "the server is told");
    }
}

#[test]
fn samples_of_another_product_are_dropped_and_counted() {
    let storage = storage();
    let there = clock(Some(BOOT_UNIX_MS));
    Kept::new(&storage, SCHEMA, FIRST).keep(&queue(0..40), &there, usize::MAX);
    let schema = Schema::of::<Lamp>();
    let live = SampleQueue::new(1, schema);
    let kept = Kept::new(&storage, schema, SECOND);
    assert!(!kept.fetch(&live, &there));
    assert_eq!(live.dropped(), 40);
    assert!(!kept.take_damage());
}

#[test]
fn a_record_is_there_until_all_of_it_was_acknowledged() {
    let storage = storage();
    let there = clock(Some(BOOT_UNIX_MS));
    let kept = Kept::new(&storage, SCHEMA, FIRST);
    kept.keep(&queue(0..20), &there, usize::MAX);
    let live = queue([]);
    assert!(kept.fetch(&live, &there));
    assert_eq!(kept.acknowledge_below(15), 0);
    // The power goes: the record is sent once more.
    let kept = Kept::new(&storage, SCHEMA, SECOND);
    assert_eq!(all(&kept, &live, &there).len(), 20);
    let kept = Kept::new(&storage, SCHEMA, AFTER_POWER);
    assert!(!kept.fetch(&live, &there));
}

#[test]
fn a_table_that_names_no_place_has_none_and_nothing_is_written() {
    for label in ["backlo", "backlogs", "spare"] {
        let before = flash(label).into_inner();
        let storage = Storage::open(flash(label)).0;
        let kept = Kept::new(&storage, SCHEMA, FIRST);
        assert!(!kept.is_there() && kept.queue().is_none());
        let live = queue(0..40);
        let there = clock(Some(BOOT_UNIX_MS));
        assert_eq!(kept.keep(&live, &there, usize::MAX), 0);
        assert!(!kept.fetch(&live, &there));
        assert_eq!((live.len(), live.dropped()), (40, 0));
        assert!(storage.release().into_inner() == before);
    }
}
