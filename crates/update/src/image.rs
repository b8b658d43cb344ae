//! What an app image says of itself at its beginning: the chip it is for, product and version.
//!
//! ```text
//!   0  E9                      24  address and length of the first segment
//!   1  number of segments      32  magic of the description
//!  12  chip                    36  number that counts against downgrades
//!  15  least revision          48  version, 32 bytes
//!  17  greatest revision       80  project, 32 bytes
//! ```
//!
//! Whether the segments behind are whole is not looked at: who signs has done so, and the
//! bootloader does it again.
//!
//! Source: `esp_image_header_t` of components/bootloader_support/include/esp_app_format.h and
//! `esp_app_desc_t` of components/esp_app_format/include/esp_app_desc.h (espressif/esp-idf v5.4.1,
//! 4c2820d).

use core::fmt;

use crate::{half, word};

/// How many bytes of an image are needed to know it: both headers and the description.
pub const HEAD_LEN: usize = 288;

const MAGIC: u8 = 0xE9;
const DESCRIPTION: usize = 32;
const DESCRIPTION_MAGIC: u32 = 0xABCD_5432;

/// A field of text in a description.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; 32],
    len: u8,
}

impl Name {
    /// A field that NUL ends, unless it is full. None if it is not UTF-8 or has control characters.
    fn read(field: &[u8; 32]) -> Option<Self> {
        let len = field.iter().position(|&byte| byte == 0).unwrap_or(32);
        let text = core::str::from_utf8(field.get(..len)?).ok()?;
        (!text.chars().any(char::is_control)).then_some(Self {
            bytes: *field,
            len: len as u8,
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What an image says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chip, by Espressif's number (`esp_chip_id_t`).
    pub chip: u16,
    /// The least revision of the chip, as major * 100 + minor.
    pub least_revision: u16,
    /// The greatest one; 0 and 65535 mean any (`IS_FIELD_SET` of bootloader_common_loader.c).
    pub greatest_revision: u16,
    /// The number that counts against downgrades.
    pub secure_version: u32,
    /// The version.
    pub version: Name,
    /// The project's name, which is the product's.
    pub product: Name,
}

impl Head {
    /// Reads the beginning of an image, [`HEAD_LEN`] bytes or more. None if it is no app image, or too
    /// little of one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD_LEN)?;
        if bytes.first() != Some(&MAGIC) || word(bytes, DESCRIPTION) != DESCRIPTION_MAGIC {
            return None;
        }
        let name = |at: usize| Name::read(bytes.get(at..)?.first_chunk()?);
        Some(Self {
            chip: half(bytes, 12),
            least_revision: half(bytes, 15),
            greatest_revision: half(bytes, 17),
            secure_version: word(bytes, DESCRIPTION + 4),
            version: name(DESCRIPTION + 16)?,
            product: name(DESCRIPTION + 48)?,
        })
    }
}

/// Beginnings of images for the tests of this crate.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) fn head(product: &str, version: &str) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[..2].copy_from_slice(&[MAGIC, 1]);
        bytes[12] = 5;
        bytes[15..19].copy_from_slice(&[3, 0, 0xC7, 0]);
        bytes[32..36].copy_from_slice(&DESCRIPTION_MAGIC.to_le_bytes());
        bytes[36] = 7;
        bytes[48..48 + version.len()].copy_from_slice(version.as_bytes());
        bytes[80..80 + product.len()].copy_from_slice(product.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_what_it_is() {
        let head = Head::read(&testing::head("esptb", "1.2.3")).unwrap();
        assert_eq!((head.chip, head.secure_version), (5, 7));
        assert_eq!((head.least_revision, head.greatest_revision), (3, 199));
        assert_eq!(
            (head.product.as_str(), head.version.as_str()),
            ("esptb", "1.2.3")
        );
    }

    #[test]
    fn what_is_no_app_image_is_none() {
        let bytes = testing::head("esptb", "1");
        assert!(Head::read(&bytes[..HEAD_LEN - 1]).is_none());
        for (at, with) in [(0, 0xE8), (32, 0), (80, 0xFF), (48, b'\n')] {
            let mut bytes = bytes;
            bytes[at] = with;
            assert!(Head::read(&bytes).is_none(), "{at}");
        }
    }
}
