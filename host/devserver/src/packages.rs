//! Packages of firmware that may be assigned, as they are at hand: the store has them, too, and the server
//! begins with what is there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use thingsboard::firmware::OFFER_KEYS;

use crate::value::Datum;

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Its title: the product's name, usually.
    pub title: String,
    /// Its version.
    pub version: String,
    /// What users see of it, if it has one.
    pub tag: Option<String>,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Firmware {
    /// The shared attributes that offer it.
    pub(crate) fn attributes(&self) -> Vec<(String, Datum)> {
        let checksum = sha256(&self.data);
        let text = |key: &str, value: &str| (key.to_owned(), Datum::Text(value.to_owned()));
        let [title, version, size, sum, algorithm] = OFFER_KEYS;
        let mut attributes = vec![text(title, &self.title), text(version, &self.version)];
        attributes.extend(self.tag.iter().map(|tag| text("fw_tag", tag)));
        attributes.push((size.to_owned(), Datum::Long(self.data.len() as i64)));
        attributes.push(text(algorithm, "SHA256"));
        attributes.push(text(sum, &checksum));
        attributes
    }

    /// A chunk; nothing behind the end. Of size 0 the first one is everything.
    pub(crate) fn chunk(&self, chunk: u32, size: usize) -> &[u8] {
        if size == 0 {
            return if chunk == 0 { &self.data } else { &[] };
        }
        let rest = (chunk as usize)
            .checked_mul(size)
            .and_then(|from| self.data.get(from..));
        let rest = rest.unwrap_or_default();
        rest.get(..size).unwrap_or(rest)
    }
}

/// In hexadecimal digits.
pub(crate) fn sha256(data: &[u8]) -> String {
    let digest = Sha256::digest(data);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A package, with what the server knows of it.
#[derive(Clone)]
pub(crate) struct Package {
    /// Its number.
    pub(crate) row: i64,
    pub(crate) created_ms: i64,
    /// The row of the profile whose devices may have it; none of what was given to one device alone.
    pub(crate) profile: Option<i64>,
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) tag: Option<String>,
    /// With its bytes, once they are there.
    pub(crate) firmware: Option<Arc<Firmware>>,
}

/// All packages of profiles, by their numbers.
#[derive(Default)]
pub(crate) struct Packages(Mutex<BTreeMap<i64, Package>>);

impl Packages {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<i64, Package>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Package> {
        self.locked().values().cloned().collect()
    }

    pub(crate) fn get(&self, row: i64) -> Option<Package> {
        self.locked().get(&row).cloned()
    }

    pub(crate) fn put(&self, package: Package) {
        self.locked().insert(package.row, package);
    }

    pub(crate) fn remove(&self, row: i64) {
        self.locked().remove(&row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_end_with_the_package() {
        let firmware = Firmware {
            title: "esptb".to_owned(),
            version: "1".to_owned(),
            tag: None,
            data: (0..10).collect(),
        };
        assert_eq!(firmware.chunk(0, 4), [0, 1, 2, 3]);
        assert_eq!(firmware.chunk(2, 4), [8, 9]);
        assert_eq!(firmware.chunk(3, 4), [0; 0]);
        assert_eq!(firmware.chunk(u32::MAX, usize::MAX), [0; 0]);
        assert_eq!(
            (firmware.chunk(0, 0).len(), firmware.chunk(1, 0).len()),
            (10, 0)
        );
    }
}
