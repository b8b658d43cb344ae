//! Firmware: the package that is assigned to a device, what the device is told of it, and its chunks.
//!
//! A device has its own, or that of its profile. Both stay assigned when the server ends.
//!
//! Source: what ThingsBoard 4.2.1 pushed and answered (a package assigned, asked for in chunks of several
//! sizes, taken away), and thingsboard/thingsboard, `DefaultOtaPackageStateService.java`,
//! `MqttTransportHandler.getOtaPackageCallback`, commit dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use std::collections::HashMap;
use std::sync::Arc;

use crate::assigned::Choice;
use crate::error::CallError;
use crate::hub::{Hub, now_ms};
use crate::packages::{Firmware, Package};
use crate::store::DeviceId;
use crate::value::{Datum, Record};

/// All that is deleted when a package is taken away, in ThingsBoard's order.
const ALL_KEYS: [&str; 9] = [
    "fw_checksum_algorithm",
    "fw_version",
    "fw_ts",
    "fw_tag",
    "fw_checksum",
    "fw_title",
    "fw_state",
    "fw_size",
    "fw_url",
];

/// What a connection remembers of each download, by the number of its requests: the package, which stays
/// the same although another is assigned, and the size of a chunk, which need not be said again.
#[derive(Default)]
pub(crate) struct Downloads(HashMap<u32, (Option<Arc<Firmware>>, usize)>);

impl Downloads {
    /// The size that counts: the one said now, or the last one said.
    pub(crate) fn size(&mut self, request: u32, said: usize) -> usize {
        let (_, size) = self.0.entry(request).or_default();
        if said > 0 {
            *size = said;
        }
        *size
    }

    /// A chunk; none if no package is assigned.
    pub(crate) fn chunk(
        &mut self,
        hub: &Hub,
        device: DeviceId,
        request: u32,
        chunk: u32,
    ) -> Option<Vec<u8>> {
        let (firmware, size) = self.0.entry(request).or_default();
        if firmware.is_none() {
            *firmware = hub.assigned.choice(device).map(|choice| choice.firmware);
        }
        Some(firmware.as_ref()?.chunk(chunk, *size).to_vec())
    }
}

/// Gives a device firmware that nobody else may have, as with a package of its own.
pub(crate) async fn give(hub: &Hub, name: &str, firmware: Firmware) -> Result<(), CallError> {
    let mut package = Package {
        row: 0,
        created_ms: now_ms(),
        profile: None,
        title: firmware.title.clone(),
        version: firmware.version.clone(),
        tag: firmware.tag.clone(),
        firmware: Some(firmware.into()),
    };
    let stored = package.clone();
    // Of those of no profile there may be several with one name.
    let row = hub.store.submit(move |db| db.add_package(&stored)).await?;
    package.row = row.unwrap_or_default();
    assign(hub, name, &package).await
}

/// Assigns a package to a device, as with "Assigned firmware" of ThingsBoard's page. One that it has
/// by its profile is not told again (`DefaultOtaPackageStateService.updateFirmware`).
pub(crate) async fn assign(hub: &Hub, name: &str, package: &Package) -> Result<(), CallError> {
    let Some(firmware) = package.firmware.clone() else {
        return Ok(());
    };
    let (device, row) = (hub.device(name).await?, package.row);
    let before = hub.assigned.choice(device);
    let stored = hub
        .store
        .submit(move |db| db.set_own_package(device, Some(row)));
    stored.await?;
    let choice = Choice {
        firmware,
        package: row,
        own: true,
    };
    if before.is_some_and(|before| before.package == row) {
        hub.assigned.set(device, choice);
        return Ok(());
    }
    offer(hub, name, device, choice).await
}

/// Takes away what is assigned to a device itself; what its profile has comes in its place.
pub(crate) async fn take_away(hub: &Hub, name: &str) -> Result<(), CallError> {
    let device = hub.device(name).await?;
    let stored = hub.store.submit(move |db| db.set_own_package(device, None));
    stored.await?;
    follow(hub, name, device).await
}

/// Offers a device that has nothing of its own what its profile has, or nothing.
pub(crate) async fn follow(hub: &Hub, name: &str, device: DeviceId) -> Result<(), CallError> {
    let before = hub.assigned.choice(device);
    let found = hub.store.submit(move |db| db.package_of_profile(device));
    let package = found.await?.and_then(|row| hub.packages.get(row));
    let choice = package.and_then(|package| {
        Some(Choice {
            firmware: package.firmware?,
            package: package.row,
            own: false,
        })
    });
    match (choice, before) {
        (Some(choice), Some(before)) if choice.package == before.package => {
            hub.assigned.set(device, choice);
            Ok(())
        }
        (Some(choice), _) => offer(hub, name, device, choice).await,
        (None, Some(_)) => {
            hub.assigned.forget(device);
            let all = ALL_KEYS.map(str::to_owned).to_vec();
            hub.share(name, Vec::new(), all).await
        }
        (None, None) => Ok(()),
    }
}

/// The devices of a profile whose package is another now (`DefaultOtaPackageStateService.update`).
pub(crate) async fn follow_all(hub: &Hub, profile: i64) -> Result<(), CallError> {
    let followers = hub.store.submit(move |db| db.followers(profile)).await?;
    for device in followers {
        match follow(hub, &device.name, device.id).await {
            // It was deleted meanwhile.
            Ok(()) | Err(CallError::NoSuchDevice) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn offer(hub: &Hub, name: &str, device: DeviceId, choice: Choice) -> Result<(), CallError> {
    let firmware = &choice.firmware;
    let attributes = firmware.attributes();
    let text = |key: &str, value: &str| (key.to_owned(), Datum::Text(value.to_owned()));
    let mut target = vec![
        text("target_fw_title", &firmware.title),
        text("target_fw_version", &firmware.version),
    ];
    target.extend(firmware.tag.iter().map(|tag| text("target_fw_tag", tag)));
    target.push(("target_fw_ts".to_owned(), Datum::Long(now_ms())));
    target.push(text("fw_state", "QUEUED"));
    tell(hub, name, device, target).await?;
    hub.assigned.set(device, choice);
    // First what the package has not, then what it has.
    let absent = ["fw_tag", "fw_url"].map(str::to_owned);
    let absent = absent.into_iter();
    let absent = absent.filter(|key| attributes.iter().all(|(present, _)| present != key));
    hub.share(name, Vec::new(), absent.collect()).await?;
    hub.share(name, attributes, Vec::new()).await?;
    tell(hub, name, device, vec![text("fw_state", "INITIATED")]).await
}

/// Writes into the device's series, as ThingsBoard does of its own accord.
async fn tell(
    hub: &Hub,
    name: &str,
    device: DeviceId,
    values: Vec<(String, Datum)>,
) -> Result<(), CallError> {
    let ts_ms = now_ms();
    let records = vec![Record { ts_ms, values }];
    let stored = records.clone();
    let insert = hub.store.submit(move |db| db.insert(device, &stored));
    insert.await?;
    hub.emit_telemetry(name, records);
    Ok(())
}
