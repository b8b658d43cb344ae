//! Packages of firmware that may be assigned. They are gone with the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::firmware::Firmware;

/// A package.
#[derive(Clone)]
pub(crate) struct Package {
    /// Its number.
    pub(crate) row: i64,
    pub(crate) created_ms: i64,
    /// The row of the profile whose devices may have it.
    pub(crate) profile: i64,
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) tag: Option<String>,
    /// With its bytes, once they are there.
    pub(crate) firmware: Option<Arc<Firmware>>,
}

/// All packages, by their numbers.
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

    /// Gives it a number; none if there is one of that title and version.
    pub(crate) fn add(&self, mut package: Package) -> Option<Package> {
        let mut all = self.locked();
        let name = (&package.title, &package.version);
        if all
            .values()
            .any(|there| (&there.title, &there.version) == name)
        {
            return None;
        }
        package.row = all.last_key_value().map_or(1, |(last, _)| last + 1);
        all.insert(package.row, package.clone());
        Some(package)
    }

    /// Gives it its bytes.
    pub(crate) fn give(&self, row: i64, firmware: Arc<Firmware>) -> Option<Package> {
        let mut all = self.locked();
        let package = all.get_mut(&row)?;
        package.firmware = Some(firmware);
        Some(package.clone())
    }

    pub(crate) fn remove(&self, row: i64) {
        self.locked().remove(&row);
    }
}
