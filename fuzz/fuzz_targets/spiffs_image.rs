//! The SPIFFS reader on any bytes, with any geometry or none: an error or files, in a bounded
//! number of reads, all within the partition.
#![no_main]

use embedded_storage::nor_flash::{ErrorType, NorFlashErrorKind, ReadNorFlash};
use fuzz::{Script, sparse};
use libfuzzer_sys::fuzz_target;
use spiffs::{Endianness, Error, Geometry, Magic, Partition, Spiffs};

/// The partition does not start at the flash's start, and the flash does not end at its end.
const MARGIN: usize = 4096;
/// The longest partition, in bytes.
const LONGEST: usize = 256 * 1024;

/// A flash that allows only aligned reads within one partition, and counts them.
struct Watched<'a> {
    image: &'a [u8],
    reads: u64,
}

impl ErrorType for Watched<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Watched<'_> {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.reads += 1;
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4));
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

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let geometry = geometry(&mut script);
    // Lengths that are no multiple of a block are tried as well.
    let size = usize::from(script.short()) * 8 % (LONGEST + 8);
    let mut image = vec![0xFF; size];
    sparse::unpack(script, &mut image);
    exercise(&image, geometry);
});

fn geometry(script: &mut Script<'_>) -> Option<Geometry> {
    let kind = script.byte_or_0();
    let given = kind & 0x80 != 0;
    let geometry = Geometry {
        page_size: 64 << (kind & 0x7),
        block_size: u32::from(script.short()) * 4,
        name_len: script.byte_or_0().into(),
        meta_len: script.byte_or_0().into(),
        magic: match kind >> 3 & 3 {
            0 => Magic::None,
            1 => Magic::Plain,
            _ => Magic::WithLength,
        },
        endianness: match kind & 0x20 {
            0 => Endianness::Little,
            _ => Endianness::Big,
        },
        aligned_index_tables: kind & 0x40 != 0,
    };
    given.then_some(geometry)
}

fn exercise(image: &[u8], geometry: Option<Geometry>) {
    let size = image.len() as u32;
    let partition = Partition {
        offset: MARGIN as u32,
        size,
    };
    let flash = Watched { image, reads: 0 };
    let (mounted, peak) = fuzz::heap::peak_of(|| Spiffs::mount(flash, partition, geometry));
    assert_eq!(peak, 0, "reading takes no heap");
    let Ok(mut volume) = mounted else { return };
    let geometry = volume.geometry();

    // Finding an index page can take a look at every page, and one index page lists at least
    // this many data pages.
    let pages = u64::from(size / geometry.page_size);
    let listed = u64::from((geometry.page_size - 8) / 2);
    let walk = 2 * pages + 16;
    let whole_file = 4 * pages + (pages / listed + 2) * walk;
    // 217 geometries at most are tried on every block, and 8 files at every place of a page.
    let mount = 217 * u64::from(size / 1024 + 2) + 8 * 4096 * 9 + pages;
    let mut files = Vec::new();
    let mut broken = 0;
    for file in volume.files() {
        match file {
            Ok(file) => files.push(file),
            Err(_) => broken += 1,
        }
    }
    assert!(files.len() as u64 + broken <= pages);

    let mut whole = 0;
    let mut buffer = vec![0; image.len()];
    let (looked_at, _) = files.split_at(files.len().min(20));
    for info in looked_at {
        match volume.read(&mut info.clone().into_file(), 0, &mut buffer) {
            Ok(length) => {
                assert_eq!(length, info.size() as usize);
                whole += 1;
            }
            Err(Error::Corrupt(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if let Ok(name) = info.name().as_str() {
            match volume.stat(name) {
                // A second file of the same name can be damaged.
                Ok(_) | Err(Error::Corrupt(_)) => {}
                Err(error) => panic!("its name was listed: {error}"),
            }
        }
    }
    let mut faults = 0;
    let summary = volume
        .check(|_| faults += 1)
        .expect("the flash does not fail");
    assert_eq!(summary.faults, faults);
    if faults == 0 && looked_at.len() == files.len() {
        assert_eq!(whole, files.len(), "without a fault every file is readable");
        assert_eq!(summary.files as usize, files.len());
    }
    let reads = volume.release().reads;
    let bound =
        mount + walk + looked_at.len() as u64 * (whole_file + walk) + (40 * walk + pages * pages);
    assert!(reads <= bound, "{reads} reads, more than {bound}");
}
