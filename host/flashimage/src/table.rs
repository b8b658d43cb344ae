//! The partition table, as CSV (for people) and binary (for the bootloader).
//!
//! Reading and writing is espressif's `esp-idf-part`. That crate panics on some malformed tables
//! (unknown subtypes and flags, sums beyond 32 bits), so both kinds are looked over before it
//! gets them, and afterwards checked against the flash they are for.

use std::fmt;

use esp_idf_part::{AppType, DataType, Flags, SubType, Type};
use serde::{Serialize, Serializer};

use crate::printable;

/// Where the table lies in flash (`CONFIG_PARTITION_TABLE_OFFSET`).
pub(crate) const TABLE_OFFSET: usize = 0x8000;
/// The length of the table: 95 entries and a checksum.
pub(crate) const TABLE_LEN: usize = 0xC00;
/// Where the first partition can start.
const FIRST_OFFSET: u32 = 0x9000;
const ENTRY_LEN: usize = 32;
const MOST_ENTRIES: usize = TABLE_LEN / ENTRY_LEN - 2;
const ENTRY_MAGIC: [u8; 2] = [0xAA, 0x50];
const KNOWN_FLAGS: u32 = 0b11;
const NAME_LEN: usize = 16;

/// Why a partition table is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A line of the CSV says something that no partition can be.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A binary entry says something that no partition can be.
    #[error("entry {entry}: {reason}")]
    Entry {
        /// The entry, counted from 0.
        entry: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no table at 0x8000.
    #[error("none found at 0x8000: this is not the image of a whole flash")]
    Missing,
    /// A partition lies outside the flash, or on the bootloader or the table.
    #[error(
        "{name:?} does not lie between 0x9000 and the flash's end at {flash_size:#x}: take a table \
         for a flash of this size, or give the size of the flash that is there"
    )]
    Outside {
        /// The partition's name.
        name: String,
        /// The size of the flash in bytes.
        flash_size: usize,
    },
    /// The table as a whole is not usable: overlaps, double names, alignment, checksum.
    #[error("{0}")]
    Rejected(String),
}

impl From<esp_idf_part::Error> for TableError {
    fn from(error: esp_idf_part::Error) -> Self {
        Self::Rejected(error.to_string())
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Its name: up to 16 bytes.
    pub name: String,
    /// What it is, in the words of the CSV: `app/ota_0`, `data/nvs`, ….
    pub kind: String,
    /// Where it starts in flash, in bytes.
    pub offset: u32,
    /// How long it is, in bytes.
    pub size: u32,
}

impl Partition {
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.offset as usize..self.offset as usize + self.size as usize
    }
}

/// A partition table that ESP-IDF's bootloader accepts: names differ, nothing overlaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionTable(esp_idf_part::PartitionTable);

impl PartitionTable {
    /// Reads a table in ESP-IDF's CSV format.
    ///
    /// # Errors
    ///
    /// [`TableError`] with the line, if one line is to blame.
    pub fn from_csv(csv: &str) -> Result<Self, TableError> {
        // Spreadsheets put a byte order mark before what they save as CSV.
        let csv = csv.trim_start_matches('\u{feff}');
        check_csv(csv)?;
        Self::checked(esp_idf_part::PartitionTable::try_from_str(csv)?)
    }

    /// Reads the table of a whole flash image.
    ///
    /// # Errors
    ///
    /// [`TableError`]: also if its checksum is wrong, or a partition lies outside the image.
    pub fn from_image(image: &[u8]) -> Result<Self, TableError> {
        let bytes = image
            .get(TABLE_OFFSET..TABLE_OFFSET + TABLE_LEN)
            .filter(|bytes| bytes.starts_with(&ENTRY_MAGIC))
            .ok_or(TableError::Missing)?;
        check_binary(bytes)?;
        let table = Self::checked(esp_idf_part::PartitionTable::try_from_bytes(bytes)?)?;
        table.check_within(image.len())?;
        Ok(table)
    }

    /// The table in the bootloader's format, with its checksum: 3072 bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TableError> {
        Ok(self.0.to_bin()?)
    }

    /// All partitions, in the order of the table.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> {
        self.0.partitions().iter().map(|partition| Partition {
            name: partition.name(),
            kind: format!("{}/{}", partition.ty(), partition.subtype()),
            offset: partition.offset(),
            size: partition.size(),
        })
    }

    /// The partition of a name.
    pub fn find(&self, name: &str) -> Option<Partition> {
        self.partitions().find(|partition| partition.name == name)
    }

    /// The partition with the device's files: the first of type `data/spiffs`, whatever its name,
    /// as ESP-IDF and the device find it.
    pub fn spiffs(&self) -> Option<Partition> {
        self.partitions()
            .find(|partition| partition.kind == "data/spiffs")
    }

    /// The partition with the key-value store: of type `data/nvs`, with the name `nvs`.
    pub fn nvs(&self) -> Option<Partition> {
        self.find("nvs")
            .filter(|partition| partition.kind == "data/nvs")
    }

    pub(crate) fn check_within(&self, flash_size: usize) -> Result<(), TableError> {
        match self
            .partitions()
            .find(|partition| partition.offset < FIRST_OFFSET || partition.range().end > flash_size)
        {
            Some(Partition { name, .. }) => Err(TableError::Outside { name, flash_size }),
            None => Ok(()),
        }
    }

    fn checked(table: esp_idf_part::PartitionTable) -> Result<Self, TableError> {
        if table.partitions().len() > MOST_ENTRIES {
            let reason = format!("more than {MOST_ENTRIES} partitions");
            return Err(TableError::Rejected(reason));
        }
        table.validate()?;
        // Two entries that are wholly alike pass `validate`.
        let mut names: Vec<_> = table
            .partitions()
            .iter()
            .map(|partition| partition.name())
            .collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(TableError::Rejected(format!(
                "two partitions named {:?}",
                pair[0]
            ))),
            None => Ok(Self(table)),
        }
    }
}

impl Default for PartitionTable {
    /// The layout of `partitions.csv`, which is that of the C firmware. It is not read from there:
    /// that takes `esp-idf-part` longer, by its regular expressions, than all else of an image.
    fn default() -> Self {
        let entry = |name: &str, ty, subtype, offset, size| {
            let flags = Flags::empty();
            esp_idf_part::Partition::new(name, ty, subtype, offset, size, flags)
        };
        let data =
            |name, kind, offset, size| entry(name, Type::Data, SubType::Data(kind), offset, size);
        let app =
            |name, slot, offset, size| entry(name, Type::App, SubType::App(slot), offset, size);
        Self(esp_idf_part::PartitionTable::new(vec![
            data("nvs", DataType::Nvs, 0x9000, 0x4000),
            data("otadata", DataType::Ota, 0xd000, 0x2000),
            data("phy_init", DataType::Phy, 0xf000, 0x1000),
            app("ota_0", AppType::Ota_0, 0x1_0000, 0x14_0000),
            app("ota_1", AppType::Ota_1, 0x15_0000, 0x14_0000),
            data("spiffs", DataType::Spiffs, 0x29_0000, 0x4_0000),
        ]))
    }
}

impl Serialize for PartitionTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.partitions())
    }
}

impl fmt::Display for PartitionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Partition {
            name,
            kind,
            offset,
            size,
        } in self.partitions()
        {
            let name = printable(&name);
            writeln!(f, "{name:<10} {kind:<14} {offset:#9x} {size:#9x}")?;
        }
        Ok(())
    }
}

/// Makes sure that `try_from_bytes` does not panic: types, subtypes and flags that it knows, and
/// ends that fit 32 bits.
fn check_binary(bytes: &[u8]) -> Result<(), TableError> {
    for (entry, record) in bytes.chunks_exact(ENTRY_LEN).enumerate() {
        if !record.starts_with(&ENTRY_MAGIC) {
            continue;
        }
        let word = |at: usize| {
            record[at..at + 4]
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u32::from(byte))
        };
        let reason = if !is_known(record[2], record[3]) {
            format!(
                "unknown type {:#04x}, subtype {:#04x}",
                record[2], record[3]
            )
        } else if word(4).checked_add(word(8)).is_none() {
            "it ends beyond 32 bits".to_owned()
        } else if word(28) & !KNOWN_FLAGS != 0 {
            format!("unknown flags {:#x}", word(28))
        } else {
            continue;
        };
        return Err(TableError::Entry { entry, reason });
    }
    Ok(())
}

/// Makes sure that `try_from_str` does not panic or cut anything off.
fn check_csv(csv: &str) -> Result<(), TableError> {
    let mut end = u64::from(FIRST_OFFSET);
    for (index, line) in csv.lines().enumerate() {
        let refuse = |reason: String| {
            Err(TableError::Line {
                line: index + 1,
                reason,
            })
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The reader underneath knows quotes, and takes a lone carriage return for a new line.
        if line.contains(|c: char| c == '"' || c.is_control() && c != '\t') {
            return refuse("quotes and control characters have no meaning here".into());
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [name, ty, subtype, offset, size, ..] = fields[..] else {
            return refuse("give name, type, subtype, offset and size".into());
        };
        if !(1..=NAME_LEN).contains(&name.len()) || !name.is_ascii() || name.contains('\0') {
            return refuse(format!(
                "the name {name:?} is not 1 to {NAME_LEN} ASCII characters"
            ));
        }
        let kind = match type_of(ty) {
            Some(kind) => kind,
            None => return refuse(format!("{ty:?} is not app, data, or a number up to 0xFE")),
        };
        match subtype_of(subtype) {
            Some((named, number))
                if named.is_none_or(|of| of == kind) && is_known(kind, number) => {}
            _ => return refuse(format!("{subtype:?} is no subtype of {ty:?}")),
        }
        let Some(offset) = number(offset, Some(end)) else {
            return refuse(format!(
                "{offset:?} is not an offset in bytes, such as 0x9000"
            ));
        };
        let Some(size) = number(size, None) else {
            return refuse(format!(
                "{size:?} is not a size in bytes, such as 0x4000, 16K or 1M"
            ));
        };
        // Room for the alignment of an offset that was left out.
        end = offset + size + 0x10000;
        if end > u64::from(u32::MAX) {
            return refuse("it ends beyond 32 bits".into());
        }
        end -= 0x10000;
    }
    Ok(())
}

fn type_of(text: &str) -> Option<u8> {
    match text {
        "app" => Some(0),
        "data" => Some(1),
        _ => u8::try_from(number(text, None)?)
            .ok()
            .filter(|&ty| ty < 0xFF),
    }
}

/// A subtype's number, and the type that it belongs to if it was given by name.
fn subtype_of(text: &str) -> Option<(Option<u8>, u8)> {
    if let Ok(app) = text.parse::<AppType>() {
        Some((Some(Type::App.into()), SubType::App(app).into()))
    } else if let Ok(data) = text.parse::<DataType>() {
        Some((Some(Type::Data.into()), SubType::Data(data).into()))
    } else {
        Some((None, u8::try_from(number(text, None)?).ok()?))
    }
}

fn is_known(ty: u8, subtype: u8) -> bool {
    match Type::from(ty) {
        Type::App => AppType::from_repr(usize::from(subtype)).is_some(),
        Type::Data => DataType::from_repr(usize::from(subtype)).is_some(),
        Type::Custom(ty) => ty < 0xFF,
    }
}

/// A number of 32 bits in decimal or hexadecimal, in bytes, K or M. Empty means `default`.
fn number(text: &str, default: Option<u64>) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last() {
        None => return default,
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(_) => (text, 1),
    };
    let value = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(_) if unit != 1 => return None,
        Some(hex) => u64::from(u32::from_str_radix(hex, 16).ok()?),
        None => u64::from(digits.parse::<u32>().ok()?),
    };
    Some(value * unit).filter(|&value| value <= u64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
