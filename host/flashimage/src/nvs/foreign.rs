//! NVS that is sound and yet not to be read here: of the first format, or encrypted. Told for what
//! it is, and not as damage.
//!
//! ```text
//! page   0  state, 32 bits          entry  0  namespace, type, span, chunk
//!        4  number, 32 bits                4  CRC-32 of the rest of the entry
//!        8  version: 0xFF 1, 0xFE 2        8  key, 16 bytes
//!       28  CRC-32 of 4..28               24  value, or its length and CRC
//!       32  two bits an entry: 10 written
//!       64  126 entries of 32 bytes
//! ```
//!
//! Encryption (XTS) covers the entries alone; headers and bits stay readable. Source: ESP-IDF
//! v5.4.1, components/nvs_flash/src/nvs_page.hpp, nvs_types.cpp, nvs_encrypted_partition.cpp.

const PAGE: usize = 4096;
const ENTRY: usize = 32;
const FIRST_ENTRY: usize = 64;
const ENTRIES: usize = 126;
const BLANK: [u8; 4] = [0xFF; 4];
const VERSION_1: u8 = 0xFF;
/// So many entries that no CRC fits are no chance, nor wear.
const ENOUGH: usize = 3;

/// Why a partition cannot be read, if it is one of these.
pub(super) fn why(bytes: &[u8]) -> Option<&'static str> {
    let pages = || bytes.chunks_exact(PAGE).filter(|page| is_page(page));
    if pages().any(|page| page[8] == VERSION_1) {
        return Some(
            "NVS of version 1, which ESP-IDF wrote before v3.3: the device erases it and is to be \
             provisioned again",
        );
    }
    let (mut sound, mut other) = (0, 0);
    for entry in pages().flat_map(written) {
        match crc(&[&entry[..4], &entry[8..]]) == word(entry, 4) {
            true => sound += 1,
            false => other += 1,
        }
    }
    (sound == 0 && other >= ENOUGH).then_some(
        "NVS is encrypted, which the device does not read: it erases it and is to be provisioned \
         again",
    )
}

/// Whether it is a page in use, by its header.
fn is_page(page: &[u8]) -> bool {
    page[..4] != BLANK && crc(&[&page[4..28]]) == word(page, 28)
}

/// The entries that are written and not erased. Those that continue a text hold the text itself,
/// without a CRC of their own, so that only what begins a value is sure: which that is cannot be
/// told of encrypted ones, and so all are taken.
fn written(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..ENTRIES)
        .filter(|index| page[32 + index / 4] >> (index % 4 * 2) & 0b11 == 0b10)
        .map(|index| &page[FIRST_ENTRY + index * ENTRY..][..ENTRY])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// As the chip's ROM computes it, from 0xFFFFFFFF on.
fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(u32::MAX);
    parts.iter().for_each(|part| crc.update(part));
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::super::{NvsEntry, NvsValue, build, list};
    use super::*;

    fn filled() -> Vec<u8> {
        let entries = (0..5).map(|number| NvsEntry {
            namespace: "n".into(),
            key: format!("k{number}"),
            value: NvsValue::U32(number),
        });
        build(4 * PAGE, &entries.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn an_ordinary_one_and_a_blank_one_are_neither() {
        assert_eq!(why(&filled()), None);
        assert_eq!(why(&[0xFF; 4 * PAGE]), None);
        assert_eq!(list(&filled()).unwrap().len(), 5);
    }

    #[test]
    fn version_1_is_told() {
        let mut bytes = filled();
        bytes[8] = VERSION_1;
        let sum = crc(&[&bytes[4..28]]);
        bytes[28..32].copy_from_slice(&sum.to_le_bytes());
        assert!(list(&bytes).unwrap_err().contains("version 1"));
    }

    #[test]
    fn an_encrypted_one_is_told_from_a_damaged_one() {
        let mut bytes = filled();
        bytes[FIRST_ENTRY + ENTRY + 25] ^= 1;
        assert_eq!(why(&bytes), None, "one entry alone");
        // What XTS leaves looks like noise; headers and bits it leaves alone.
        let mut noise: u32 = 1;
        for byte in &mut bytes[FIRST_ENTRY..PAGE] {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte ^= (noise >> 24) as u8;
        }
        assert!(list(&bytes).unwrap_err().contains("encrypted"));
    }
}
