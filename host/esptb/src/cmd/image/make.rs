//! Building one image.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flashimage::{App, FlashImage, Partition, PartitionTable};
use spiffs::Geometry;

use super::{Cmd, Layout, wifi};
use crate::cmd::pki::{check, warnings};
use console::files;
use console::{FAINT, paint};

/// What names the default file, where no other output was asked for.
const OUT: &str = "flash.bin";

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let folder = &cmd.spiffs;
    if !folder.is_dir() {
        bail!(
            "there is no folder {}: name the one with the device's files by --spiffs (`esptb pki \
             device SERIAL` makes one)",
            folder.display()
        );
    }
    if !cmd.unchecked {
        let whose = check_files(folder)?;
        anstream::eprintln!("{}", paint(FAINT, whose));
        let warnings = warnings::of_folder(folder);
        for warning in &warnings {
            console::warn(folder, warning);
        }
        if cmd.strict && !warnings.is_empty() {
            bail!("--strict: mend what is warned of above");
        }
    }
    let table = cmd.layout.table()?;
    for warning in warnings_of(&table) {
        console::warn(cmd.layout.partitions.as_deref().unwrap_or(folder), warning);
    }
    let builder = builder(cmd, table.clone())?.folder(folder)?;
    tell_left_out(folder, &builder);
    if let Some(path) = &cmd.spiffs_out {
        let partition = spiffs_of(&table)?;
        write(path, &builder.build_spiffs()?)?;
        console::made(
            path,
            &format!("SPIFFS, for {:#x} in flash", partition.offset),
        );
    }
    let default = cmd.spiffs_out.is_none().then(|| PathBuf::from(OUT));
    if let Some(path) = cmd.out.clone().or(default) {
        let image = builder.build()?;
        write(&path, &image)?;
        console::made(&path, &whole(cmd, image.len()));
    }
    Ok(())
}

/// What is in the folder and not in the image.
pub(super) fn tell_left_out(folder: &Path, image: &FlashImage) {
    let files = image.left_out().join(", ");
    if !files.is_empty() {
        let line = format!("{}: left out {files}", folder.display());
        anstream::eprintln!("{}", paint(FAINT, line));
    }
}

/// Everything but the device's own files.
pub(super) fn builder(cmd: &Cmd, table: PartitionTable) -> Result<FlashImage> {
    let mut image = cmd.layout.builder(table)?;
    if let Some(text) = &cmd.wifi {
        let network = wifi::Network::new(text)?;
        anstream::eprintln!("{}", paint(FAINT, &network));
        image = image.nvs(network.entry());
    }
    Ok(image)
}

/// What a whole flash is, in a few words.
pub(super) fn whole(cmd: &Cmd, len: usize) -> String {
    let boots = match &cmd.layout.app {
        Some(_) => "boots",
        None => "without an app, for the simulator",
    };
    format!("the whole flash, {} KiB, {boots}", len >> 10)
}

pub(crate) fn spiffs_of(table: &PartitionTable) -> Result<Partition> {
    table
        .spiffs()
        .context("the partition table has no partition of type `data, spiffs`: add one")
}

/// What somebody should look at in a table.
pub(crate) fn warnings_of(table: &PartitionTable) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if table.nvs().is_none() {
        warnings.push(
            "the partition table has no partition `nvs` of type `data, nvs`: the device will keep \
             nothing over a restart, and is to be provisioned after each",
        );
    }
    warnings
}

/// What the device would say of the files at its first start.
pub(crate) fn check_files(folder: &Path) -> Result<String> {
    warnings::mute_device();
    let remedy = "the device would refuse this (--unchecked builds the image all the same)";
    check::whose(folder).context(remedy)
}

impl Layout {
    pub(crate) fn table(&self) -> Result<PartitionTable> {
        let Some(path) = &self.partitions else {
            return Ok(self.layout.table());
        };
        let csv = files::read_text(path)?;
        PartitionTable::from_csv(&csv).with_context(|| path.display().to_string())
    }

    /// The size of the flash, in bytes.
    pub(crate) fn flash_size(&self) -> u32 {
        self.flash_size.unwrap_or(self.layout.flash_size())
    }

    /// The layout alone.
    pub(crate) fn builder_without_app(&self, table: PartitionTable) -> FlashImage {
        let geometry = Geometry {
            page_size: self.page_size,
            block_size: self.block_size,
            name_len: self.name_len,
            meta_len: self.meta_len,
            ..Geometry::ESP_IDF
        };
        FlashImage::builder()
            .table(table)
            .flash_size(self.flash_size() as usize)
            .geometry(geometry)
    }

    /// With bootloader and app.
    pub(crate) fn builder(&self, table: PartitionTable) -> Result<FlashImage> {
        let mut image = self.builder_without_app(table);
        let mut offset = 0;
        if let Some(path) = &self.app {
            let app = app(path, self.chip, self.flash_size())?;
            offset = app.chip().boot_address();
            image = image.app(app);
        }
        if let Some(path) = &self.bootloader {
            let offset = self.bootloader_offset.unwrap_or(offset);
            image = image.bootloader(offset as usize, files::read(path)?);
        }
        Ok(image)
    }
}

/// Reads an app and says what it is.
pub(crate) fn app(path: &Path, chip: Option<flashimage::Chip>, flash_size: u32) -> Result<App> {
    let app = App::new(&files::read(path)?, chip, flash_size)
        .with_context(|| format!("{}: this does not boot", path.display()))?;
    if let Some(told) = app.program().and_then(|program| program.app) {
        let (project, version, bytes) = (told.project, told.version, app.image().len());
        let line = format!("{project} {version} for {}, {bytes} bytes", app.chip());
        anstream::eprintln!("{}", paint(FAINT, line));
    }
    Ok(app)
}

/// A partition of an image that was built with it.
pub(crate) fn slice<'a>(image: &'a [u8], partition: &Partition) -> &'a [u8] {
    let start = partition.offset as usize;
    image
        .get(start..start + partition.size as usize)
        .unwrap_or_default()
}

/// Writes an image, but not under a simulated device that has the file as its flash.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.is_file()
        && let Ok(there) = File::open(path)
        && let Err(TryLockError::WouldBlock) = there.try_lock()
    {
        bail!(
            "{} is the flash of a device that runs: end that one first, or write into another file",
            path.display()
        );
    }
    // It holds a private key.
    files::write_private(path, bytes)
}
