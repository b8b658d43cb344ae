use super::*;
use crate::record::{Entry, Head, Time, Writer};
use embedded_storage::nor_flash::{ErrorType, NorFlashErrorKind, ReadNorFlash};
use std::vec;
use std::vec::Vec;

const SECTOR: usize = 4096;
const WORD: usize = 4;

/// NOR flash that obeys the rules, counts erases, and loses power on command.
#[derive(Clone)]
struct Nor {
    bytes: Vec<u8>,
    erased: Vec<u32>,
    operations: u64,
    cut: u64,
    /// What the cut leaves of the operation under way: not begun, or torn in this way.
    torn: Option<u32>,
}

impl Nor {
    fn blank(sectors: usize) -> Self {
        Self {
            bytes: vec![0xff; sectors * SECTOR],
            erased: vec![0; sectors],
            operations: 0,
            cut: u64::MAX,
            torn: None,
        }
    }

    fn range(&self) -> Range<u32> {
        0..self.bytes.len() as u32
    }

    /// True if the operation is to be done; the one that is cut is torn.
    fn spend(&mut self) -> Result<bool, NorFlashErrorKind> {
        self.operations += 1;
        match self.operations.cmp(&(self.cut.saturating_add(1))) {
            core::cmp::Ordering::Less => Ok(true),
            core::cmp::Ordering::Equal if self.torn.is_some() => Ok(false),
            _ => Err(NorFlashErrorKind::Other),
        }
    }
}

impl ErrorType for Nor {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Nor {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let from = offset as usize;
        let read = self.bytes.get(from..from + bytes.len());
        bytes.copy_from_slice(read.ok_or(NorFlashErrorKind::OutOfBounds)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        for sector in from as usize / SECTOR..to as usize / SECTOR {
            let whole = self.spend()?;
            let torn = self.torn.unwrap_or(0);
            let bytes = &mut self.bytes[sector * SECTOR..][..SECTOR];
            if !whole {
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte |= (torn.wrapping_mul(2_654_435_761 ^ index as u32) >> 24) as u8;
                }
                return Err(NorFlashErrorKind::Other);
            }
            bytes.fill(0xff);
            self.erased[sector] += 1;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        assert!((offset as usize).is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        for (index, word) in bytes.chunks(WORD).enumerate() {
            let whole = self.spend()?;
            let keep = if whole { 0 } else { self.torn.unwrap_or(0) };
            let at = offset as usize + index * WORD;
            for (place, (new, mask)) in self.bytes[at..]
                .iter_mut()
                .zip(word.iter().zip(keep.to_le_bytes()))
            {
                assert!(new & !*place == 0, "bits cannot be set by writing, at {at}");
                *place &= new | mask;
            }
            if !whole {
                return Err(NorFlashErrorKind::Other);
            }
        }
        Ok(())
    }
}

/// A record of `samples` samples, of which the first has this number.
fn record(number: u64, samples: usize) -> Vec<u8> {
    let time = Time::Calendar { boot_unix_ms: 1 };
    let mut writer = Writer::new(Head {
        time,
        series: 1,
        body: 3,
    })
    .unwrap();
    for at in 0..samples as u64 {
        let body = (number + at).to_le_bytes();
        let entry = Entry {
            uptime_ms: (number + at) * 1_000,
            body: &body[..3],
            tail: &[],
        };
        assert!(writer.push(&entry));
    }
    writer.bytes().to_vec()
}

fn number(record: &[u8]) -> u64 {
    let mut first = None;
    assert!(
        Record::parse(record)
            .unwrap()
            .each(|entry| _ = first.get_or_insert(entry.uptime_ms / 1_000))
    );
    first.unwrap()
}

fn next(ring: &mut Ring, flash: &mut Nor) -> Option<u64> {
    ring.peek(flash, &mut [0; MOST_BYTES]).unwrap().map(number)
}

/// Everything that is in it, by one who has just started.
fn all(flash: &mut Nor) -> Vec<u64> {
    let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
    let mut all = Vec::new();
    while let Some(number) = next(&mut ring, flash) {
        all.push(number);
        ring.pop(flash).unwrap();
    }
    all
}

#[test]
fn records_come_out_in_their_order_over_restarts_and_turns() {
    let mut flash = Nor::blank(4);
    let (mut kept, mut out) = (0, 0);
    for round in 0..60 {
        let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
        for _ in 0..20 {
            assert_eq!(ring.push(&mut flash, &record(kept, 32)), Ok(0), "{round}");
            kept += 32;
        }
        for _ in 0..20 {
            assert_eq!(next(&mut ring, &mut flash), Some(out));
            ring.pop(&mut flash).unwrap();
            out += 32;
        }
        assert_eq!(next(&mut ring, &mut flash), None);
    }
    let (least, most) = (flash.erased.iter().min(), flash.erased.iter().max());
    assert!(most.unwrap() - least.unwrap() <= 1, "{:?}", flash.erased);
}

#[test]
fn where_there_is_no_room_the_oldest_give_way_and_are_counted() {
    let mut flash = Nor::blank(4);
    let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
    let (mut kept, mut gone) = (0_u64, 0_u64);
    for _ in 0..500 {
        gone += u64::from(ring.push(&mut flash, &record(kept, 32)).unwrap());
        kept += 32;
    }
    let left = all(&mut flash);
    assert_eq!(left.first(), Some(&gone));
    assert_eq!(left.len() as u64 * 32, kept - gone);
    assert!(gone > 0 && left.len() > 3 * 4096 / 200);
}

/// What is done before and while the power goes: pushes that make the oldest give way, and pops.
fn script(flash: &mut Nor, told: &mut Told) -> Result<(), Fault> {
    let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
    for _ in 0..50 {
        told.pushing = true;
        told.gone += u64::from(ring.push(flash, &record(told.kept, 32))?);
        told.pushing = false;
        told.kept += 32;
    }
    for _ in 0..45 {
        let out = ring.peek(flash, &mut [0; MOST_BYTES])?.map(number).unwrap();
        assert_eq!(out, told.gone + told.out);
        ring.pop(flash)?;
        told.out += 32;
    }
    Ok(())
}

#[derive(Default, Clone)]
struct Told {
    kept: u64,
    gone: u64,
    out: u64,
    pushing: bool,
}

#[test]
fn power_that_goes_at_any_write_loses_nothing_that_was_kept() {
    let mut full = Nor::blank(3);
    let mut before = Told::default();
    // So that sectors are full, and one is erased on the way.
    for _ in 0..12 {
        script(&mut full, &mut before).unwrap();
    }
    let mut whole = full.clone();
    whole.operations = 0;
    script(&mut whole, &mut before.clone()).unwrap();
    let operations = whole.operations;
    assert!(operations > 500 && whole.erased != full.erased);
    let tears = [
        None,
        Some(0x5555_aaaa),
        Some(0x0f0f_3c3c),
        Some(0xffff_0000),
    ];
    for (cut, torn) in (0..operations).flat_map(|cut| tears.map(|torn| (cut, torn))) {
        let mut flash = full.clone();
        (flash.operations, flash.cut, flash.torn) = (0, cut, torn);
        let mut told = before.clone();
        script(&mut flash, &mut told).unwrap_err();
        (flash.cut, flash.torn) = (u64::MAX, None);
        // Whoever starts goes on where it was.
        let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
        assert_eq!(ring.push(&mut flash, &record(9_600_000, 1)), Ok(0));
        let mut left = all(&mut flash);
        assert_eq!(left.pop(), Some(9_600_000));
        assert!(left.is_sorted_by_key(|number| *number));
        let at = std::format!("cut {cut} {torn:x?}: {left:?}");
        // The record under way may be there or not; one that was let go of may be there again.
        let kept = left.last().map_or(told.gone + told.out, |last| last + 32);
        assert!(
            kept == told.kept || told.pushing && kept == told.kept + 32,
            "{at}"
        );
        let first = left.first().copied().unwrap_or(kept);
        let out = told.gone + told.out;
        let oldest = [out, out + 32];
        // Making room may have let go of a sector's records without having told yet.
        let giving = told.pushing && first >= out && first <= out + 32 * 40;
        assert!(oldest.contains(&first) || giving, "{at}, out {out}");
        assert!(
            left.windows(2).all(|two| two[1] == two[0] + 32),
            "a gap: {at}"
        );
    }
}

#[test]
fn any_bytes_are_emptied_or_passed_over_and_the_ring_is_usable() {
    let mut seed = 1_u64;
    for round in 0..300 {
        let mut flash = Nor::blank(3);
        for byte in &mut flash.bytes {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let random = (seed >> 56) as u8;
            *byte = match round % 3 {
                0 => random,
                1 if random < 250 => 0xff,
                2 if random < 250 => 0,
                _ => (seed >> 40) as u8,
            };
        }
        let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
        let kept = ring.push(&mut flash, &record(7, 2));
        assert!(kept.is_ok(), "round {round}");
        let mut found = Vec::new();
        for _ in 0..3_000 {
            match ring.peek(&mut flash, &mut [0; MOST_BYTES]) {
                Ok(None) => break,
                Ok(Some(record)) => found.push(record.to_vec()),
                Err(fault) => assert_eq!(fault, Fault::Damaged),
            }
            let _ = ring.pop(&mut flash);
        }
        assert_eq!(found.last(), Some(&record(7, 2)), "round {round}");
    }
}

/// Fills the ring with days of a room, a sample a second: two series packed into three bytes, which change
/// as a DHT22's do, and vitals once a minute. Returns the samples that are in it in the end.
fn days(flash: &mut Nor, days: u64, changing_in: u64) -> u64 {
    let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
    let (mut seed, mut gone) = (88_172_645_463_325_252_u64, 0);
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let (mut temperature, mut humidity) = (600_u64, 450_u64);
    let (mut at, samples) = (0, days * 86_400);
    while at < samples {
        let time = Time::Calendar { boot_unix_ms: 1 };
        let series = 1;
        let head = Head {
            time,
            series,
            body: 3,
        };
        let mut writer = Writer::new(head).unwrap();
        loop {
            let packed = temperature | humidity << 11;
            let tail: &[u8] = if at % 60 == 0 { &[7; 14] } else { &[] };
            let entry = Entry {
                uptime_ms: at * 1_000,
                body: &packed.to_le_bytes()[..3],
                tail,
            };
            if !writer.push(&entry) {
                break;
            }
            at += 1;
            if random(changing_in) == 0 {
                temperature = (temperature + random(3)).clamp(401, 1_600) - 1;
                humidity = (humidity + random(3)).clamp(1, 1_000) - 1;
            }
        }
        gone += u64::from(ring.push(flash, writer.bytes()).unwrap());
    }
    at - gone
}

#[test]
fn a_day_at_a_sample_a_second_has_room_and_flash_lasts_for_centuries() {
    // What the C firmware's table leaves free.
    const SECTORS: usize = 1_245_184 / SECTOR;
    const DAY: u64 = 86_400;
    // Values that stand still for ten seconds, and values that are others each second.
    for (changing_in, least_days) in [(10, 5), (1, 3)] {
        let mut flash = Nor::blank(SECTORS);
        let held = days(&mut flash, 12, changing_in);
        std::println!("changing each {changing_in} s: {} hours", held / 3_600);
        assert!(held >= least_days * DAY, "{held}");
        // An outage of a year: whatever there is goes through flash.
        let (erased, most) = (flash.erased.iter().sum::<u32>(), flash.erased.iter().max());
        let sectors_a_day = erased as f64 / 12.0;
        let years = 100_000.0 / (sectors_a_day / SECTORS as f64) / 365.0;
        std::println!("{sectors_a_day:.0} erases a day, {years:.0} years, most {most:?}");
        assert!(years > 200.0, "{years}");
    }
}

/// A ring of some sectors, filled until the first of them is taken again.
fn filled(sectors: usize) -> (Nor, u64) {
    let mut flash = Nor::blank(sectors);
    let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
    let mut kept = 0;
    while ring.push(&mut flash, &record(kept, 32)) == Ok(0) {
        kept += 32;
    }
    (flash, kept + 32)
}

#[test]
fn a_sector_that_flash_forgot_hides_nothing_of_what_is_behind_it() {
    for lost in [vec![0], vec![1], vec![2], vec![3], vec![1, 3], vec![0, 2]] {
        let (mut flash, kept) = filled(4);
        let before = all(&mut flash.clone());
        for sector in &lost {
            flash.bytes[sector * SECTOR..][..SECTOR].fill(0xff);
        }
        // The first sector has begun anew: three are full.
        let in_it = before.len() / 3 + 2;
        let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
        assert_eq!(ring.push(&mut flash, &record(kept, 1)), Ok(0), "{lost:?}");
        let left = all(&mut flash);
        assert_eq!(left.last(), Some(&kept), "{lost:?}");
        assert!(left.len() + in_it * lost.len() >= before.len(), "{lost:?}");
        assert!(
            left.iter()
                .all(|number| before.contains(number) || *number == kept)
        );
    }
}

#[test]
fn whatever_the_markers_say_what_is_pushed_then_comes_out_last() {
    let (full, kept) = filled(4);
    // Each sector: blank, being filled, full, half erased.
    for shape in 0..4_u32.pow(4) {
        let mut flash = full.clone();
        for sector in 0..4 {
            let (start, end) = (sector * SECTOR, (sector + 1) * SECTOR);
            let (first, last) = match shape >> (2 * sector) & 3 {
                0 => {
                    flash.bytes[start..end].fill(0xff);
                    (0xff, 0xff)
                }
                1 => (0, 0xff),
                2 => (0, 0),
                _ => (0xff, 0),
            };
            flash.bytes[start..start + WORD].fill(first);
            flash.bytes[end - WORD..end].fill(last);
        }
        let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
        for number in kept..kept + 40 {
            assert!(
                ring.push(&mut flash, &record(number, 1)).is_ok(),
                "{shape:o}"
            );
        }
        let mut left = all(&mut flash);
        let newest = left.split_off(left.len() - 40);
        assert!(
            newest.is_sorted() && newest.last() == Some(&(kept + 39)),
            "{shape:x}"
        );
        assert_eq!(all(&mut flash), [], "{shape:x}");
    }
}

#[test]
fn a_header_that_promises_too_much_costs_its_sector_alone() {
    let (mut flash, kept) = filled(4);
    let before = all(&mut flash.clone());
    // A record's length, with the check of it, in the second sector: more than any record has.
    let header = 2_000_u16;
    let at = SECTOR + WORD + 4;
    flash.bytes[at..][..2].copy_from_slice(&header.to_le_bytes());
    flash.bytes[at + 2..][..2].copy_from_slice(&order::check(header).to_le_bytes());
    let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
    let (mut left, mut damaged) = (Vec::new(), 0);
    loop {
        match ring.peek(&mut flash, &mut [0; MOST_BYTES]) {
            Ok(Some(record)) => left.push(number(record)),
            Ok(None) => break,
            Err(Fault::Damaged) => damaged += 1,
            Err(fault) => panic!("{fault:?}"),
        }
        let _ = ring.pop(&mut flash);
    }
    assert_eq!(damaged, 1);
    assert!(left.len() >= before.len() * 2 / 3 - 2 && left.last() == Some(&(kept - 32)));
}

#[test]
fn a_record_of_long_ago_does_not_come_out_behind_the_one_that_reaches_it() {
    let (full, kept) = filled(4);
    let there = all(&mut full.clone());
    // The second sector was erased, and not to its end: at its start there is room for some records, or for
    // parts of one, and a restart comes before or after it is begun. The marker may be there or not.
    let stale = &full.bytes[SECTOR..2 * SECTOR];
    for (gap, marked) in (2..400).flat_map(|words| [(words * WORD, false), (words * WORD, true)]) {
        let mut flash = Nor::blank(2);
        let sector = &mut flash.bytes[..SECTOR];
        sector.copy_from_slice(stale);
        sector[..WORD + gap].fill(0xff);
        sector[..WORD].fill(if marked { 0 } else { 0xff });
        sector[SECTOR - WORD..].fill(0xff);
        let mut ring = Ring::new::<Nor>(flash.range()).unwrap();
        let mut came = Vec::new();
        for number in kept..kept + 60 {
            ring.push(&mut flash, &record(number, 1)).unwrap();
            came.push(next(&mut ring, &mut flash).unwrap());
            ring.pop(&mut flash).unwrap();
        }
        assert!(
            came.iter().all(|number| !there.contains(number)),
            "{gap} {marked}: {came:?}"
        );
    }
}
