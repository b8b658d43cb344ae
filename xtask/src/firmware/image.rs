//! The app image of an ELF file: how long it is in the form that the bootloader takes, and what has no bytes
//! in it.
//!
//! The image is made by `esptb` alone, which is asked.

use std::path::Path;

use anyhow::{Context, Result};
use object::{
    Endianness,
    elf::{FileHeader32, SHT_NOBITS},
    read::elf::{FileHeader, SectionHeader},
};
use serde::Deserialize;

use crate::{esptb, process};

/// The length of the app image that is made of this ELF file, in bytes.
///
/// # Errors
///
/// No image can be made of it.
pub(crate) fn length(elf: &Path) -> Result<u64> {
    #[derive(Deserialize)]
    struct App {
        length: u64,
    }
    let mut inspect = esptb::command()?;
    inspect.args(["image", "--json", "--inspect"]).arg(elf);
    let app: App = serde_json::from_str(&process::capture(&mut inspect)?)
        .context("`esptb image --inspect --json` does not tell the app's length")?;
    Ok(app.length)
}

/// The names of the sections that have an address but no bytes in the file: zeroed by the start
/// code, or left alone.
///
/// # Errors
///
/// The file is not an ELF file of 32 bits.
pub(crate) fn sections_without_bytes(elf: &[u8]) -> Result<Vec<String>> {
    let header =
        FileHeader32::<Endianness>::parse(elf).context("it is not an ELF file of 32 bits")?;
    let endian = header.endian()?;
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
