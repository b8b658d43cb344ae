//! `otadata`: which app the bootloader starts.
//!
//! What its entries say is `update`'s to know, for the device writes them. Without a valid one the factory
//! app starts, or else the first slot.
//!
//! Source: `bootloader_utility_get_selected_boot_partition` of
//! components/bootloader_support/src/bootloader_utility.c, and bootloader_common_loader.c beside
//! it (espressif/esp-idf v5.4.1, 4c2820d).

use serde::Serialize;
use update::otadata::{ENTRY_LEN, Entry, selected};

use crate::{Partition, PartitionTable};

const SECTOR: usize = 0x1000;

/// What the bootloader starts, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// The partition.
    pub partition: String,
    /// Why this one.
    pub reason: String,
}

/// The app that is started while `otadata` is blank: the factory app, or else the first slot.
pub(crate) fn first_app(table: &PartitionTable) -> Option<Partition> {
    let apps: Vec<_> = slots(table).collect();
    table
        .partitions()
        .find(|partition| partition.kind == "app/factory")
        .or_else(|| apps.into_iter().next())
}

/// What the bootloader starts, by the contents of a flash; none if there is nothing to start.
pub(crate) fn choice(table: &PartitionTable, image: &[u8]) -> Option<Boot> {
    let otadata = table.partitions().find(|part| part.kind == "data/ota");
    let bytes = otadata.and_then(|part| image.get(part.range()));
    let slots: Vec<_> = slots(table).collect();
    let entry = |index: usize| {
        let bytes = bytes?.get(index * SECTOR..)?;
        Entry::read(bytes.first_chunk::<ENTRY_LEN>()?)
    };
    let chosen = selected([entry(0), entry(1)]).filter(|_| !slots.is_empty());
    if let Some((_, entry)) = chosen {
        return Some(Boot {
            partition: slots.get(entry.slot(slots.len()))?.name.clone(),
            reason: format!("otadata, sequence {}", entry.sequence()),
        });
    }
    let is_blank = bytes.is_none_or(|bytes| bytes.iter().all(|&byte| byte == 0xFF));
    let reason = if is_blank {
        "otadata is blank"
    } else {
        "otadata has no valid entry"
    };
    Some(Boot {
        partition: first_app(table)?.name,
        reason: reason.to_owned(),
    })
}

/// The slots for updates, in the order of their numbers.
fn slots(table: &PartitionTable) -> impl Iterator<Item = Partition> {
    let number = |partition: &Partition| -> Option<u8> {
        partition.kind.strip_prefix("app/ota_")?.parse().ok()
    };
    let mut slots: Vec<_> = table
        .partitions()
        .filter_map(|partition| Some((number(&partition)?, partition)))
        .collect();
    slots.sort_by_key(|(number, _)| *number);
    slots.into_iter().map(|(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use esp_nvs::platform::software_crc32;

    fn flash(entries: [(u32, u32); 2]) -> Vec<u8> {
        let mut image = vec![0xFF; 0x40_0000];
        for (index, (sequence, state)) in entries.into_iter().enumerate() {
            let at = 0xD000 + index * SECTOR;
            image[at..at + 4].copy_from_slice(&sequence.to_le_bytes());
            image[at + 24..at + 28].copy_from_slice(&state.to_le_bytes());
            let crc = software_crc32(u32::MAX, &sequence.to_le_bytes());
            image[at + 28..at + 32].copy_from_slice(&crc.to_le_bytes());
        }
        image
    }

    fn started(image: &[u8]) -> String {
        let boot = choice(&PartitionTable::default(), image).expect("an app");
        format!("{}, {}", boot.partition, boot.reason)
    }

    #[test]
    fn the_higher_valid_number_tells_the_slot() {
        const UNDEFINED: u32 = u32::MAX;
        assert_eq!(started(&[0xFF; 0x40_0000]), "ota_0, otadata is blank");
        let both = flash([(1, 2), (2, UNDEFINED)]);
        assert_eq!(started(&both), "ota_1, otadata, sequence 2");
        // The newer app was given up.
        let refused = flash([(3, 2), (4, 4)]);
        assert_eq!(started(&refused), "ota_0, otadata, sequence 3");
        let mut damaged = flash([(2, 2), (u32::MAX, UNDEFINED)]);
        assert_eq!(started(&damaged), "ota_1, otadata, sequence 2");
        damaged[0xD000] ^= 1;
        assert_eq!(started(&damaged), "ota_0, otadata has no valid entry");
    }

    /// CRC of the entry that ESP-IDF's otatool.py writes for the first slot.
    #[test]
    fn the_checksum_is_that_of_espressifs_tool() {
        assert_eq!(software_crc32(u32::MAX, &1_u32.to_le_bytes()), 0x4743_989A);
    }

    #[test]
    fn a_factory_app_comes_first() {
        let csv = "f,app,factory,0x10000,1M\na,app,ota_0,,1M\n";
        let table = PartitionTable::from_csv(csv).expect("a table");
        assert_eq!(first_app(&table).expect("an app").name, "f");
    }
}
