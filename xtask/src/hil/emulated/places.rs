//! Where the firmware's code is stopped, and where it is sent.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

/// Puts a sample into the queue, in the executor's thread (crates/device/src/run/sampling.rs).
const SAMPLING: &str = "device::run::sampling::push";
/// `j .`, in 16 bits: a loop of one instruction, in which interrupts are served.
const FOR_EVER: [u8; 2] = 0xa001_u16.to_le_bytes();

/// Addresses in a firmware.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// Where the device comes by each second, in its own thread.
    pub(super) sampling: u32,
    /// Code that never ends.
    pub(super) for_ever: u32,
}

impl Places {
    /// Finds them.
    pub(super) fn find(elf: &Path) -> Result<Self> {
        let file = fs::read(elf).with_context(|| elf.display().to_string())?;
        let file = object::File::parse(&*file).context("it is not an ELF file")?;
        let sampling = file.symbols().find(|symbol| {
            let name = symbol.name().unwrap_or_default();
            format!("{:#}", rustc_demangle::demangle(name)).starts_with(SAMPLING)
        });
        let sampling = sampling.with_context(|| {
            format!("the firmware has no {SAMPLING}: name another function that each sample calls, in {}", file!())
        })?;
        let code = |section: &object::Section<'_, '_>| section.kind() == SectionKind::Text;
        let for_ever = file.sections().filter(code).find_map(|section| {
            // Whatever instruction the compiler meant by it: the chip takes it as this one.
            let halves = section.data().ok()?.chunks_exact(2);
            let at = halves.enumerate().find(|(_, half)| *half == FOR_EVER)?.0;
            Some(section.address() + 2 * at as u64)
        });
        let for_ever = for_ever.context("no two bytes of the firmware are a loop")?;
        Ok(Self {
            sampling: u32::try_from(sampling.address())?,
            for_ever: u32::try_from(for_ever)?,
        })
    }
}
