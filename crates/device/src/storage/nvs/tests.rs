use alloc::collections::BTreeMap;
use alloc::format;

use embedded_storage::nor_flash::{ErrorType, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use esp_nvs::mem_flash::MemFlash;

use super::page::Phase;
use super::*;

const SPACE: Key = Key::from_array(b"esptb");
const PARTITION: Partition = Partition {
    offset: 0x1000,
    size: 0x4000,
};

/// A flash of six sectors that fails at a certain write or erasure, of which it does a part.
struct Flash {
    bytes: Vec<u8>,
    /// Writes and erasures until it fails; never if none.
    left: Option<usize>,
    /// Which half of a sector is left as it was when its erasure fails.
    leaves_first: bool,
}

#[derive(Debug)]
struct Failed;

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Flash {
    type Error = Failed;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        let from = self.bytes.get(offset as usize..).ok_or(Failed)?;
        bytes.copy_from_slice(from.get(..bytes.len()).ok_or(Failed)?);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        assert!(from.is_multiple_of(4096) && to.is_multiple_of(4096));
        let counted = self.count();
        let range = &mut self.bytes[from as usize..to as usize];
        let half = range.len() / 2;
        let done = match (&counted, self.leaves_first) {
            (Ok(()), _) => range,
            (Err(_), false) => &mut range[..half],
            (Err(_), true) => &mut range[half..],
        };
        done.fill(0xff);
        counted
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failed> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4));
        let counted = self.count();
        // The power fails after half of the words.
        let done = if counted.is_ok() {
            bytes.len()
        } else {
            bytes.len() / 8 * 4
        };
        let target = &mut self.bytes[offset as usize..][..done];
        for (byte, new) in target.iter_mut().zip(bytes) {
            *byte &= new;
        }
        counted
    }
}

impl Flash {
    fn blank() -> Self {
        Self {
            bytes: vec![0xff; 6 * 4096],
            left: None,
            leaves_first: false,
        }
    }

    fn copy(&self, left: Option<usize>) -> Self {
        Self {
            bytes: self.bytes.clone(),
            left,
            leaves_first: self.leaves_first,
        }
    }

    fn count(&mut self) -> Result<(), Failed> {
        match &mut self.left {
            Some(0) => Err(Failed),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn nvs(&mut self) -> Nvs<'_, Self> {
        Nvs::open(self, PARTITION).unwrap()
    }
}

fn key(name: &str) -> Key {
    Key::from_str(name)
}

/// `esp-nvs` over what a flash holds.
fn theirs(bytes: &[u8]) -> esp_nvs::Nvs<MemFlash> {
    let flash = MemFlash::from_bytes(bytes.to_vec());
    let (offset, size) = (PARTITION.offset as usize, PARTITION.size as usize);
    esp_nvs::Nvs::new(offset, size, flash).unwrap()
}

#[test]
fn another_implementation_reads_what_is_written() {
    let mut flash = Flash::blank();
    let mut nvs = flash.nvs();
    for round in 0..100u32 {
        nvs.set_number(&SPACE, &key("number"), round).unwrap();
        let long = u64::from(round) << 40;
        nvs.set_number(&SPACE, &key("long"), long).unwrap();
        let text = format!("text {round}");
        nvs.set_string(&SPACE, &key("text"), &text).unwrap();
        let blob = vec![round as u8; round as usize * 3];
        nvs.set_blob(&SPACE, &key("blob"), &blob).unwrap();
        nvs.set_blob(&key("other"), &key("blob"), b"apart").unwrap();
    }
    let mut read = theirs(&flash.bytes);
    assert_eq!(read.get::<u32>(&SPACE, &key("number")).unwrap(), 99);
    assert_eq!(read.get::<u64>(&SPACE, &key("long")).unwrap(), 99 << 40);
    let text = read.get::<String>(&SPACE, &key("text")).unwrap();
    assert_eq!(text, "text 99");
    let blob = read.get::<Vec<u8>>(&SPACE, &key("blob")).unwrap();
    assert_eq!(blob, [99; 297]);
    let blob = read.get::<Vec<u8>>(&key("other"), &key("blob")).unwrap();
    assert_eq!(blob, b"apart");
    assert_eq!(read.keys().count(), 5);
}

#[test]
fn what_another_implementation_wrote_is_read_and_replaced() {
    let mut write = theirs(&Flash::blank().bytes);
    // Longer than a page has room for, so in pieces.
    let long: Vec<u8> = (0..6000).map(|n: u32| (n % 251) as u8).collect();
    for round in 0..40u32 {
        write.set(&SPACE, &key("number"), round).unwrap();
        write.set(&SPACE, &key("text"), "a text").unwrap();
        write
            .set(&SPACE, &key("blob"), &long[..round as usize * 20])
            .unwrap();
        write.set(&key("foreign"), &key("i8"), -3i8).unwrap();
    }
    write.set(&SPACE, &key("long"), long.as_slice()).unwrap();
    let mut flash = Flash::blank();
    flash.bytes = write.into_inner().into_inner();
    let mut nvs = flash.nvs();
    assert_eq!(nvs.number(&SPACE, &key("number")), Ok(Some(39u32)));
    assert_eq!(nvs.number::<u64>(&SPACE, &key("number")), Ok(None));
    let text = nvs.string(&SPACE, &key("text")).unwrap().unwrap();
    assert_eq!(*text, "a text");
    assert_eq!(**nvs.blob(&SPACE, &key("long")).unwrap().unwrap(), long);
    assert_eq!(nvs.blob(&SPACE, &key("blob")).unwrap().unwrap().len(), 780);
    for round in 0..60 {
        nvs.set_blob(&SPACE, &key("blob"), &[round; 300]).unwrap();
    }
    nvs.set_blob(&SPACE, &key("long"), b"short").unwrap();
    let mut read = theirs(&flash.bytes);
    assert_eq!(read.get::<i8>(&key("foreign"), &key("i8")).unwrap(), -3);
    let blob = read.get::<Vec<u8>>(&SPACE, &key("blob")).unwrap();
    assert_eq!(blob, [59; 300]);
    let blob = read.get::<Vec<u8>>(&SPACE, &key("long")).unwrap();
    assert_eq!(blob, b"short");
}

/// What all values are, as text.
fn values(nvs: &mut Nvs<'_, Flash>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for name in ["number", "text", "blob"] {
        let value = match name {
            "number" => nvs
                .number::<u32>(&SPACE, &key(name))
                .unwrap()
                .map(|n| format!("{n}")),
            "text" => nvs
                .string(&SPACE, &key(name))
                .unwrap()
                .map(|text| (*text).clone()),
            _ => nvs
                .blob(&SPACE, &key(name))
                .unwrap()
                .map(|blob| format!("{:?}", *blob)),
        };
        values.insert(name.into(), value.unwrap_or_default());
    }
    values
}

/// Does the n-th of a series of changes.
fn change(nvs: &mut Nvs<'_, Flash>, round: u32) -> Result<(), StorageError> {
    match round % 3 {
        0 => nvs.set_number(&SPACE, &key("number"), round),
        1 => nvs.set_string(&SPACE, &key("text"), &format!("text {round}")),
        _ => nvs.set_blob(
            &SPACE,
            &key("blob"),
            &vec![round as u8; 1 + round as usize * 7 % 700],
        ),
    }
}

#[test]
fn after_a_power_cut_a_value_is_the_old_or_the_new_one() {
    // So many changes that pages are moved several times.
    let mut fails_at = 0;
    loop {
        let mut flash = Flash::blank();
        flash.left = Some(fails_at);
        let mut before = values(&mut Flash::blank().nvs());
        let mut round = 0;
        while round < 110 {
            let mut nvs = Nvs::open(&mut flash, PARTITION).unwrap();
            if change(&mut nvs, round).is_err() {
                break;
            }
            before = values(&mut nvs);
            round += 1;
        }
        if round == 110 {
            break;
        }
        flash.left = None;
        let (mut nvs, damaged) = Nvs::start(&mut flash, PARTITION).unwrap();
        assert!(!damaged, "write {fails_at}");
        let after = values(&mut nvs);
        change(&mut nvs, round).unwrap();
        let done = values(&mut nvs);
        assert!(
            after == before || after == done,
            "write {fails_at}: {before:?} {after:?}"
        );
        // And it goes on from there, also for the other implementation.
        for round in round + 1..round + 60 {
            change(&mut nvs, round).unwrap();
        }
        let last = values(&mut nvs);
        let mut read = theirs(&flash.bytes);
        let number = read.get::<u32>(&SPACE, &key("number")).unwrap();
        assert_eq!(format!("{number}"), last["number"]);
        let blob = read.get::<Vec<u8>>(&SPACE, &key("blob")).unwrap();
        assert_eq!(format!("{blob:?}"), last["blob"]);
        fails_at += 1;
    }
}

#[test]
fn a_power_cut_while_a_page_is_moved_may_be_followed_by_another() {
    // To where the next change moves a page.
    let mut full = Flash::blank();
    let mut round = 0;
    // One in the second half of each page that nothing replaces.
    let olds = [key("old 0"), key("old 1"), key("old 2")];
    for (page, old) in (0..).zip(&olds) {
        while full.nvs().page(page).room_for(1).unwrap() < 80 {
            change(&mut full.nvs(), round).unwrap();
            round += 1;
        }
        full.nvs().set_number(&SPACE, old, page).unwrap();
    }
    loop {
        let mut copy = full.copy(None);
        change(&mut copy.nvs(), round).unwrap();
        let moved = (0x1000..0x5000).step_by(4096).any(|page| {
            let header = |flash: &Flash| flash.bytes[page..page + 4] != [0xff; 4];
            header(&full) && !header(&copy)
        });
        if moved {
            break;
        }
        full = copy;
        round += 1;
    }
    let expected = values(&mut full.nvs());
    for (first, leaves_first) in (0..60).flat_map(|first| [(first, false), (first, true)]) {
        full.leaves_first = leaves_first;
        let mut flash = full.copy(Some(first));
        let _ = change(&mut Nvs::open(&mut flash, PARTITION).unwrap(), round);
        for second in [0, 1, 2, 5, 9, 20] {
            let mut flash = flash.copy(Some(second));
            let _ = Nvs::open(&mut flash, PARTITION);
            flash.left = None;
            for (page, old) in (0..).zip(&olds) {
                let kept = flash.nvs().number::<u32>(&SPACE, old);
                assert_eq!(kept, Ok(Some(page)), "{first} {leaves_first} {second}");
            }
            let mut after = values(&mut flash.nvs());
            // The one that was being changed may be new.
            let name = ["number", "text", "blob"][round as usize % 3];
            after.insert(name.into(), expected[name].clone());
            assert_eq!(after, expected, "{first} {leaves_first} {second}");
        }
    }
}

#[test]
fn what_is_damaged_is_told_once_and_gone() {
    let mut good = Flash::blank();
    let mut nvs = good.nvs();
    nvs.set_number(&SPACE, &key("n"), 5u32).unwrap();
    nvs.set_blob(&SPACE, &key("b"), b"a network").unwrap();
    nvs.set_string(&SPACE, &key("t"), "a text").unwrap();
    let page = PARTITION.offset as usize;
    let entry = |index: usize| page + 64 + index * entry::SIZE;
    let find = |bytes: &[u8]| {
        let mut at = good.bytes.windows(bytes.len());
        at.position(|window| window == bytes).unwrap()
    };
    let spoilt = [
        ("header", page + 5),
        ("state", page),
        ("namespace", entry(0) + 9),
        ("number", entry(1) + 24),
        ("blob", find(b"a network") + 3),
        ("text", find(b"a text") + 3),
    ];
    for (what, at) in spoilt {
        let mut flash = good.copy(None);
        flash.bytes[at] ^= 0x10;
        let (_, damaged) = Nvs::start(&mut flash, PARTITION).unwrap();
        assert!(damaged, "{what}");
        let (mut nvs, again) = Nvs::start(&mut flash, PARTITION).unwrap();
        assert!(!again, "{what}");
        nvs.set_blob(&SPACE, &key("b"), b"another").unwrap();
        let kept = nvs.blob(&SPACE, &key("b")).unwrap();
        assert_eq!(kept.as_deref().map(|b| &b[..]), Some(&b"another"[..]));
    }
}

#[test]
fn what_is_wiped_is_gone_from_flash() {
    let mut flash = Flash::blank();
    let mut nvs = flash.nvs();
    for secret in ["secret one", "secret two"] {
        nvs.set_string(&SPACE, &key("text"), secret).unwrap();
        nvs.set_blob(&SPACE, &key("blob"), secret.as_bytes())
            .unwrap();
    }
    nvs.set_number(&SPACE, &key("number"), 7u32).unwrap();
    nvs.wipe(&SPACE, &key("text")).unwrap();
    nvs.wipe(&SPACE, &key("blob")).unwrap();
    nvs.wipe(&key("nobody"), &key("blob")).unwrap();
    assert_eq!(nvs.string(&SPACE, &key("text")), Ok(None));
    assert_eq!(nvs.blob(&SPACE, &key("blob")), Ok(None));
    assert_eq!(nvs.number(&SPACE, &key("number")), Ok(Some(7u32)));
    assert!(!flash.bytes.windows(6).any(|window| window == b"secret"));
    let mut read = theirs(&flash.bytes);
    assert_eq!(read.get::<u32>(&SPACE, &key("number")).unwrap(), 7);
}

#[test]
fn too_much_is_refused_and_what_was_there_stays() {
    let mut flash = Flash::blank();
    let mut nvs = flash.nvs();
    // One for each page but the one that is kept free.
    let big = vec![1; 3000];
    for name in ["big", "bigger", "biggest"] {
        nvs.set_blob(&SPACE, &key(name), &big).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(
            nvs.set_blob(&SPACE, &key("big"), &big[1..]),
            Err(StorageError::NvsFull)
        );
    }
    let longer = vec![1; MOST_BYTES + 1];
    assert_eq!(
        nvs.set_blob(&SPACE, &key("x"), &longer),
        Err(StorageError::NvsFull)
    );
    assert_eq!(**nvs.blob(&SPACE, &key("big")).unwrap().unwrap(), big);
    nvs.wipe(&SPACE, &key("bigger")).unwrap();
    nvs.set_blob(&SPACE, &key("big"), &big[1..]).unwrap();
    assert_eq!(**nvs.blob(&SPACE, &key("big")).unwrap().unwrap(), big[1..]);
}

#[test]
fn no_bytes_bring_it_down() {
    let mut noise = 1u32;
    let mut byte = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    let mut good = Flash::blank();
    for round in 0..50 {
        change(&mut good.nvs(), round).unwrap();
    }
    for spoiled in 0..300 {
        let mut flash = good.copy(None);
        for _ in 0..1 + spoiled % 40 {
            let at = 0x1000 + (usize::from(byte()) << 8 | usize::from(byte())) % 0x4000;
            flash.bytes[at] = byte();
        }
        let Ok((mut nvs, _)) = Nvs::start(&mut flash, PARTITION) else {
            continue;
        };
        let _ = values(&mut nvs);
        for round in 0..30 {
            let _ = change(&mut nvs, round);
        }
    }
}

/// Gives the page at this index a number and a phase, its checksum put right.
fn renumber(flash: &mut Flash, index: usize, number: u32, phase: Phase) {
    let at = PARTITION.offset as usize + index * page::SIZE as usize;
    let header = &mut flash.bytes[at..at + 32];
    header[..4].copy_from_slice(&phase.word().to_le_bytes());
    header[4..8].copy_from_slice(&number.to_le_bytes());
    let sum = esp_nvs::platform::software_crc32(u32::MAX, &header[4..28]);
    header[28..].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn pages_in_an_order_that_does_not_tell_what_came_later_are_unreadable() {
    let mut flash = Flash::blank();
    flash.nvs().set_number(&SPACE, &key("n"), 5u32).unwrap();
    // A second page with the same in it.
    let first = PARTITION.offset as usize;
    let second = first + page::SIZE as usize;
    flash.bytes.copy_within(first..second, second);
    let mut open = |one: (u32, Phase), other: (u32, Phase)| {
        renumber(&mut flash, 0, one.0, one.1);
        renumber(&mut flash, 1, other.0, other.1);
        Nvs::start(&mut flash, PARTITION).map(|(mut nvs, _)| {
            nvs.set_number(&SPACE, &key("n"), 6u32).unwrap();
            nvs.number::<u32>(&SPACE, &key("n")).unwrap()
        })
    };
    assert_eq!(open((3, Phase::Full), (4, Phase::Active)), Ok(Some(6)));
    let unreadable = Err(StorageError::NvsUnreadable);
    assert_eq!(open((4, Phase::Full), (4, Phase::Active)), unreadable);
    assert_eq!(open((5, Phase::Full), (4, Phase::Active)), unreadable);
    let last = (u32::MAX, Phase::Active);
    assert_eq!(open((3, Phase::Full), last), Ok(Some(6)));
}

#[test]
fn what_is_kept_is_there_at_the_next_start_also_where_the_numbers_of_pages_end() {
    for number in u32::MAX - 3..=u32::MAX {
        let mut flash = Flash::blank();
        flash.nvs().set_number(&SPACE, &key("n"), 0u32).unwrap();
        renumber(&mut flash, 0, number, Phase::Active);
        for round in 1..600u32 {
            let (mut nvs, _) = Nvs::start(&mut flash, PARTITION).unwrap();
            let before = nvs.number(&SPACE, &key("n")).unwrap().unwrap();
            let kept = nvs.set_number(&SPACE, &key("n"), round);
            let (mut nvs, _) = Nvs::start(&mut flash, PARTITION).unwrap();
            let expected = if kept.is_ok() { round } else { before };
            assert_eq!(nvs.number(&SPACE, &key("n")), Ok(Some(expected)));
            assert!(matches!(kept, Ok(()) | Err(StorageError::NvsFull)));
        }
    }
}

#[test]
fn an_entry_that_claims_places_not_yet_written_does_not_swallow_what_comes_there() {
    let mut flash = Flash::blank();
    flash.nvs().set_number(&SPACE, &key("n"), 5u32).unwrap();
    // Says that it has four places, of which only the first was ever written.
    let claim = Entry::long(7, Type::Text, 0, &key("claim"), &[0; 90]);
    {
        let mut nvs = flash.nvs();
        let mut page = nvs.page(0);
        let index = page.room_for(1).unwrap();
        page.add(index, &Entry::short(7, Type::U8, &key("x"), &[1]), &[])
            .unwrap();
        let at = PARTITION.offset as usize + 64 + index * entry::SIZE;
        flash.bytes[at..at + entry::SIZE].copy_from_slice(claim.bytes());
    }
    let mut nvs = flash.nvs();
    nvs.set_blob(&SPACE, &key("b"), b"kept").unwrap();
    let kept = nvs.blob(&SPACE, &key("b")).unwrap();
    assert_eq!(kept.as_deref().map(|bytes| &bytes[..]), Some(&b"kept"[..]));
    assert_eq!(nvs.number(&SPACE, &key("n")), Ok(Some(5u32)));
}
