//! Programs in the form that a chip's boot code takes: the bootloader and the app.
//!
//! ```text
//!  0    1          2      3      4       12        24         32
//! +----+----------+------+------+-------+---------+----------+-------------------+-----
//! | E9 | segments | mode | size | entry | chip, … | address, | first segment:    | …
//! |    |          |      |      |       |         | length   | the description   |
//! +----+----------+------+------+-------+---------+----------+-------------------+-----
//! ```
//!
//! After the segments a checksum ends a block of 16 bytes, and a SHA-256 may follow. Any bytes are
//! taken; what is wrong with them is told in [`Program::faults`].
//!
//! Source: components/bootloader_support/include/esp_app_format.h,
//! components/esp_app_format/include/esp_app_desc.h and
//! components/esp_bootloader_format/include/esp_bootloader_desc.h (espressif/esp-idf v5.4.1,
//! 4c2820d).

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Chip;

/// The first byte of every program.
pub(crate) const MAGIC: u8 = 0xE9;
pub(crate) const APP_DESCRIPTION_MAGIC: u32 = 0xABCD_5432;
pub(crate) const APP_DESCRIPTION_LEN: usize = 256;
const BOOTLOADER_DESCRIPTION_MAGIC: u8 = 80;
const HEADER_LEN: usize = 24;
const SEGMENT_HEADER_LEN: usize = 8;
const MOST_SEGMENTS: u8 = 16;
const CHECKSUM_SEED: u8 = 0xEF;

/// A bootloader or an app, as its header and description tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// The chip that it is for, by the number in the header.
    pub chip_id: u16,
    /// That chip's name, if it is known.
    pub chip: Option<String>,
    /// The least revision of the chip that it runs on, as major * 100 + minor.
    pub min_revision: u16,
    /// Its length in bytes, checksum and digest included.
    pub length: usize,
    /// How many segments it has.
    pub segments: u8,
    /// Where it starts.
    pub entry: u32,
    /// How the flash is read: `qio`, `qout`, `dio`, `dout`, `fast`, `slow`.
    pub flash_mode: &'static str,
    /// The size of the flash that it was made for, in bytes.
    pub flash_size: Option<u32>,
    /// What an app says of itself.
    pub app: Option<AppDescription>,
    /// What a bootloader says of itself.
    pub bootloader: Option<BootloaderDescription>,
    /// What is wrong with it, each in a sentence. The chip does not start it then.
    pub faults: Vec<String>,
}

/// What an app says of itself (`esp_app_desc_t`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppDescription {
    /// The project's name.
    pub project: String,
    /// The version.
    pub version: String,
    /// Date and time of the build, as the build wrote them.
    pub built: String,
    /// The version of ESP-IDF that it was built with, or claims to be compatible with.
    pub idf_version: String,
    /// The version that counts against a rollback.
    pub secure_version: u32,
    /// SHA-256 of the ELF file that it was made from, in hex.
    pub elf_sha256: String,
}

/// What a bootloader says of itself (`esp_bootloader_desc_t`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BootloaderDescription {
    /// The version.
    pub version: u32,
    /// Date and time of the build, as the build wrote them.
    pub built: String,
    /// The version of ESP-IDF that it was built from.
    pub idf_version: String,
}

impl Program {
    /// Reads what starts at the beginning of `bytes`; whatever follows is passed over. None if no
    /// program starts there.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.first() != Some(&MAGIC) {
            return None;
        }
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        let chip_id = u16::from_le_bytes([byte(12), byte(13)]);
        let mut program = Self {
            chip_id,
            chip: Chip::try_from(chip_id).ok().map(|chip| chip.to_string()),
            min_revision: u16::from_le_bytes([byte(15), byte(16)]),
            length: bytes.len(),
            segments: byte(1),
            entry: word(bytes, 4).unwrap_or_default(),
            flash_mode: flash_mode(byte(2)),
            flash_size: 0x10_0000_u32
                .checked_shl((byte(3) >> 4).into())
                .filter(|&size| byte(3) >> 4 < 9 && size > 0),
            app: None,
            bootloader: None,
            faults: Vec::new(),
        };
        let Some(end) = program.walk(bytes) else {
            return Some(program);
        };
        program.length = end;
        if byte(HEADER_LEN - 1) == 1 {
            let digest = bytes.get(end..end + 32);
            if digest == Some(&Sha256::digest(&bytes[..end])[..]) {
                program.length += 32;
            } else {
                let fault = "its SHA-256 does not fit its contents: it was changed or cut short";
                program.faults.push(fault.to_owned());
            }
        }
        program.describe(bytes);
        Some(program)
    }

    /// The chip's name, or its number.
    #[must_use]
    pub fn chip_name(&self) -> String {
        let number = || format!("a chip with the number {}", self.chip_id);
        self.chip.clone().unwrap_or_else(number)
    }

    /// Where the checksum's block ends, if all segments are there.
    fn walk(&mut self, bytes: &[u8]) -> Option<usize> {
        if !(1..=MOST_SEGMENTS).contains(&self.segments) {
            let fault = format!(
                "it has {} segments, not 1 to {MOST_SEGMENTS}",
                self.segments
            );
            self.faults.push(fault);
            return None;
        }
        let (mut at, mut checksum) = (HEADER_LEN, CHECKSUM_SEED);
        for _ in 0..self.segments {
            let start = at + SEGMENT_HEADER_LEN;
            let data = word(bytes, at + 4)
                .and_then(|length| start.checked_add(length as usize))
                .and_then(|end| bytes.get(start..end));
            let Some(data) = data else {
                self.faults.push("it is cut short".to_owned());
                return None;
            };
            checksum = data.iter().fold(checksum, |sum, byte| sum ^ byte);
            at = start + data.len();
        }
        let end = (at + 1).next_multiple_of(16);
        match bytes.get(end - 1) {
            Some(&byte) if byte == checksum => {}
            Some(_) => self.faults.push("its checksum is wrong".to_owned()),
            None => {
                self.faults.push("it is cut short".to_owned());
                return None;
            }
        }
        Some(end)
    }

    fn describe(&mut self, bytes: &[u8]) {
        let Some(first) = bytes.get(HEADER_LEN + SEGMENT_HEADER_LEN..) else {
            return;
        };
        if word(first, 0) == Some(APP_DESCRIPTION_MAGIC) && first.len() >= APP_DESCRIPTION_LEN {
            self.app = Some(AppDescription {
                version: text(first, 16, 32),
                project: text(first, 48, 32),
                built: format!("{} {}", text(first, 96, 16), text(first, 80, 16))
                    .trim()
                    .to_owned(),
                idf_version: text(first, 112, 32),
                secure_version: word(first, 4).unwrap_or_default(),
                elf_sha256: hex(&first[144..176]),
            });
        } else if first.first() == Some(&BOOTLOADER_DESCRIPTION_MAGIC) && first.len() >= 80 {
            self.bootloader = Some(BootloaderDescription {
                version: word(first, 4).unwrap_or_default(),
                idf_version: text(first, 8, 32),
                built: text(first, 40, 24),
            });
        }
    }
}

fn flash_mode(byte: u8) -> &'static str {
    ["qio", "qout", "dio", "dout", "fast", "slow"]
        .get(usize::from(byte))
        .copied()
        .unwrap_or("unknown")
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// A text that ends with NUL or with its field; nothing in it can harm a terminal.
fn text(bytes: &[u8], at: usize, length: usize) -> String {
    let field = bytes.get(at..at + length).unwrap_or_default();
    let text = field.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    text.chars().filter(|c| !c.is_control()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
