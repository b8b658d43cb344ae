//! What the simulator runs: an app image that says what it is, and runs nothing.
//!
//! It is whole, as bootloader, update and tools look at an image: headers, description, one segment and its checksum.
//! In the segment are bytes that are like nothing else. The code that lives is the simulator's own.

/// Where the segment's data begins, with the description.
const DATA: usize = 32;
/// The checksum ends a block of this length.
const BLOCK: usize = 16;
/// What the checksum begins with.
const SEED: u8 = 0xEF;

/// What an image says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The product, of at most 32 bytes.
    pub product: &'a str,
    /// The version, of at most 32 bytes.
    pub version: &'a str,
    /// The chip, by Espressif's number.
    pub chip: u8,
    /// The number that counts against downgrades.
    pub secure_version: u8,
    /// How many bytes it has, 288 at least.
    pub len: usize,
}

impl<'a> Image<'a> {
    /// One of the stock product, for an ESP32-C3.
    #[must_use]
    pub fn of(version: &'a str) -> Self {
        Self {
            product: <climate::Climate<crate::sensor::Dht11> as product::Product>::NAME,
            version,
            chip: 5,
            secure_version: 3,
            len: 100_003,
        }
    }

    /// Its bytes.
    ///
    /// # Panics
    ///
    /// If a text is too long for its field.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 288];
        bytes[..2].copy_from_slice(&[0xE9, 1]);
        bytes[12] = self.chip;
        bytes[32..36].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
        bytes[36] = self.secure_version;
        bytes[48..80][..self.version.len()].copy_from_slice(self.version.as_bytes());
        bytes[80..112][..self.product.len()].copy_from_slice(self.product.as_bytes());
        bytes.extend((288..self.len).map(|at| ((at * at) >> 5) as u8));
        // The last whole block holds the checksum; what is behind it is no part of the program.
        let end = self.len / BLOCK * BLOCK;
        let data = DATA..end - BLOCK;
        bytes[28..DATA].copy_from_slice(&(data.len() as u32).to_le_bytes());
        bytes[end - 1] = bytes[data].iter().fold(SEED, |sum, byte| sum ^ byte);
        bytes
    }
}
