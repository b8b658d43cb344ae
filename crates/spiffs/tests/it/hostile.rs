//! Any bytes at all: an error or files, in bounded time, from within the partition.
//!
//! Images are damaged in ways that a flash is (bits, words, blocks) and in ways that an attacker
//! would choose (plausible ids, spans, page numbers). The random numbers are the same in every run.

use embedded_storage::nor_flash::{ErrorType, NorFlashErrorKind, ReadNorFlash};
use spiffs::{Endianness, Error, Geometry, Magic, Partition, Spiffs};

use crate::vectors::{Random, golden_images};

/// The partition does not start at the flash's start, and the flash does not end at its end.
const MARGIN: usize = 4096;

/// A flash that allows only aligned reads within one partition, and counts them.
struct Watched<'a, const READ_SIZE: usize> {
    image: &'a [u8],
    reads: &'a mut u64,
}

impl<const READ_SIZE: usize> ErrorType for Watched<'_, READ_SIZE> {
    type Error = NorFlashErrorKind;
}

impl<const SIZE: usize> ReadNorFlash for Watched<'_, SIZE> {
    const READ_SIZE: usize = SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        *self.reads += 1;
        assert!((offset as usize).is_multiple_of(SIZE) && bytes.len().is_multiple_of(SIZE));
        let start = (offset as usize)
            .checked_sub(MARGIN)
            .expect("reads within the partition");
        bytes.copy_from_slice(&self.image[start..start + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.image.len() + 2 * MARGIN
    }
}

/// Does everything there is to do with an image, and holds the reads it takes against a bound that
/// depends on the size of the image alone. Returns how many files could be read whole.
fn exercise<const READ_SIZE: usize>(image: &[u8], geometry: Option<Geometry>) -> usize {
    let size = image.len() as u32;
    let mut reads = 0;
    let flash = Watched::<READ_SIZE> {
        image,
        reads: &mut reads,
    };
    let partition = Partition {
        offset: MARGIN as u32,
        size,
    };
    let mounted = Spiffs::mount(flash, partition, geometry);
    let Ok(volume) = mounted else {
        assert_within(reads, mount_bound(size), "a failed mount");
        return 0;
    };
    let geometry = volume.geometry();
    assert_within(reads, mount_bound(size), "mounting");

    let pages = u64::from(size / geometry.page_size);
    // Finding an index page can take a look at every page, and one index page lists at least
    // this many data pages.
    let listed = u64::from((geometry.page_size - 8) / 2);
    let walk = 2 * pages + 16;
    let whole_file = 4 * pages + (pages / listed + 2) * walk;

    let mut whole = 0;
    let mut buf = vec![0; image.len()];
    let mut files = Vec::new();
    let mut reads = 0;
    {
        let mut volume = remount::<READ_SIZE>(image, geometry, &mut reads);
        files.extend(volume.files().filter_map(Result::ok));
    }
    assert_within(reads, mount_bound(size) + walk, "listing");
    assert!(files.len() as u64 <= pages);

    for info in files.iter().take(40) {
        let mut reads = 0;
        let mut volume = remount::<READ_SIZE>(image, geometry, &mut reads);
        match volume.read(&mut info.clone().into_file(), 0, &mut buf) {
            Ok(len) => {
                assert_eq!(len, info.size() as usize);
                whole += 1;
            }
            Err(Error::Corrupt(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if let Ok(name) = info.name().as_str() {
            volume
                .stat(name)
                .map(|_| ())
                .or_else(only_corrupt)
                .expect("its name was listed");
        }
        assert_within(
            reads,
            mount_bound(size) + whole_file + walk,
            "reading a file",
        );
    }

    let mut reads = 0;
    let mut faults = 0;
    let summary = remount::<READ_SIZE>(image, geometry, &mut reads)
        .check(|_| faults += 1)
        .expect("the flash does not fail");
    assert_eq!(summary.faults, faults);
    assert_within(
        reads,
        mount_bound(size) + 40 * walk + pages * pages,
        "the check",
    );
    if faults == 0 && files.len() <= 40 {
        assert_eq!(whole, files.len(), "without a fault every file is readable");
        assert_eq!(summary.files as usize, files.len());
    }
    whole
}

/// A second file of the same name can be damaged.
fn only_corrupt(error: Error<NorFlashErrorKind>) -> Result<(), Error<NorFlashErrorKind>> {
    match error {
        Error::Corrupt(_) => Ok(()),
        error => Err(error),
    }
}

fn remount<'a, const READ_SIZE: usize>(
    image: &'a [u8],
    geometry: Geometry,
    reads: &'a mut u64,
) -> Spiffs<Watched<'a, READ_SIZE>> {
    let partition = Partition {
        offset: MARGIN as u32,
        size: image.len() as u32,
    };
    Spiffs::mount(Watched { image, reads }, partition, Some(geometry)).expect("mounted before")
}

/// 217 geometries are tried at most, each by one look at every block until two are wrong; then the
/// page table of 8 files is sought in a page of at most 4096 bytes, at 5 looks each place.
fn mount_bound(size: u32) -> u64 {
    217 * u64::from(size / 1024 + 2) + 8 * 4096 * 9 + u64::from(size / 64)
}

fn assert_within(reads: u64, bound: u64, what: &str) {
    assert!(
        reads <= bound,
        "{what} took {reads} reads, more than {bound}"
    );
}

fn exercise_both(image: &[u8], geometry: Option<Geometry>) -> usize {
    let whole = exercise::<1>(image, geometry);
    assert_eq!(
        exercise::<4>(image, geometry),
        whole,
        "the read size changes nothing"
    );
    whole
}

/// A value that means something in some place of an image.
fn plausible(random: &mut Random) -> u16 {
    match random.below(6) {
        0 => 0,
        1 => 0xFFFF,
        2 => 0x8000 | random.below(20) as u16,
        3 => random.below(20) as u16,
        4 => random.below(1100) as u16,
        _ => random.next() as u16,
    }
}

fn damage(image: &mut [u8], random: &mut Random) {
    let blocks = image.len() / 4096;
    for _ in 0..=random.below(12) {
        let block = random.below(blocks) * 4096;
        let page = block + random.below(16) * 256;
        match random.below(7) {
            0 => image[random.below(blocks * 4096)] ^= 1 << random.below(8),
            1 => image[block..][..30][random.below(30)] = plausible(random) as u8,
            2 => {
                let value = plausible(random).to_le_bytes();
                image[block + 2 * random.below(15)..][..2].copy_from_slice(&value);
            }
            3 => {
                let value = plausible(random).to_le_bytes();
                image[page + 2 * random.below(2)..][..2].copy_from_slice(&value);
            }
            4 => image[page + 4] = [0xF8, 0xFC, 0x78, 0xB8, 0xFF, 0x00][random.below(6)],
            5 => {
                let value = plausible(random).to_le_bytes();
                image[page + 8 + random.below(240)..][..2].copy_from_slice(&value);
            }
            _ => {
                let from = random.below(blocks) * 4096;
                image.copy_within(from..from + 4096 - 256 * random.below(4), block);
            }
        }
    }
}

#[test]
fn sound_images_are_read_within_the_bounds() {
    for golden in golden_images() {
        assert_eq!(
            exercise_both(&golden.image, None),
            golden.files.len(),
            "{}",
            golden.name
        );
    }
}

#[test]
fn sound_images_are_checked_in_linear_time() {
    for golden in golden_images() {
        let mut reads = 0;
        remount::<4>(&golden.image, golden.geometry(), &mut reads)
            .check(|_| ())
            .expect("reads");
        let pages = golden.image.len() as u64 / u64::from(golden.geometry().page_size);
        assert_within(reads, 5 * pages, &golden.name);
    }
}

#[test]
fn damaged_images_give_errors_or_files() {
    let mut random = Random(0x5EED_0001);
    let golden = golden_images();
    let mut whole = 0;
    for round in 0..1400 {
        let golden = &golden[round % golden.len()];
        let mut image = golden.image.clone();
        damage(&mut image, &mut random);
        whole += exercise_both(&image, None);
        whole += exercise_both(&image, Some(golden.geometry()));
    }
    assert!(
        whole > 5000,
        "the damage must leave something to look at: {whole}"
    );
}

#[test]
fn images_cut_short_give_errors_or_files() {
    let golden = &golden_images()[0];
    for size in [0, 4, 252, 256, 4092, 4096, 8192, 0x20000, 0x3FFFC] {
        for magic in [Magic::None, Magic::WithLength] {
            let geometry = Geometry {
                magic,
                ..Geometry::ESP_IDF
            };
            exercise_both(&golden.image[..size], Some(geometry));
        }
        exercise_both(&golden.image[..size], None);
    }
}

#[test]
fn noise_gives_errors_or_files() {
    let mut random = Random(0x5EED_0002);
    for round in 0..120 {
        let geometry = Geometry {
            page_size: 128 << random.below(4),
            block_size: 4096 << random.below(2),
            name_len: 1 + random.below(40) as u32,
            meta_len: random.below(20) as u32,
            magic: Magic::None,
            endianness: [Endianness::Little, Endianness::Big][random.below(2)],
            aligned_index_tables: random.below(2) == 1,
        };
        let size = geometry.block_size as usize * (1 + random.below(12));
        let mut image: Vec<u8> = (0..size).map(|_| random.next() as u8).collect();
        if round % 3 != 0 {
            // Lookup tables and headers that agree, over noise: the rest is then gone into.
            let page_size = geometry.page_size as usize;
            let objects = 1 + random.below(6);
            for (number, page) in image.chunks_mut(page_size).enumerate() {
                let id = number % objects + 1;
                let index = random.below(3) == 0;
                let id = (id as u16 | if index { 0x8000 } else { 0 }).to_le_bytes();
                let id = match geometry.endianness {
                    Endianness::Little => id,
                    Endianness::Big => [id[1], id[0]],
                };
                page[..2].copy_from_slice(&id);
                page[2..4].fill(random.below(3) as u8 * (number % 2) as u8);
                page[4] = if index { 0xF8 } else { 0xFC };
                page[8..12].fill(0);
                page[9 + number % 2] = random.next() as u8;
            }
            let pages_per_block = geometry.block_size as usize / page_size;
            for block in image.chunks_mut(geometry.block_size as usize) {
                for slot in 1..pages_per_block {
                    let id = [block[slot * page_size], block[slot * page_size + 1]];
                    block[2 * (slot - 1)..][..2].copy_from_slice(&id);
                }
            }
        }
        exercise_both(&image, Some(geometry));
        exercise_both(&image, None);
    }
}

#[test]
fn an_image_made_to_be_slow_is_not() {
    // Every page claims to be the first of a file as long as the volume, all with the same id.
    let mut image = vec![0xFF; 0x10000];
    for (number, page) in image.chunks_mut(256).enumerate() {
        match number % 16 {
            0 => page[..30]
                .chunks_mut(2)
                .for_each(|id| id.copy_from_slice(&[0x01, 0x80])),
            _ => {
                page[..5].copy_from_slice(&[0x01, 0x80, 0, 0, 0xF8]);
                page[8..14].copy_from_slice(&[0x00, 0xE0, 0, 0, 1, b'/']);
                page[15..49].fill(0);
            }
        }
    }
    exercise_both(
        &image,
        Some(Geometry {
            magic: Magic::None,
            ..Geometry::ESP_IDF
        }),
    );
}

#[test]
fn a_partition_outside_the_flash_is_refused() {
    let image = vec![0; 8192];
    let mut reads = 0;
    for (offset, size) in [
        (0, 0x10_0000),
        (u32::MAX, 4096),
        (4096, u32::MAX),
        (2, 4096),
        (4096, 4095),
    ] {
        let flash = Watched::<4> {
            image: &image,
            reads: &mut reads,
        };
        let refused = Spiffs::mount(flash, Partition { offset, size }, None);
        assert_eq!(refused.map(|_| ()).unwrap_err(), Error::Partition);
    }
    assert_eq!(reads, 0);
}

#[test]
fn a_flash_that_fails_ends_every_operation() {
    struct Failing(u32);
    impl ErrorType for Failing {
        type Error = NorFlashErrorKind;
    }
    impl ReadNorFlash for Failing {
        const READ_SIZE: usize = 4;
        fn read(&mut self, _: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
            self.0 = self.0.checked_sub(1).ok_or(NorFlashErrorKind::Other)?;
            bytes.fill(0xFF);
            Ok(())
        }
        fn capacity(&self) -> usize {
            0x40000
        }
    }
    let whole = Partition::whole(0x40000);
    let failed = Spiffs::mount(Failing(0), whole, None)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(failed, Error::Flash(NorFlashErrorKind::Other));
    let geometry = Geometry {
        magic: Magic::None,
        ..Geometry::ESP_IDF
    };
    let mut volume = Spiffs::mount(Failing(5), whole, Some(geometry)).expect("reads nothing yet");
    let listed: Vec<_> = volume
        .files()
        .map(|file| file.map(|_| ()).unwrap_err())
        .collect();
    assert_eq!(listed, [Error::Flash(NorFlashErrorKind::Other)]);
    assert_eq!(
        volume.check(|_| ()).unwrap_err(),
        Error::Flash(NorFlashErrorKind::Other)
    );
}
