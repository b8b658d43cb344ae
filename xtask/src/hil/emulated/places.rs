//! Where the firmware's code is stopped, and where it is sent.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol};

/// Puts a sample into the queue, in the executor's thread (crates/device/src/run/sampling.rs).
const SAMPLING: &str = "device::run::sampling::push";
/// A loop, in which interrupts are served: `wfi` and a jump to it. Since it sleeps, the emulator keeps the time
/// however much else the computer has to do.
pub(super) const FOR_EVER: [u8; 6] = [0x73, 0x00, 0x50, 0x10, 0xf5, 0xbf];
/// Where that is put: the end of the RTC's fast memory, which code may be in (ESP-IDF v5.4.1, 4c2820d377d1,
/// components/soc/esp32c3/include/soc/soc.h, `SOC_RTC_IRAM_HIGH`).
pub(super) const AT: u32 = 0x5000_1ff8;

/// Where the device comes by each second, in its own thread.
///
/// # Errors
///
/// The firmware has no such function any more, or has something where the loop is to be put.
pub(super) fn sampling(elf: &Path) -> Result<u32> {
    let file = fs::read(elf).with_context(|| elf.display().to_string())?;
    let file = object::File::parse(&*file).context("it is not an ELF file")?;
    let taken = file.sections().find(|section| {
        let start = section.address();
        (start..start + section.size()).contains(&AT.into())
    });
    let name = taken.and_then(|section| section.name().ok().map(str::to_owned));
    ensure!(
        name.is_none(),
        "the section {name:?} is at {AT:#x}: choose another place in {}",
        file!()
    );
    let found = file.symbols().find(|symbol| {
        let name = symbol.name().unwrap_or_default();
        format!("{:#}", rustc_demangle::demangle(name)).starts_with(SAMPLING)
    });
    let found = found.with_context(|| {
        format!(
            "the firmware has no {SAMPLING}: name another function that each sample calls, in {}",
            file!()
        )
    })?;
    Ok(u32::try_from(found.address())?)
}
