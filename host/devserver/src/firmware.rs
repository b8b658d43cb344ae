//! Firmware: the package that is assigned to a device, what the device is told of it, and its chunks.
//!
//! Packages are kept in memory: with the server's end nothing is assigned any more.
//!
//! Source: what ThingsBoard 4.2.1 pushed and answered (a package assigned, asked for in chunks of several
//! sizes, taken away), and thingsboard/thingsboard, `DefaultOtaPackageStateService.java`,
//! `MqttTransportHandler.getOtaPackageCallback`, commit dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use thingsboard::firmware::OFFER_KEYS;

use crate::error::CallError;
use crate::hub::{Hub, now_ms};
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
    fn attributes(&self) -> Vec<(String, Datum)> {
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
    fn chunk(&self, chunk: u32, size: usize) -> &[u8] {
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

/// What is assigned, with the number of its package if it has one.
type Choice = (Arc<Firmware>, Option<i64>);

/// What is assigned.
#[derive(Default)]
pub(crate) struct Assigned(Mutex<HashMap<DeviceId, Choice>>);

impl Assigned {
    fn locked(&self) -> MutexGuard<'_, HashMap<DeviceId, Choice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, device: DeviceId, firmware: Option<Choice>) {
        let mut assigned = self.locked();
        match firmware {
            Some(firmware) => assigned.insert(device, firmware),
            None => assigned.remove(&device),
        };
    }

    fn of(&self, device: DeviceId) -> Option<Arc<Firmware>> {
        self.locked()
            .get(&device)
            .map(|(firmware, _)| firmware.clone())
    }

    /// The number of the package that is assigned to a device.
    pub(crate) fn package(&self, device: DeviceId) -> Option<i64> {
        self.locked().get(&device)?.1
    }

    /// Whether a package is assigned to any.
    pub(crate) fn has(&self, package: i64) -> bool {
        self.locked().values().any(|(_, row)| *row == Some(package))
    }
}

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
            *firmware = hub.assigned.of(device);
        }
        Some(firmware.as_ref()?.chunk(chunk, *size).to_vec())
    }
}

/// Assigns a package to a device, as with "Assigned firmware" of ThingsBoard's page.
pub(crate) async fn assign(
    hub: &Hub,
    name: &str,
    firmware: Arc<Firmware>,
    package: Option<i64>,
) -> Result<(), CallError> {
    let device = hub.device(name).await?;
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
    hub.assigned.set(device, Some((firmware, package)));
    // First what the package has not, then what it has.
    let absent = ["fw_tag", "fw_url"].map(str::to_owned);
    let absent = absent.into_iter();
    let absent = absent.filter(|key| attributes.iter().all(|(present, _)| present != key));
    hub.share(name, Vec::new(), absent.collect()).await?;
    hub.share(name, attributes, Vec::new()).await?;
    tell(hub, name, device, vec![text("fw_state", "INITIATED")]).await
}

/// Takes away what is assigned.
pub(crate) async fn take_away(hub: &Hub, name: &str) -> Result<(), CallError> {
    let device = hub.device(name).await?;
    hub.assigned.set(device, None);
    let all = ALL_KEYS.map(str::to_owned).to_vec();
    hub.share(name, Vec::new(), all).await
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
