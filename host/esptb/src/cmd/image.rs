//! `esptb image`: SPIFFS and flash images, made and looked into.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use device::settings::Settings;
use flashimage::{FlashImage, Partition, PartitionTable};
use spiffs::{Geometry, Image, Spiffs};

use super::pki::check;
use crate::arguments::bytes;
use crate::console::{self, BAD, FAINT, STRONG, paint};

/// Build the SPIFFS image and the whole flash image of a device, or look into one
///
/// The files of a folder go into SPIFFS: device.crt, device.key and server_chain.pem, as `esptb
/// pki device` makes them, and a settings.json where something differs from the defaults. They
/// are checked by the device's own code first. The same files always make the same image.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    /// The folder whose files go into SPIFFS
    #[arg(long, default_value = "spiffs_root", value_name = "DIR")]
    from: PathBuf,
    /// Write the SPIFFS partition alone into this file
    #[arg(long, value_name = "FILE")]
    spiffs: Option<PathBuf>,
    /// Write the whole flash into this file [default: flash.bin, without --spiffs]
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,
    /// Look into an image (whole flash or SPIFFS alone) instead of building one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["spiffs", "flash", "from"])]
    inspect: Option<PathBuf>,
    /// Build even if the device would refuse the files
    #[arg(long)]
    unchecked: bool,

    #[command(flatten)]
    layout: Layout,
}

const AFTER_HELP: &str = "\
Examples:
  esptb image --from devices/SN-000001                        whole flash, into flash.bin
  esptb image --from devices/SN-000001 --spiffs spiffs.bin    SPIFFS alone
  esptb image --inspect flash.bin

A settings.json for a broker of one's own, all keys of which may be left out:
  {\"broker\": \"mqtts://tb.example.com:8883\", \"sntp_server\": \"pool.ntp.org\",
   \"provisioning\": {\"security\": 2, \"pop\": \"abcd1234\", \"name_prefix\": \"PROV_\"}}

Onto a board: espflash write-bin 0x290000 spiffs.bin";

#[derive(Args)]
#[command(next_help_heading = "Layout")]
struct Layout {
    /// Partition table in ESP-IDF's CSV format [default: that of the C firmware, SPIFFS at 0x290000]
    #[arg(long, value_name = "FILE")]
    partitions: Option<PathBuf>,
    /// Size of the flash: bytes, or with K or M behind
    #[arg(long, default_value = "4M", value_parser = bytes, value_name = "SIZE")]
    flash_size: u32,
    /// Put this firmware (as `espflash save-image` makes it) into ota_0
    #[arg(long, value_name = "FILE")]
    app: Option<PathBuf>,
    /// Put this bootloader in
    #[arg(long, value_name = "FILE")]
    bootloader: Option<PathBuf>,
    /// Where the bootloader belongs: 0 on most chips, 0x1000 on the ESP32
    #[arg(long, default_value = "0", value_parser = bytes, value_name = "OFFSET")]
    bootloader_offset: u32,
    /// SPIFFS page size, if not ESP-IDF's default
    #[arg(long, default_value = "256", value_parser = bytes, value_name = "BYTES")]
    page_size: u32,
    /// SPIFFS block size
    #[arg(long, default_value = "4096", value_parser = bytes, value_name = "BYTES")]
    block_size: u32,
    /// SPIFFS length of names, the zero at the end included
    #[arg(long, default_value = "32", value_parser = bytes, value_name = "BYTES")]
    name_len: u32,
    /// SPIFFS length of metadata
    #[arg(long, default_value = "4", value_parser = bytes, value_name = "BYTES")]
    meta_len: u32,
}

/// Does what was asked.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    match &cmd.inspect {
        Some(file) => inspect(file),
        None => build(&cmd),
    }
}

fn build(cmd: &Cmd) -> Result<()> {
    let folder = &cmd.from;
    if !folder.is_dir() {
        bail!(
            "there is no folder {}: name the one with the device's files by --from (`esptb pki \
             device SERIAL` makes one)",
            folder.display()
        );
    }
    if !cmd.unchecked {
        check_files(folder)?;
    }
    let table = cmd.layout.table()?;
    let image = cmd.layout.builder(table.clone())?.folder(folder)?.build()?;
    if let Some(path) = &cmd.spiffs {
        let partition = table
            .find("spiffs")
            .context("the partition table has no partition `spiffs`: add one")?;
        write(path, slice(&image, &partition))?;
        console::made(
            path,
            &format!("SPIFFS, for {:#x} in flash", partition.offset),
        );
    }
    let default = cmd.spiffs.is_none().then(|| PathBuf::from("flash.bin"));
    if let Some(path) = cmd.flash.clone().or(default) {
        write(&path, &image)?;
        console::made(
            &path,
            &format!("the whole flash, {} KiB", image.len() >> 10),
        );
    }
    Ok(())
}

/// What the device would say of the files at its first start.
fn check_files(folder: &Path) -> Result<()> {
    let remedy = "the device would refuse this (--unchecked builds the image all the same)";
    let whose = check::check(folder).context(remedy)?;
    let settings = folder.join("settings.json");
    if settings.exists() {
        let settings = fs::read(&settings).with_context(|| settings.display().to_string())?;
        let settings = Settings::parse(&settings)
            .map_err(anyhow::Error::msg)
            .context(remedy)?;
        let broker = &settings.broker;
        anstream::eprintln!(
            "{}",
            paint(
                FAINT,
                format!("{whose}; broker {}:{}", broker.host, broker.port)
            )
        );
    } else {
        anstream::eprintln!(
            "{}",
            paint(
                FAINT,
                format!("{whose}; no settings.json, so defaults hold")
            )
        );
    }
    Ok(())
}

impl Layout {
    fn table(&self) -> Result<PartitionTable> {
        let Some(path) = &self.partitions else {
            return Ok(PartitionTable::default());
        };
        let csv = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        PartitionTable::from_csv(&csv).with_context(|| path.display().to_string())
    }

    fn builder(&self, table: PartitionTable) -> Result<FlashImage> {
        let read = |path: &PathBuf| fs::read(path).with_context(|| path.display().to_string());
        let geometry = Geometry {
            page_size: self.page_size,
            block_size: self.block_size,
            name_len: self.name_len,
            meta_len: self.meta_len,
            ..Geometry::ESP_IDF
        };
        let mut image = FlashImage::builder()
            .table(table)
            .flash_size(self.flash_size as usize)
            .geometry(geometry);
        if let Some(path) = &self.app {
            image = image
                .app(read(path)?)
                .with_context(|| path.display().to_string())?;
        }
        if let Some(path) = &self.bootloader {
            image = image.bootloader(self.bootloader_offset as usize, read(path)?);
        }
        Ok(image)
    }
}

/// A partition of an image that was built with it.
fn slice<'a>(image: &'a [u8], partition: &Partition) -> &'a [u8] {
    let start = partition.offset as usize;
    image
        .get(start..start + partition.size as usize)
        .unwrap_or_default()
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    // It holds a private key.
    console::write_secret(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn inspect(file: &Path) -> Result<()> {
    let name = file.display();
    let bytes = fs::read(file).with_context(|| format!("cannot read {name}"))?;
    match flashimage::inspect(&bytes) {
        Ok(report) => {
            anstream::print!("{}\n{report}", paint(STRONG, &name));
            match report.faults.len() {
                0 => Ok(()),
                n => bail!("{name} is damaged in {n} places"),
            }
        }
        Err(flashimage::Error::Table(flashimage::TableError::Missing)) => {
            inspect_spiffs(file, &bytes)
        }
        Err(error) => Err(error).with_context(|| name.to_string()),
    }
}

/// An image of the SPIFFS partition alone.
fn inspect_spiffs(file: &Path, bytes: &[u8]) -> Result<()> {
    let name = file.display();
    let size = u32::try_from(bytes.len()).with_context(|| format!("{name} is too large"))?;
    let mut volume =
        Spiffs::mount(Image(bytes), spiffs::Partition::whole(size), None).map_err(|error| {
            anyhow::anyhow!(
                "{name}: neither a whole flash (no partition table at 0x8000) nor SPIFFS: {error}"
            )
        })?;
    anstream::println!("{}", paint(STRONG, &name));
    let geometry = volume.geometry();
    println!(
        "SPIFFS of {} KiB: pages of {}, blocks of {}, names of {}, metadata of {} bytes",
        size >> 10,
        geometry.page_size,
        geometry.block_size,
        geometry.name_len,
        geometry.meta_len,
    );
    for file in volume.files().flatten() {
        println!("  {:<31} {:>7} bytes", file.name().to_string(), file.size());
    }
    let mut faults = 0;
    let checked = volume.check(|fault| {
        faults += 1;
        anstream::println!("{} {fault}", paint(BAD, "Damage:"));
    });
    checked.map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    match faults {
        0 => Ok(()),
        n => bail!("{name} is damaged in {n} places"),
    }
}
