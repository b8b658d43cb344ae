//! Campaigns: a new version of the firmware for many devices, in waves.
//!
//! After each wave comes a gate: its devices are online again, run the version, send samples and do not
//! crash. A campaign halts when too many fail, and then takes the package back from those that have not
//! begun. What was done is in a [`Ledger`]: a campaign that was interrupted goes on from there.
//!
//! [`Campaign::step`] looks at the devices once and does what is to be done; when to look again is the
//! caller's affair, and so is what to do with the time between.

mod gate;
mod ledger;
mod member;
mod report;
mod run;
mod waves;

use std::time::Duration;

use serde::Serialize;

use crate::rest::{NewPackage, Package};
use crate::{Client, Error};

pub use ledger::{Ledger, LedgerError};
pub use member::Stage;
pub use report::{Report, WaveReport};
pub use run::{Campaign, Next, Order, Planned, Told};
pub use waves::{Share, Waves};

/// What a campaign brings, and where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// The product.
    pub title: String,
    /// The version.
    pub version: String,
    /// SHA-256 of the package.
    pub sha256: String,
    /// The server.
    pub server: String,
}

/// How a campaign goes.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How many devices are reached after each wave.
    pub waves: Waves,
    /// How many may be at it at once.
    pub at_once: usize,
    /// How long a device may take, and again for its samples after it.
    pub patience: Duration,
    /// How long a device has to run the version well.
    pub soak: Duration,
    /// How many may fail of those that were tried.
    pub most_failures: Share,
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
