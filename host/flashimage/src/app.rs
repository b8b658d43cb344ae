//! What an application image says of itself.
//!
//! ```text
//!  0     1                24                32      36            48          80
//! +-----+----------------+-----------------+-------+-------------+-----------+-----------+
//! | E9  | image header … | segment header  | magic | …           | version   | project   |
//! +-----+----------------+-----------------+-------+-------------+-----------+-----------+
//! ```
//!
//! Source: `esp_app_desc_t` of components/esp_app_format/include/esp_app_desc.h (espressif/esp-idf
//! v5.4.1, 4c2820d).

use std::ops::Range;

/// The first byte of every application image.
pub(crate) const APP_MAGIC: u8 = 0xE9;
const DESCRIPTION_MAGIC: [u8; 4] = 0xABCD_5432_u32.to_le_bytes();
const DESCRIPTION: Range<usize> = 32..36;
const VERSION: Range<usize> = 48..80;
const PROJECT: Range<usize> = 80..112;

/// Name and version of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppInfo {
    /// The partition that it is in.
    pub partition: String,
    /// The project's name; empty if the image does not tell.
    pub project: String,
    /// The version; empty if the image does not tell.
    pub version: String,
}

impl AppInfo {
    /// Reads what is at the start of an app partition, if it holds an application.
    pub(crate) fn read(partition: String, bytes: &[u8]) -> Option<Self> {
        if bytes.first() != Some(&APP_MAGIC) {
            return None;
        }
        let text = |range: Range<usize>| {
            let is_told = bytes
                .get(DESCRIPTION)
                .is_some_and(|magic| magic == DESCRIPTION_MAGIC);
            let field = bytes.get(range).filter(|_| is_told).unwrap_or_default();
            let text = field.split(|&byte| byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        };
        Some(Self {
            partition,
            project: text(PROJECT),
            version: text(VERSION),
        })
    }
}
