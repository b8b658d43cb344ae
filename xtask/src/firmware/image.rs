//! How large the app image is once it is in the form that the bootloader takes.
//!
//! The image is a header of 24 bytes, segments with a header of 8 bytes each, a checksum that ends
//! a block of 16 bytes, and a SHA-256. Segments that stay in flash must lie in the file at the
//! same offset into a page as in the address space; the gaps this needs are filled with segments
//! for RAM as far as there are any. Only the length is computed here, as espflash 4.7.0 lays the
//! file out (src/image_format/idf.rs).

use anyhow::{Context, Result};
use object::{
    Endianness,
    elf::{FileHeader32, SHT_INIT_ARRAY, SHT_NOBITS, SHT_PROGBITS},
    read::elf::{FileHeader, SectionHeader},
};

use crate::chips::Chip;

const HEADER: u32 = 24;
const SEGMENT_HEADER: u32 = 8;
const DIGEST: u32 = 32;
/// A flash segment that ends less than this past a page boundary is made longer: the second-stage
/// bootloader of ESP-IDF does not map such a last page.
const LEAST_LAST_PAGE: u32 = 0x24;

/// Bytes that are loaded to, or seen at, an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    address: u32,
    size: u32,
}

/// The length of the app image that is made of this ELF file, in bytes.
///
/// # Errors
///
/// The file is not an ELF file of 32 bits.
pub(crate) fn length(elf: &[u8], chip: &Chip) -> Result<u64> {
    let (flash, ram): (Vec<_>, Vec<_>) = segments(elf)?
        .into_iter()
        .partition(|segment| chip.in_flash(segment.address));
    Ok(u64::from(lay_out(merged(flash), merged(ram), chip.page)))
}

/// The names of the sections that have an address but no bytes in the file: zeroed by the start
/// code, or left alone.
///
/// # Errors
///
/// The file is not an ELF file of 32 bits.
pub(crate) fn sections_without_bytes(elf: &[u8]) -> Result<Vec<String>> {
    let (header, endian) = header(elf)?;
    let sections = header.sections(endian, elf)?;
    let names = sections
        .iter()
        .filter(|section| section.sh_type(endian) == SHT_NOBITS)
        .map(|section| {
            sections
                .section_name(endian, section)
                .map(String::from_utf8_lossy)
        });
    names.map(|name| Ok(name?.into_owned())).collect()
}

fn header(elf: &[u8]) -> Result<(&FileHeader32<Endianness>, Endianness)> {
    let header = FileHeader32::<Endianness>::parse(elf).context("it is not an ELF file")?;
    Ok((header, header.endian()?))
}

fn segments(elf: &[u8]) -> Result<Vec<Segment>> {
    let (header, endian) = header(elf)?;
    let mut found = Vec::new();
    for section in header.section_headers(endian, elf)? {
        let kind = section.sh_type(endian);
        let loaded = (kind == SHT_PROGBITS || kind == SHT_INIT_ARRAY)
            && section.sh_flags(endian).0 != 0
            && section.sh_addr(endian) > 0
            && section.sh_size(endian) > 0;
        if loaded {
            found.push(Segment {
                address: section.sh_addr(endian),
                size: section.sh_size(endian),
            });
        }
    }
    Ok(found)
}

/// Joins segments that touch, or would if the first were filled up to four bytes; each is filled
/// up to four bytes.
fn merged(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.sort_by_key(|segment| segment.address);
    let mut out: Vec<Segment> = Vec::new();
    for segment in segments {
        match out.last_mut() {
            Some(last) if (last.address + last.size).next_multiple_of(4) >= segment.address => {
                last.size = segment.address + segment.size - last.address;
            }
            _ => out.push(segment),
        }
    }
    for segment in &mut out {
        segment.size = segment.size.next_multiple_of(4);
    }
    out
}

fn lay_out(flash: Vec<Segment>, ram: Vec<Segment>, page: u32) -> u32 {
    let mut ram: std::collections::VecDeque<_> = ram.into();
    let mut length = HEADER;
    for segment in flash {
        loop {
            let gap = gap(length, segment.address, page);
            if gap == 0 {
                break;
            }
            let filler = match ram.front_mut() {
                Some(front) if gap > SEGMENT_HEADER => front,
                _ => {
                    length += SEGMENT_HEADER + gap;
                    continue;
                }
            };
            let taken = gap.min(filler.size);
            filler.size -= taken;
            length += SEGMENT_HEADER + taken.next_multiple_of(4);
            if filler.size == 0 {
                ram.pop_front();
            }
        }
        let mut size = segment.size;
        let beyond = (length + SEGMENT_HEADER + size) % page;
        if beyond < LEAST_LAST_PAGE {
            size += LEAST_LAST_PAGE - beyond;
        }
        length += SEGMENT_HEADER + size.next_multiple_of(4);
    }
    length += ram
        .iter()
        .map(|segment| SEGMENT_HEADER + segment.size)
        .sum::<u32>();
    // The checksum is the last byte of a block of 16.
    (length + 1).next_multiple_of(16) + DIGEST
}

/// The bytes that a filling segment must hold (beside its own header) so that the next segment
/// lies right.
fn gap(length: u32, address: u32, page: u32) -> u32 {
    let wanted = (address - SEGMENT_HEADER) % page;
    let missing = (page - length % page + wanted) % page;
    match missing {
        0 => 0,
        missing if missing > SEGMENT_HEADER => missing - SEGMENT_HEADER,
        missing => missing + page - SEGMENT_HEADER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u32 = 0x1_0000;

    fn segment(address: u32, size: u32) -> Segment {
        Segment { address, size }
    }

    #[test]
    fn segments_that_touch_are_one() {
        let apart = vec![
            segment(0x1200, 0x100),
            segment(0x1000, 0x100),
            segment(0x1100, 0xff),
        ];
        assert_eq!(merged(apart), [segment(0x1000, 0x300)]);
        let far = vec![segment(0x1000, 0x10), segment(0x1020, 0x11)];
        assert_eq!(merged(far), [segment(0x1000, 0x10), segment(0x1020, 0x14)]);
    }

    #[test]
    fn a_small_app_is_header_segment_checksum_and_digest() {
        // 24 + 8 = 0x20, so an app at 0x20 of its page needs no filling.
        let length = lay_out(vec![segment(0x4200_0020, 0x100)], vec![], PAGE);
        assert_eq!(length, (24 + 8 + 0x100 + 16) + 32);
    }

    #[test]
    fn segments_for_ram_fill_the_gaps() {
        let flash = vec![segment(0x3c00_0020, 0x100), segment(0x4202_0020, 0x100)];
        let without = lay_out(flash.clone(), vec![], PAGE);
        let with = lay_out(flash.clone(), vec![segment(0x4038_0000, 0x8000)], PAGE);
        assert_eq!(with, without);
        let too_much = lay_out(flash, vec![segment(0x4038_0000, 0x1_8000)], PAGE);
        assert!(
            too_much > without + 0x8000 && too_much < without + 0x9000,
            "{too_much:#x}"
        );
    }

    #[test]
    fn the_last_page_is_never_nearly_empty() {
        let length = |size| lay_out(vec![segment(0x4200_0020, size)], vec![], PAGE);
        assert_eq!(length(PAGE - 0x20), length(PAGE - 0x20 + 0x24));
    }

    #[test]
    fn what_is_no_elf_is_refused() {
        assert!(segments(b"no").is_err());
    }
}
