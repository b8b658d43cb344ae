//! The app: from an ELF file, or as an image that is ready, to what goes into a slot.
//!
//! espressif's espflash lays the image out and brings the bootloaders. It trusts the ELF file, so
//! [`elf`](self::elf) looks over it first; and what comes out is read back as the chip reads it.

mod elf;

use espflash::flasher::{FlashData, FlashSettings, FlashSize};
use espflash::image_format::idf::IdfBootloaderFormat;

use crate::{Chip, Program};

/// Why an app cannot boot, or why there is no bootloader for it. The operator can mend all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// Neither an ELF file nor an app image.
    #[error(
        "it is neither an ELF file nor an app image: give the file that cargo or ESP-IDF linked \
         (firmware, or build/PROJECT.elf), or an image that `espflash save-image` made"
    )]
    NotAnApp,
    /// An ELF file, but not one for these chips.
    #[error(
        "it is an ELF file for another machine ({machine}): build it for the chip, with \
         --target or `cargo xtask firmware`"
    )]
    OtherMachine {
        /// What it is for.
        machine: String,
    },
    /// An app for another chip.
    #[error(
        "it was built for {built_for}, not for {chip}: build it for {chip}, or give --chip {built_for}"
    )]
    OtherChip {
        /// The chip that it was built for.
        built_for: String,
        /// The chip that was asked for.
        chip: Chip,
    },
    /// Nobody told the chip.
    #[error("it does not say which chip it is for: give --chip")]
    ChipUnknown,
    /// There is no chip of that name.
    #[error("there is no chip {0:?} in this version's list: see --help")]
    NoSuchChip(String),
    /// Its code lies where that chip has none.
    #[error("its addresses are not those of {0}'s flash: it was built for another chip")]
    OtherAddresses(Chip),
    /// The bootloader would not find out what it is.
    #[error(
        "it has no app descriptor, without which the bootloader starts nothing: put \
         `esp_bootloader_esp_idf::esp_app_desc!();` into its main.rs (ESP-IDF adds one by itself)"
    )]
    NoDescription,
    /// The ELF file contradicts itself.
    #[error("the ELF file is damaged ({0}): build it anew")]
    Damaged(String),
    /// The image does not hold what it must.
    #[error("the app image cannot boot: {0}")]
    CannotBoot(String),
    /// No flash has that size.
    #[error("no flash chip has {0} bytes: say 1M, 2M, 4M, 8M, 16M or more, as is soldered on")]
    FlashSize(u32),
    /// espflash refuses, and says why.
    #[error("{0}")]
    Refused(String),
}

/// An app that its chip's bootloader will start.
#[derive(Clone)]
pub struct App {
    chip: Chip,
    image: Vec<u8>,
}

impl App {
    /// Takes an ELF file, or an app image, for `chip`; without one, for the chip that the file
    /// names. `flash_size` in bytes goes into the header of what is made from an ELF file.
    ///
    /// # Errors
    ///
    /// [`AppError`]: whatever keeps it from booting.
    pub fn new(bytes: &[u8], chip: Option<Chip>, flash_size: u32) -> Result<Self, AppError> {
        if bytes.starts_with(b"\x7FELF") {
            let chip = elf::check(bytes, chip)?;
            let format = espflash_format(bytes, chip, flash_size)?;
            let image = format.ota_segments().next();
            let image = image.ok_or(AppError::NotAnApp)?.data.into_owned();
            Self::from_image(image, Some(chip))
        } else {
            Self::from_image(bytes.to_vec(), chip)
        }
    }

    fn from_image(image: Vec<u8>, chip: Option<Chip>) -> Result<Self, AppError> {
        let program = Program::read(&image).ok_or(AppError::NotAnApp)?;
        let built_for = Chip::try_from(program.chip_id).map_err(|_| {
            AppError::CannotBoot(format!("no chip has the number {}", program.chip_id))
        })?;
        if let Some(chip) = chip.filter(|&chip| chip != built_for) {
            let built_for = built_for.to_string();
            return Err(AppError::OtherChip { built_for, chip });
        }
        if let Some(fault) = program.faults.first() {
            return Err(AppError::CannotBoot(fault.clone()));
        }
        if program.app.is_none() {
            return Err(AppError::NoDescription);
        }
        Ok(Self {
            chip: built_for,
            image,
        })
    }

    /// The chip that it is for.
    #[must_use]
    pub fn chip(&self) -> Chip {
        self.chip
    }

    /// What goes into the slot.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// What it says of itself.
    #[must_use]
    pub fn program(&self) -> Option<Program> {
        Program::read(&self.image)
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("chip", &self.chip)
            .field("len", &self.image.len())
            .finish()
    }
}

/// ESP-IDF's bootloader for a chip, set to a flash of `flash_size` bytes, and its place in flash.
///
/// # Errors
///
/// [`AppError::FlashSize`]; [`AppError::Refused`] if there is none for that chip.
pub fn bootloader(chip: Chip, flash_size: u32) -> Result<(u32, Vec<u8>), AppError> {
    // espflash gives its bootloaders only along with an app; an empty one will do.
    let empty = elf::empty();
    let segment = espflash_format(&empty, chip, flash_size)?
        .flash_segments()
        .next();
    let segment = segment.ok_or_else(|| AppError::Refused("there is no bootloader".into()))?;
    Ok((segment.addr, segment.data.into_owned()))
}

fn espflash_format(
    elf: &[u8],
    chip: Chip,
    flash_size: u32,
) -> Result<IdfBootloaderFormat<'_>, AppError> {
    let size = flash_size_of(flash_size)?;
    let settings = FlashSettings::new(None, Some(size), None);
    let data = FlashData::new(settings, 0, None, chip, chip.default_xtal_frequency());
    // Its own partition table, of one app as large as the flash: the table is our affair.
    IdfBootloaderFormat::new(elf, &data, None, None, None, None).map_err(|error| {
        let causes = std::iter::successors(
            Some(&error as &(dyn std::error::Error + 'static)),
            |error| error.source(),
        );
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        AppError::Refused(causes.join(": "))
    })
}

/// espflash's name for a size that headers can hold.
fn flash_size_of(bytes: u32) -> Result<FlashSize, AppError> {
    let megabytes = bytes >> 20;
    format!("{megabytes}MB")
        .parse()
        .ok()
        .filter(|size: &FlashSize| size.size() == bytes)
        .ok_or(AppError::FlashSize(bytes))
}
