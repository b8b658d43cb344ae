//! A package of firmware for devices.

use super::brings::{Brings, Words};
use super::member::Member;
use super::seen::Seen;
use crate::rest::{EntityData, Key, KeyType, NewPackage, Package};
use crate::{Client, Device, Error};

/// A package that is on the server.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// The id of the package on the server.
    pub package: String,
    /// Its version.
    pub version: String,
}

const WORDS: Words = Words {
    late: "not updated",
    state: "fw_state",
    it: "the update",
    uses: "runs the new version",
    used: "ran the new version",
    old: "",
};

const KEYS: [Key<'static>; 2] = [
    Key {
        kind: KeyType::TimeSeries,
        key: "fw_state",
    },
    Key {
        kind: KeyType::TimeSeries,
        key: "fw_error",
    },
];

impl Brings for Firmware {
    fn words(&self) -> &'static Words {
        &WORDS
    }

    fn keys(&self) -> &'static [Key<'static>] {
        &KEYS
    }

    fn see(&self, data: &EntityData, device: Device) -> Seen {
        let text = |key| data.text(KeyType::TimeSeries, key).map(str::to_owned);
        let at = |key| data.value(KeyType::TimeSeries, key).map(|value| value.ts);
        Seen {
            running: device.firmware.clone(),
            state: text("fw_state").zip(at("fw_state")),
            error: text("fw_error"),
            ..Seen::of(device)
        }
    }

    fn has_it(&self, seen: &Seen, _: i64) -> bool {
        seen.running.as_deref() == Some(self.version.as_str())
    }

    fn is_there(&self, _: &Member, seen: &Seen) -> bool {
        self.has_it(seen, 0)
    }

    fn give(&self, client: &Client, member: &Member) -> Result<(), Error> {
        let assigned = client.assign_package(&member.id, Some(&self.package));
        assigned.map(drop)
    }

    fn take_back(&self, client: &Client, member: &Member) -> Result<(), Error> {
        client.assign_package(&member.id, None).map(drop)
    }
}

/// The package on the server: the one that is there with these bytes, or a new one for a profile.
///
/// # Errors
///
/// [`Error`]; [`Error::InTheWay`] if there is another of that title and version.
pub fn upload(client: &Client, new: &NewPackage<'_>, data: &[u8]) -> Result<Package, Error> {
    let there = match find(client, new, data)? {
        Some(there) if there.has_data => return Ok(there),
        // Somebody was interrupted between the two requests.
        Some(there) => there,
        None => client.create_package(new)?,
    };
    client.upload_package(&there.id.id, data)
}

/// The package, if it is on the server.
///
/// # Errors
///
/// As [`upload`].
pub fn find(client: &Client, new: &NewPackage<'_>, data: &[u8]) -> Result<Option<Package>, Error> {
    let packages = client.packages()?;
    let found = packages.into_iter().find(|one| {
        one.kind == "FIRMWARE"
            && (one.title.as_str(), one.version.as_str()) == (new.title, new.version)
    });
    let Some(there) = found else {
        return Ok(None);
    };
    let name = format!("{} {}", new.title, new.version);
    if there.has_data && there.is(data) != Some(true) {
        return Err(Error::InTheWay(format!(
            "the server has a package {name} with other bytes: devices know a version by its number, so raise it and \
             build anew"
        )));
    }
    if there.device_profile_id.as_ref() != Some(new.device_profile_id) {
        return Err(Error::InTheWay(format!(
            "the server has the package {name} for another device profile: name that one by --profile, or delete the \
             package there"
        )));
    }
    Ok(Some(there))
}
