//! Programs made by hand, by the format that src/program.rs describes.

use flashimage::Chip;
use sha2::{Digest, Sha256};

/// The chip that they are for.
pub(crate) const CHIP_ID: u16 = 5;

pub(crate) fn chip() -> Chip {
    Chip::try_from(CHIP_ID).expect("a chip")
}

/// An app description of version 1.2.3.
pub(crate) fn description() -> [u8; 256] {
    let mut bytes = [0; 256];
    bytes[..4].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    bytes[16..21].copy_from_slice(b"1.2.3");
    bytes[48..53].copy_from_slice(b"esptb");
    bytes[80..88].copy_from_slice(b"12:34:56");
    bytes[96..107].copy_from_slice(b"Nov 22 2026");
    bytes[112..118].copy_from_slice(b"v5.4.1");
    bytes
}

/// An app of `len` bytes, a multiple of 16 and at least 0x180.
pub(crate) fn app_bytes(len: usize) -> Vec<u8> {
    let data = len - 32 - 16 - 32;
    let mut app = vec![0xE9, 1, 2, 0x20];
    app.resize(24, 0);
    app[12..14].copy_from_slice(&CHIP_ID.to_le_bytes());
    app[23] = 1;
    app.extend(0x3C00_0020_u32.to_le_bytes());
    app.extend((data as u32).to_le_bytes());
    app.extend(description());
    app.resize(32 + data, 0x5A);
    let checksum = app[32..].iter().fold(0xEF, |sum, byte| sum ^ byte);
    app.resize(len - 33, 0);
    app.push(checksum);
    let digest = Sha256::digest(&app);
    app.extend(digest);
    assert_eq!(app.len(), len);
    app
}
