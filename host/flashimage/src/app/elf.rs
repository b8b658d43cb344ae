//! Looking over an ELF file before espflash gets it: espflash panics where the file contradicts
//! itself, and makes something of what no chip will start.

use std::str::FromStr;

use espflash::image_format::Metadata;
use object::elf::{
    ELFDATA2LSB, EM_RISCV, EM_XTENSA, ET_EXEC, FileHeader32, PT_LOAD, SHT_INIT_ARRAY, SHT_PROGBITS,
};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{FileKind, LittleEndian};

use super::AppError;
use crate::{
    Chip,
    program::{APP_DESCRIPTION_LEN, APP_DESCRIPTION_MAGIC},
};

/// More sections than any firmware has. Each can cost a page of padding.
const MOST_SECTIONS: usize = 64;
/// Longer than any flash.
const LONGEST: u32 = 0x1000_0000;
/// Beyond this no chip has anything that an image could fill.
const LAST_ADDRESS: u32 = 0xF000_0000;
/// What lies before the description in an image: the headers of image and segment.
const HEADERS: u32 = 32;
/// The largest page of a chip's flash mapping is 64 KiB.
const LARGEST_PAGE_LOG2: u8 = 16;

const DESCRIPTION: &[u8] = b".flash.appdesc";

/// A part of the file that is loaded, or seen in flash.
struct Part<'a> {
    address: u32,
    data: &'a [u8],
    is_description: bool,
}

/// Checks that `chip`, or else the chip that the file names, can start it; returns which.
pub(super) fn check(bytes: &[u8], chip: Option<Chip>) -> Result<Chip, AppError> {
    let header = header(bytes)?;
    let chip = chip_of(bytes, chip)?;
    let is_xtensa = header.e_machine(LittleEndian) == EM_XTENSA;
    if is_xtensa != is_for_xtensa(chip) {
        let built_for = if is_xtensa { "Xtensa" } else { "RISC-V" };
        let machine = format!("{built_for}, which {chip} is not");
        return Err(AppError::OtherMachine { machine });
    }
    let parts = parts(header, bytes, chip)?;
    check_apart(&parts)?;
    let description = parts
        .iter()
        .find(|part| part.is_description)
        .ok_or(AppError::NoDescription)?;
    check_description(description, chip)?;
    Ok(chip)
}

/// An ELF file without anything in it.
pub(super) fn empty() -> Vec<u8> {
    let mut elf = vec![0; 52];
    elf[..7].copy_from_slice(b"\x7FELF\x01\x01\x01");
    elf[16] = 2; // executable
    elf[18] = EM_RISCV.0 as u8;
    elf[20] = 1; // version
    elf[40] = 52; // length of this header
    elf[46] = 40; // length of a section's header
    elf
}

fn header(bytes: &[u8]) -> Result<&FileHeader32<LittleEndian>, AppError> {
    let other = |machine: &str| AppError::OtherMachine {
        machine: machine.to_owned(),
    };
    match FileKind::parse(bytes) {
        Ok(FileKind::Elf32) => {}
        Ok(FileKind::Elf64) => return Err(other("64-bit, such as this computer")),
        _ => return Err(AppError::NotAnApp),
    }
    let header = FileHeader32::<LittleEndian>::parse(bytes).map_err(damaged)?;
    if header.e_ident().data != ELFDATA2LSB {
        return Err(other("big-endian"));
    }
    match header.e_machine(LittleEndian) {
        EM_RISCV | EM_XTENSA => {}
        machine => return Err(other(&format!("number {}", machine.0))),
    }
    if header.e_type(LittleEndian) != ET_EXEC {
        let what = "it is a library or an object file, not a linked program";
        return Err(AppError::Damaged(what.to_owned()));
    }
    Ok(header)
}

/// The chip that was asked for, if the file does not name another.
fn chip_of(bytes: &[u8], asked: Option<Chip>) -> Result<Chip, AppError> {
    let metadata = Metadata::from_bytes(Some(bytes));
    let named = metadata.chip_name();
    match (named, asked) {
        (Some(named), Some(chip)) if named == chip.to_string() => Ok(chip),
        (Some(named), Some(chip)) => Err(AppError::OtherChip {
            built_for: named.chars().filter(|c| !c.is_control()).collect(),
            chip,
        }),
        (Some(named), None) => {
            Chip::from_str(named).map_err(|_| AppError::NoSuchChip(named.to_owned()))
        }
        (None, Some(chip)) => Ok(chip),
        (None, None) => Err(AppError::ChipUnknown),
    }
}

fn is_for_xtensa(chip: Chip) -> bool {
    let targets = chip.supported_build_targets();
    targets.iter().any(|target| target.starts_with("xtensa"))
}

/// The sections that espflash takes (src/image_format/mod.rs of espflash 4.7.0).
fn parts<'a>(
    header: &FileHeader32<LittleEndian>,
    bytes: &'a [u8],
    chip: Chip,
) -> Result<Vec<Part<'a>>, AppError> {
    let sections = header.sections(LittleEndian, bytes).map_err(damaged)?;
    let loads = header
        .program_headers(LittleEndian, bytes)
        .map_err(damaged)?;
    let mut parts = Vec::new();
    for section in sections.iter() {
        let kind = section.sh_type(LittleEndian);
        let (address, size) = (section.sh_addr(LittleEndian), section.sh_size(LittleEndian));
        let taken = (kind == SHT_PROGBITS || kind == SHT_INIT_ARRAY)
            && section.sh_flags(LittleEndian).0 != 0
            && address > 0
            && size > 0;
        if !taken {
            continue;
        }
        if size > LONGEST || address > LAST_ADDRESS {
            return Err(damaged("a section lies where nothing can be"));
        }
        let data = section.data(LittleEndian, bytes).map_err(damaged)?;
        let load = loads.iter().find(|load| {
            let start = load.p_vaddr(LittleEndian);
            load.p_type(LittleEndian) == PT_LOAD
                && (start..start.saturating_add(load.p_memsz(LittleEndian))).contains(&address)
        });
        let loaded = match load {
            Some(load) => load
                .p_paddr(LittleEndian)
                .checked_add(address - load.p_vaddr(LittleEndian))
                .filter(|&address| address <= LAST_ADDRESS)
                .ok_or_else(|| damaged("a section is loaded where nothing can be"))?,
            None => address,
        };
        let name = sections
            .section_name(LittleEndian, section)
            .unwrap_or_default();
        parts.push(Part {
            address: if chip.addr_is_flash(loaded) {
                address
            } else {
                loaded
            },
            data,
            is_description: name == DESCRIPTION,
        });
    }
    if parts.len() > MOST_SECTIONS {
        return Err(damaged(format!("{} sections to load", parts.len())));
    }
    parts.sort_by_key(|part| part.address);
    Ok(parts)
}

fn check_apart(parts: &[Part<'_>]) -> Result<(), AppError> {
    for pair in parts.windows(2) {
        if let [first, second] = pair
            && first.address as usize + first.data.len() > second.address as usize
        {
            let (first, second) = (first.address, second.address);
            return Err(damaged(format!(
                "sections {first:#x} and {second:#x} overlap"
            )));
        }
    }
    Ok(())
}

fn check_description(part: &Part<'_>, chip: Chip) -> Result<(), AppError> {
    if !chip.addr_is_flash(part.address) || part.address < HEADERS {
        return Err(AppError::OtherAddresses(chip));
    }
    let magic = APP_DESCRIPTION_MAGIC.to_le_bytes();
    if part.data.len() < APP_DESCRIPTION_LEN || !part.data.starts_with(&magic) {
        return Err(AppError::NoDescription);
    }
    // `mmu_page_size` of `esp_app_desc_t`, as an exponent of two.
    if part
        .data
        .get(180)
        .is_none_or(|&log2| log2 > LARGEST_PAGE_LOG2)
    {
        return Err(damaged("its descriptor gives no page size that a chip has"));
    }
    Ok(())
}

fn damaged(reason: impl ToString) -> AppError {
    AppError::Damaged(reason.to_string())
}
