//! The partition table, as the bootloader reads it.
//!
//! ```text
//! offset  0   magic 0xAA 0x50, or 0xEB 0xEB before the MD5 of the entries so far
//!         2   type: 0 app, 1 data
//!         3   subtype: 0x02 nvs, 0x82 spiffs, ...
//!         4   offset in flash, 32-bit little-endian
//!         8   size, 32-bit little-endian
//!        12   label, 16 bytes, ended by NUL unless full
//!        28   flags
//! ```
//!
//! Source: ESP-IDF v5.4.1, components/bootloader_support/include/esp_flash_partitions.h and
//! components/partition_table/gen_esp32part.py. The MD5 is not checked: a flipped bit shows in
//! what follows, and the bootloader has checked it already.

use embedded_storage::nor_flash::NorFlash;

use update::{Places, SECTOR, Slot};

use super::StorageError;

/// Where the table lies in flash, in bytes.
pub const TABLE_OFFSET: u32 = 0x8000;

/// How long it may be, in bytes: 95 entries and the MD5.
pub const TABLE_SIZE: u32 = 0xC00;

/// Where the first partition may begin: the table's sector, and the bootloader before it, are
/// nobody's (gen_esp32part.py refuses others).
const FIRST_OFFSET: u32 = TABLE_OFFSET + 0x1000;

const ENTRY_SIZE: usize = 32;
const MAGIC: [u8; 2] = [0xAA, 0x50];
const MD5_MAGIC: [u8; 2] = [0xEB, 0xEB];
const TYPE_APP: u8 = 0;
const SUBTYPE_OTA_0: u8 = 0x10;
const SUBTYPE_OTA_1: u8 = 0x11;
const TYPE_DATA: u8 = 1;
const SUBTYPE_OTA: u8 = 0x00;
const SUBTYPE_NVS: u8 = 0x02;
/// Of no kind that ESP-IDF knows: what it is, its label says.
const SUBTYPE_UNDEFINED: u8 = 0x06;
const SUBTYPE_SPIFFS: u8 = 0x82;
/// One that is labelled `spiffs` and is not: what is in it cannot be read, and the label misleads.
const SUBTYPES_OF_OTHER_FILES: [u8; 2] = [0x81, 0x83]; // fat, littlefs

/// A stretch of the flash, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Address of its first byte.
    pub offset: u32,
    /// Length.
    pub size: u32,
}

/// The partitions that the device uses, or why it cannot use one: it lives without either, as well
/// as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions {
    /// Of type nvs with the label `nvs`, as `nvs_flash_init` takes it: what the device keeps.
    pub nvs: Result<Partition, StorageError>,
    /// The first of type spiffs, whatever its label, as `esp_vfs_spiffs_register` takes it where
    /// none is named (ESP-IDF v5.4.1, components/spiffs/esp_spiffs.c): what the device is given.
    pub spiffs: Result<Partition, StorageError>,
    /// Of no kind that ESP-IDF knows, with the label `backlog`: samples that memory cannot hold, where the
    /// table has a place for them. The C firmware's has none.
    pub backlog: Option<Partition>,
    /// `otadata`, `ota_0` and `ota_1`, where the table has them: what an update needs.
    pub slots: Option<Places>,
}

impl Partitions {
    /// Reads the table. Where there is none, neither partition can be used.
    pub fn read<F: NorFlash>(flash: &mut F) -> Self {
        Self::find(flash).unwrap_or_else(|error| Self {
            nvs: Err(error),
            spiffs: Err(error),
            slots: None,
            backlog: None,
        })
    }

    fn find<F: NorFlash>(flash: &mut F) -> Result<Self, StorageError> {
        let capacity = flash.capacity();
        let (mut nvs, mut spiffs, mut other_files, mut backlog) = (None, None, None, None);
        let (mut otadata, mut first, mut second) = (None, None, None);
        for index in 0..TABLE_SIZE as usize / ENTRY_SIZE {
            let mut entry = [0; ENTRY_SIZE];
            flash
                .read(TABLE_OFFSET + (index * ENTRY_SIZE) as u32, &mut entry)
                .map_err(|_| StorageError::FlashFailed)?;
            match [entry[0], entry[1]] {
                MAGIC => {}
                MD5_MAGIC => continue,
                _ if index == 0 => return Err(StorageError::NoPartitionTable),
                _ => break,
            }
            let word = |at: usize| {
                u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
            };
            let label = &entry[12..28];
            let end = label
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(label.len());
            let slot = match ([entry[2], entry[3]], &label[..end]) {
                ([TYPE_DATA, SUBTYPE_NVS], b"nvs") => &mut nvs,
                ([TYPE_DATA, SUBTYPE_SPIFFS], _) => &mut spiffs,
                ([TYPE_DATA, SUBTYPE_UNDEFINED], b"backlog") => &mut backlog,
                ([TYPE_DATA, SUBTYPE_OTA], _) => &mut otadata,
                ([TYPE_APP, SUBTYPE_OTA_0], _) => &mut first,
                ([TYPE_APP, SUBTYPE_OTA_1], _) => &mut second,
                ([TYPE_DATA, subtype], b"spiffs") if SUBTYPES_OF_OTHER_FILES.contains(&subtype) => {
                    &mut other_files
                }
                _ => continue,
            };
            slot.get_or_insert(Partition {
                offset: word(4),
                size: word(8),
            });
        }
        let slots = [first, second].map(|slot| within::<F>(slot, capacity, "ota").ok());
        let otadata = within::<F>(otadata, capacity, "otadata").ok();
        let otadata = otadata.filter(|otadata| otadata.size >= 2 * SECTOR);
        Ok(Self {
            slots: match (otadata, slots) {
                (Some(otadata), [Some(first), Some(second)]) => Some(Places {
                    otadata: otadata.offset,
                    slots: [first, second].map(|slot| Slot {
                        offset: slot.offset,
                        len: slot.size,
                    }),
                }),
                _ => None,
            },
            backlog: within::<F>(backlog, capacity, "backlog").ok(),
            nvs: within::<F>(nvs, capacity, "nvs"),
            spiffs: match (spiffs, other_files) {
                (None, Some(_)) => Err(StorageError::OtherFiles),
                (spiffs, _) => within::<F>(spiffs, capacity, "spiffs"),
            },
        })
    }
}

fn within<F: NorFlash>(
    partition: Option<Partition>,
    capacity: usize,
    name: &'static str,
) -> Result<Partition, StorageError> {
    let partition = partition.ok_or(StorageError::NoPartition(name))?;
    let sector = F::ERASE_SIZE as u32;
    let fits = partition
        .offset
        .checked_add(partition.size)
        .is_some_and(|end| end as usize <= capacity);
    if fits
        && partition.offset >= FIRST_OFFSET
        && partition.size > 0
        && partition.offset.is_multiple_of(sector)
        && partition.size.is_multiple_of(sector)
    {
        Ok(partition)
    } else {
        Err(StorageError::PartitionOutside(name))
    }
}
