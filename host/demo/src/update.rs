//! The demo's update: a maker's key, a device that runs one version, and a signed package of the next.

use anyhow::{Context, Result};
use devserver::Firmware;
use flashimage::PartitionTable;
use pki::{Existing, FirmwareKey};
use simulator::image::Image;

use super::folder::{Folder, Record};
use console::files;

/// What the device runs at first.
const FIRST: &str = "0.1.0";
/// What it is given.
const NEXT: &str = "0.2.0";
/// The length of a real one.
const LEN: usize = 1_000_000;

/// Makes a key, gives its public part to the device of a new demo, puts the first version into its flash,
/// and signs the next one.
pub fn prepare(folder: &Folder, record: &Record) -> Result<Firmware> {
    let key = FirmwareKey::generate()?;
    key.write_to(&folder.path("maker"), Existing::Replace)?;
    let public = key.public_pem();
    files::write_private(
        &folder.path("spiffs_root/firmware_key.pem"),
        public.as_bytes(),
    )?;
    folder.tell_ports(record)?;
    let image = |version| {
        let image = Image::of(version);
        Image { len: LEN, ..image }.bytes()
    };
    let path = folder.path("flash.bin");
    let mut flash = files::read(&path)?.to_vec();
    let table = PartitionTable::default();
    let mut partitions = table.partitions();
    let slot = partitions.find(|partition| partition.kind == "app/ota_0");
    let start = slot.context("the partition table has no ota_0")?.offset as usize;
    let first = image(FIRST);
    let room = flash.get_mut(start..start + LEN);
    room.context("the flash ends before its first slot does")?
        .copy_from_slice(&first);
    files::write_private(&path, &flash)?;
    let data = key.package(image(NEXT))?;
    files::write_private(&folder.path("firmware.bin"), &data)?;
    Ok(Firmware {
        title: Image::of(NEXT).product.to_owned(),
        version: NEXT.to_owned(),
        tag: None,
        data,
    })
}
