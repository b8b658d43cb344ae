//! What is to be written where, decided before a board is touched.

use std::path::Path;

use anyhow::{Context, Result, bail};
use flashimage::{App, Chip, FlashImage, PartitionTable, Report, Volume};

use super::Cmd;
use crate::cmd::image::make;
use console::files;
use console::{FAINT, WARN, paint};

const TABLE: usize = 0x8000;
const SECTOR: usize = 0x1000;

/// A piece of flash.
pub(super) struct Region {
    pub(super) name: String,
    pub(super) offset: u32,
    pub(super) bytes: Vec<u8>,
}

/// What is to be written.
pub(crate) struct Plan {
    pub(super) regions: Vec<Region>,
    /// The chip that it is for; SPIFFS is for any.
    pub(super) chip: Option<Chip>,
    /// The least revision of that chip, as major * 100 + minor.
    pub(super) min_revision: u16,
    /// The partition table that the board must have already, in the bootloader's form.
    pub(super) expected_table: Option<Vec<u8>>,
    /// Where the last partition ends.
    pub(super) end: u32,
    /// What part of flash tells which app starts: it is erased, so that the new one does.
    pub(super) otadata: Option<(u32, u32)>,
}

impl Plan {
    pub(super) fn new(cmd: &Cmd) -> Result<Self> {
        match &cmd.image {
            Some(file) => Self::whole(file, cmd.nvs),
            None => Self::parts(cmd),
        }
    }

    /// A whole flash: everything in it, but what is the board's own.
    fn whole(file: &Path, with_nvs: bool) -> Result<Self> {
        Self::of_image(&files::read(file)?, &file.display().to_string(), with_nvs)
    }

    /// As [`whole`](Self::whole), of an image that was read or made already.
    pub(crate) fn of_image(image: &[u8], name: &str, with_nvs: bool) -> Result<Self> {
        let report = match flashimage::inspect(image) {
            Ok(report) => report,
            Err(error) => bail!(
                "{name} is no whole flash: {error}. For an app alone give --app, for SPIFFS alone \
                 --spiffs"
            ),
        };
        let (chip, min_revision) = starts(&report).with_context(|| name.to_owned())?;
        let bootloader = report.bootloader.as_ref();
        let mut regions = Vec::new();
        if let Some(placed) = bootloader {
            let (start, length) = (placed.offset as usize, placed.program.length);
            let bytes = image
                .get(start..start + length)
                .unwrap_or_default()
                .to_vec();
            regions.push(Region {
                name: "bootloader".into(),
                offset: placed.offset,
                bytes,
            });
        }
        regions.push(Region {
            name: "partition table".into(),
            offset: TABLE as u32,
            bytes: image
                .get(TABLE..TABLE + SECTOR)
                .unwrap_or_default()
                .to_vec(),
        });
        for partition in report.table.partitions() {
            let start = partition.offset as usize;
            let bytes = image
                .get(start..start + partition.size as usize)
                .unwrap_or_default();
            let is_nvs = partition.kind == "data/nvs";
            if is_nvs && !with_nvs {
                if !is_blank(bytes) {
                    let line = "the image brings an NVS of its own; the board keeps its: --nvs replaces it";
                    anstream::eprintln!("{}", paint(WARN, line));
                }
                continue;
            }
            // Which app starts, and what was asked for, is written also where it is blank.
            let bytes = if is_nvs || partition.kind == "data/ota" {
                bytes
            } else {
                trimmed(bytes)
            };
            if !bytes.is_empty() {
                regions.push(Region {
                    name: partition.name,
                    offset: partition.offset,
                    bytes: bytes.to_vec(),
                });
            }
        }
        Ok(Self {
            regions,
            chip: Some(chip),
            min_revision,
            expected_table: None,
            end: end(&report.table),
            otadata: None,
        })
    }

    /// An app, SPIFFS, or both, onto a board that has its partition table.
    fn parts(cmd: &Cmd) -> Result<Self> {
        let table = cmd.layout.table()?;
        let mut plan = Self {
            regions: Vec::new(),
            chip: None,
            min_revision: 0,
            expected_table: Some(table.to_bytes()?),
            end: end(&table),
            otadata: None,
        };
        if let Some(path) = &cmd.layout.app {
            plan.add_app(
                make::app(path, cmd.layout.chip, cmd.layout.flash_size())?,
                &table,
            )?;
        }
        if let Some(path) = &cmd.spiffs {
            plan.add_spiffs(path, cmd, &table)?;
        }
        Ok(plan)
    }

    fn add_app(&mut self, app: App, table: &PartitionTable) -> Result<()> {
        self.chip = Some(app.chip());
        self.min_revision = app.program().map_or(0, |program| program.min_revision);
        // Building an image checks that it fits, and tells the slot.
        let flash_size = self.end.next_power_of_two();
        let image = FlashImage::builder()
            .table(table.clone())
            .flash_size(flash_size as usize)
            .app(app.clone())
            .build()?;
        let report = flashimage::inspect(&image)?;
        let placed = report.apps.first().context("the app is not in its slot")?;
        self.regions.push(Region {
            name: placed.partition.clone(),
            offset: placed.offset,
            bytes: app.image().to_vec(),
        });
        let otadata = table.partitions().find(|part| part.kind == "data/ota");
        self.otadata = otadata.map(|part| (part.offset, part.size));
        Ok(())
    }

    fn add_spiffs(&mut self, path: &Path, cmd: &Cmd, table: &PartitionTable) -> Result<()> {
        let name = path.display();
        let partition = make::spiffs_of(table)?;
        let bytes = if path.is_dir() {
            if !cmd.unchecked {
                let whose = make::check_files(path)?;
                anstream::eprintln!("{}", paint(FAINT, whose));
            }
            let image = cmd.layout.builder_without_app(table.clone());
            let image = image.folder(path)?.build()?;
            make::slice(&image, &partition).to_vec()
        } else {
            files::read(path)?
        };
        if bytes.len() != partition.size as usize {
            bail!(
                "{name} has {} bytes, the partition {}: build it for this table (`esptb image \
                 --spiffs-out`)",
                bytes.len(),
                partition.size
            );
        }
        if let Err(error) = Volume::inspect(&bytes) {
            bail!("{name} is no SPIFFS image: {error}");
        }
        self.regions.push(Region {
            name: partition.name,
            offset: partition.offset,
            bytes,
        });
        Ok(())
    }

    /// What was done, in a few words.
    pub(super) fn summary(&self) -> String {
        let names: Vec<_> = self.regions.iter().map(|region| &*region.name).collect();
        names.join(", ")
    }
}

/// The chip that starts this flash, and its least revision.
fn starts(report: &Report) -> Result<(Chip, u16)> {
    if let Some(fault) = report.faults.first() {
        bail!("it is damaged: {fault}");
    }
    let Some(bootloader) = &report.bootloader else {
        bail!("it does not boot: it has no bootloader. `esptb image --app FIRMWARE` puts one in");
    };
    let started = report.boot.as_ref().and_then(|boot| {
        let mut apps = report.apps.iter();
        apps.find(|app| app.partition == boot.partition)
    });
    let Some(app) = started else {
        bail!("it does not boot: the slot that starts is empty. Give `esptb image` an --app");
    };
    let chip = Chip::try_from(bootloader.program.chip_id)
        .map_err(|_| anyhow::anyhow!("it is for {}", bootloader.program.chip_name()))?;
    let revision = bootloader
        .program
        .min_revision
        .max(app.program.min_revision);
    Ok((chip, revision))
}

fn end(table: &PartitionTable) -> u32 {
    let ends = table
        .partitions()
        .map(|part| part.offset.saturating_add(part.size));
    ends.max().unwrap_or_default()
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0xFF)
}

/// Without the blank sectors at the end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let used = bytes.iter().rposition(|&byte| byte != 0xFF);
    let end = used.map_or(0, |last| (last + 1).next_multiple_of(SECTOR));
    bytes.get(..end.min(bytes.len())).unwrap_or_default()
}
