//! The NVS partition: ESP-IDF's key-value store, filled and listed with `esp-nvs` over memory.
//!
//! Which names there are is the firmware's affair; this module takes any.

mod foreign;

use std::{collections::HashSet, fmt};

use esp_nvs::{ItemType, Key, MAX_KEY_LENGTH, Nvs, mem_flash::MemFlash};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::Error;

const SECTOR: usize = esp_nvs::FLASH_SECTOR_SIZE;

/// A value and its type. The type counts: ESP-IDF finds a value only under the type it was stored
/// with. Texts and blobs are wiped when dropped and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum NvsValue {
    /// An unsigned integer of 8 bits.
    U8(u8),
    /// A signed integer of 8 bits.
    I8(i8),
    /// An unsigned integer of 16 bits.
    U16(u16),
    /// A signed integer of 16 bits.
    I16(i16),
    /// An unsigned integer of 32 bits.
    U32(u32),
    /// A signed integer of 32 bits.
    I32(i32),
    /// An unsigned integer of 64 bits.
    U64(u64),
    /// A signed integer of 64 bits.
    I64(i64),
    /// A string of at most 3999 bytes.
    Text(Zeroizing<String>),
    /// Bytes, over as many pages as it takes.
    Blob(Zeroizing<Vec<u8>>),
}

impl NvsValue {
    /// A string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }

    /// Bytes.
    pub fn blob(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Blob(Zeroizing::new(bytes.into()))
    }
}

impl fmt::Debug for NvsValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U8(value) => write!(f, "U8({value})"),
            Self::I8(value) => write!(f, "I8({value})"),
            Self::U16(value) => write!(f, "U16({value})"),
            Self::I16(value) => write!(f, "I16({value})"),
            Self::U32(value) => write!(f, "U32({value})"),
            Self::I32(value) => write!(f, "I32({value})"),
            Self::U64(value) => write!(f, "U64({value})"),
            Self::I64(value) => write!(f, "I64({value})"),
            Self::Text(_) => f.write_str("Text(..)"),
            Self::Blob(_) => f.write_str("Blob(..)"),
        }
    }
}

/// A value to store, under a namespace and a key of 1 to 15 ASCII characters each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NvsEntry {
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// The value.
    pub value: NvsValue,
}

/// A value that is stored, without the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NvsItem {
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// The type: `u8` to `i64`, `text`, `blob`.
    pub kind: &'static str,
}

/// Makes a partition of `size` bytes. Without entries it is blank, as ESP-IDF expects of a new
/// device.
pub(crate) fn build(size: usize, entries: &[NvsEntry]) -> Result<Vec<u8>, Error> {
    let mut names = HashSet::new();
    let mut nvs = None;
    for entry in entries {
        let NvsEntry {
            namespace,
            key,
            value,
        } = entry;
        let keys = (name(namespace)?, name(key)?);
        if !names.insert(keys) {
            let (namespace, key) = (namespace.clone(), key.clone());
            return Err(Error::NvsTwice { namespace, key });
        }
        let refused = |error: esp_nvs::error::Error| Error::Nvs {
            namespace: namespace.clone(),
            key: key.clone(),
            reason: remedy(&error),
        };
        let nvs = match &mut nvs {
            Some(nvs) => nvs,
            none => none.insert(open(vec![0xFF; size]).map_err(refused)?),
        };
        store(nvs, &keys.0, &keys.1, value).map_err(refused)?;
    }
    Ok(nvs.map_or_else(|| vec![0xFF; size], |nvs| nvs.into_inner().into_inner()))
}

/// Lists what a partition holds, sorted by name.
///
/// # Errors
///
/// Why it cannot be read.
pub(crate) fn list(bytes: &[u8]) -> Result<Vec<NvsItem>, String> {
    if let Some(why) = foreign::why(bytes) {
        return Err(why.to_owned());
    }
    // Opening repairs what it finds; that happens to a copy.
    let mut nvs = open(bytes.to_vec()).map_err(|error| error.to_string())?;
    let items: Result<Vec<_>, String> = nvs
        .typed_entries()
        .map(|entry| {
            let (namespace, key, kind) = entry.map_err(|error| error.to_string())?;
            let kind = kind_name(kind);
            Ok(NvsItem {
                namespace: namespace.to_string(),
                key: key.to_string(),
                kind,
            })
        })
        .collect();
    let mut items = items?;
    items.sort_by(|a, b| (&a.namespace, &a.key).cmp(&(&b.namespace, &b.key)));
    Ok(items)
}

fn open(bytes: Vec<u8>) -> Result<Nvs<MemFlash>, esp_nvs::error::Error> {
    let size = bytes.len();
    if !size.is_multiple_of(SECTOR) {
        return Err(esp_nvs::error::Error::InvalidPartitionSize);
    }
    Nvs::new(0, size, MemFlash::from_bytes(bytes))
}

fn store(
    nvs: &mut Nvs<MemFlash>,
    namespace: &Key,
    key: &Key,
    value: &NvsValue,
) -> Result<(), esp_nvs::error::Error> {
    match value {
        NvsValue::U8(value) => nvs.set(namespace, key, *value),
        NvsValue::I8(value) => nvs.set(namespace, key, *value),
        NvsValue::U16(value) => nvs.set(namespace, key, *value),
        NvsValue::I16(value) => nvs.set(namespace, key, *value),
        NvsValue::U32(value) => nvs.set(namespace, key, *value),
        NvsValue::I32(value) => nvs.set(namespace, key, *value),
        NvsValue::U64(value) => nvs.set(namespace, key, *value),
        NvsValue::I64(value) => nvs.set(namespace, key, *value),
        NvsValue::Text(text) => nvs.set(namespace, key, text.as_str()),
        NvsValue::Blob(bytes) => nvs.set(namespace, key, bytes.as_slice()),
    }
}

fn name(text: &str) -> Result<Key, Error> {
    let is_name = (1..=MAX_KEY_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii() && byte != 0);
    // `Key` panics on anything else.
    if is_name {
        Ok(Key::from_str(text))
    } else {
        Err(Error::NvsName(text.to_owned()))
    }
}

fn remedy(error: &esp_nvs::error::Error) -> String {
    match error {
        esp_nvs::error::Error::FlashFull => {
            "the partition is full: store less, or enlarge it (one page of 4096 bytes has to stay \
             free)"
                .into()
        }
        esp_nvs::error::Error::ValueTooLong => {
            "the value is too long: a text can have 3999 bytes; store it as a blob or as a file"
                .into()
        }
        other => other.to_string(),
    }
}

fn kind_name(kind: ItemType) -> &'static str {
    match kind {
        ItemType::U8 => "u8",
        ItemType::I8 => "i8",
        ItemType::U16 => "u16",
        ItemType::I16 => "i16",
        ItemType::U32 => "u32",
        ItemType::I32 => "i32",
        ItemType::U64 => "u64",
        ItemType::I64 => "i64",
        ItemType::Sized => "text",
        ItemType::Blob | ItemType::BlobData | ItemType::BlobIndex => "blob",
        ItemType::Any => "unknown",
    }
}
