//! Which package is assigned to which device; what follows from that for the device is the firmware's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::packages::{Firmware, Package};
use crate::profiles;
use crate::store::{Db, DeviceId, Kind, StoreError};

/// What is assigned.
#[derive(Clone)]
pub(crate) struct Choice {
    pub(crate) firmware: Arc<Firmware>,
    /// The number of its package.
    pub(crate) package: i64,
    /// Whether it was assigned to the device itself, not to its profile.
    pub(crate) own: bool,
}

/// What is assigned to which device.
#[derive(Default)]
pub(crate) struct Assigned(Mutex<HashMap<DeviceId, Choice>>);

impl Assigned {
    fn locked(&self) -> MutexGuard<'_, HashMap<DeviceId, Choice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it to a device.
    pub(crate) fn set(&self, device: DeviceId, choice: Choice) {
        self.locked().insert(device, choice);
    }

    /// Takes it from a device.
    pub(crate) fn forget(&self, device: DeviceId) {
        self.locked().remove(&device);
    }

    /// What a device has.
    pub(crate) fn choice(&self, device: DeviceId) -> Option<Choice> {
        self.locked().get(&device).cloned()
    }

    /// The number of the package that is assigned to a device itself.
    pub(crate) fn own(&self, device: DeviceId) -> Option<i64> {
        let choice = self.choice(device)?;
        choice.own.then_some(choice.package)
    }

    /// Whether a package is assigned to any device itself.
    pub(crate) fn has(&self, package: i64) -> bool {
        let mut all = self.locked();
        let mut all = all.values_mut();
        all.any(|choice| choice.own && choice.package == package)
    }

    /// What was assigned when the server ended, by packages and devices as they are stored.
    pub(crate) fn load(db: &mut Db) -> Result<(Self, Vec<Package>), StoreError> {
        let mut all = HashMap::new();
        for package in db.packages()? {
            all.insert(package.row, package);
        }
        let choice = |package: i64, own| {
            let firmware = all.get(&package)?.firmware.clone()?;
            Some(Choice {
                firmware,
                package,
                own,
            })
        };
        let mut assigned = HashMap::new();
        for (device, package) in db.own_packages()? {
            assigned.extend(choice(package, true).map(|choice| (device, choice)));
        }
        for profile in db.documents(Kind::Profile)? {
            let Some(package) = profiles::package(&profile.body) else {
                continue;
            };
            for device in db.followers(profile.row)? {
                assigned.extend(choice(package, false).map(|choice| (device.id, choice)));
            }
        }
        let mut packages: Vec<_> = all.into_values().collect();
        packages.retain(|package| package.profile.is_some());
        Ok((Self(Mutex::new(assigned)), packages))
    }
}
