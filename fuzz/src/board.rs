//! A flash of 64 KiB with the device's partitions, small ones, where its own table says.
//!
//! ```text
//! 0x8000  table     0x9000  nvs, 16 KiB     0xD000  spiffs, 12 KiB
//! ```

/// The size of the flash, in bytes.
pub const FLASH: usize = 0x10000;
/// Where the table lies.
pub const TABLE: usize = 0x8000;
/// Where NVS lies, and how long it is.
pub const NVS: (usize, usize) = (0x9000, 0x4000);
/// Where SPIFFS lies, and how long it is.
pub const SPIFFS: (usize, usize) = (0xD000, 0x3000);

/// An entry of a table: type, subtype, where it lies and how long it is, label.
pub type Partition = (u8, u8, (usize, usize), &'static str);

/// Blank flash with the table.
pub fn blank() -> Vec<u8> {
    let mut flash = vec![0xFF; FLASH];
    flash[TABLE..TABLE + 64].copy_from_slice(&table());
    flash
}

/// The two entries of the table.
pub fn table() -> [u8; 64] {
    let mut table = [0; 64];
    let entries = [(1, 0x02, NVS, "nvs"), (1, 0x82, SPIFFS, "spiffs")];
    write_table(&mut table, &entries);
    table
}

/// Writes a table's entries to the beginning of these bytes.
pub fn write_table(bytes: &mut [u8], entries: &[Partition]) {
    for (entry, (kind, subtype, (offset, size), label)) in bytes.chunks_mut(32).zip(entries) {
        entry.fill(0);
        entry[..4].copy_from_slice(&[0xAA, 0x50, *kind, *subtype]);
        entry[4..8].copy_from_slice(&(*offset as u32).to_le_bytes());
        entry[8..12].copy_from_slice(&(*size as u32).to_le_bytes());
        entry[12..12 + label.len()].copy_from_slice(label.as_bytes());
    }
}

/// Makes the checksums of NVS pages and entries right, as only an attacker would (ESP-IDF v5.4.1,
/// `components/nvs_flash/src/nvs_page.cpp` and `nvs_types.cpp`).
pub fn seal_nvs(partition: &mut [u8]) {
    for page in partition.chunks_exact_mut(4096) {
        let sum = crc(&page[4..28]);
        page[28..32].copy_from_slice(&sum);
        for entry in page[64..].chunks_exact_mut(32) {
            if entry.iter().all(|byte| *byte == 0xFF) {
                continue;
            }
            let covered: Vec<u8> = entry[..4].iter().chain(&entry[8..]).copied().collect();
            let sum = crc(&covered);
            entry[4..8].copy_from_slice(&sum);
        }
    }
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    esp_nvs::platform::software_crc32(u32::MAX, bytes).to_le_bytes()
}
