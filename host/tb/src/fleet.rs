//! How the devices are: what the server knows of each, and what each told.
//!
//! What a value means is the device's to say (`crates/device/src/cloud/outbound.rs`); here they are read,
//! many devices to a request. Nothing is asked of the devices themselves.

use serde::Serialize;

use crate::rest::{DataQuery, EntityData, EntityFilter, Key, KeyType, Page, PageLink, SortOrder};
use crate::{Client, Error};

/// How many devices a request asks for: a page of a thousand is some 600 KB.
const PAGE: u32 = 1_000;

/// A device and how it is. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Device {
    /// The server's id of it.
    pub id: String,
    /// Its name, which is its serial number.
    pub name: String,
    /// The name of its profile.
    pub profile: String,
    /// Whether the server takes it for connected.
    pub online: bool,
    /// Since when it is that, or is it no more.
    pub since_ms: Option<i64>,
    /// When it was last heard.
    pub last_activity_ms: Option<i64>,
    /// Its firmware's version.
    pub firmware: Option<String>,
    /// Its chip.
    pub chip: Option<String>,
    /// When its certificate ends.
    pub certificate_expires_ms: Option<i64>,
    /// Its certificate's serial number, lower-case hexadecimal.
    pub certificate_serial: Option<String>,
    /// The common name of who issued it.
    pub certificate_issuer: Option<String>,
    /// How far it is with a new one (docs/certificate-renewal.md).
    pub certificate_renewal: Option<String>,
    /// How many samples wait in it; known only where it was [asked](crate::ask_backlogs).
    pub backlog: Option<i64>,
    /// How many samples it lost since it started.
    pub dropped: Option<i64>,
    /// Why it started last.
    pub reset_reason: Option<String>,
    /// Its last crash.
    pub crash: Option<Crash>,
    /// Which limit it keeps to.
    pub limit: Option<String>,
    /// What it was told and cannot do.
    pub refused: Option<String>,
}

/// A crash, as the device told when it was back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Crash {
    /// When it told.
    pub told_ms: i64,
    /// What the panic said.
    pub message: String,
    /// In which line.
    pub at: Option<String>,
    /// Where from: addresses.
    pub backtrace: Option<String>,
    /// The build that they belong to: how the SHA-256 of its ELF file begins.
    pub build: Option<String>,
}

/// Which devices.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this profile.
    pub profile: Option<String>,
    /// Whose name begins so.
    pub name: Option<String>,
    /// Those that are connected, or those that are not.
    pub online: Option<bool>,
    /// Of this version.
    pub firmware: Option<String>,
    /// Whose certificate ends within so many days, or has ended.
    pub expires_within_days: Option<u32>,
    /// That lost samples.
    pub dropped: bool,
    /// That told of a crash.
    pub crashed: bool,
}

/// How many are how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All.
    pub devices: usize,
    /// Those that are connected.
    pub online: usize,
    /// Those whose certificate ends within 30 days, or has ended.
    pub certificate_ends_soon: usize,
    /// Those that lost samples.
    pub dropped: usize,
    /// Those that told of a crash.
    pub crashed: usize,
    /// How many have which version, the most frequent first.
    pub firmware: Vec<(String, usize)>,
}

const DAY_MS: i64 = 24 * 3600 * 1000;
/// What is heard so long after a device has left was not on its way before.
const BACK_MS: i64 = 1_000;
/// What counts as soon, in days.
pub(crate) const SOON_DAYS: u32 = 30;

const FIELDS: [Key<'static>; 2] = [
    key(KeyType::EntityField, "name"),
    key(KeyType::EntityField, "type"),
];

const VALUES: [Key<'static>; 20] = [
    key(KeyType::ServerAttribute, "active"),
    key(KeyType::ServerAttribute, "lastConnectTime"),
    key(KeyType::ServerAttribute, "lastDisconnectTime"),
    key(KeyType::ServerAttribute, "lastActivityTime"),
    key(KeyType::ServerAttribute, "inactivityAlarmTime"),
    key(KeyType::ClientAttribute, "firmware_version"),
    key(KeyType::ClientAttribute, "chip"),
    key(KeyType::ClientAttribute, "certificate_expires_ms"),
    key(KeyType::ClientAttribute, "certificate_serial"),
    key(KeyType::ClientAttribute, "certificate_issuer"),
    key(KeyType::ClientAttribute, "certificate_renewal"),
    key(KeyType::ClientAttribute, "reset_reason"),
    key(KeyType::ClientAttribute, "panic"),
    key(KeyType::ClientAttribute, "panic_at"),
    key(KeyType::ClientAttribute, "panic_backtrace"),
    key(KeyType::ClientAttribute, "panic_build"),
    key(KeyType::ClientAttribute, "telemetry_limit"),
    key(KeyType::ClientAttribute, "refused"),
    key(KeyType::TimeSeries, "dropped"),
    key(KeyType::TimeSeries, "current_fw_version"),
];

const fn key(kind: KeyType, key: &str) -> Key<'_> {
    Key { kind, key }
}

impl Device {
    fn read(data: &EntityData) -> Self {
        use KeyType::{
            ClientAttribute as Client, EntityField, ServerAttribute as Server, TimeSeries,
        };
        let text = |key| data.text(Client, key).map(str::to_owned);
        let server = |key| data.number(Server, key).filter(|&ms| ms > 0);
        // The server's own attribute (`DefaultDeviceStateService`, `ACTIVITY_STATE`): an orderly
        // DISCONNECT leaves it as it is until the device has been silent for some minutes. Of devices that are
        // made by their first connection it may stay false (seen with 4.2.1): then the server has not counted
        // them out since it heard them.
        let (heard, counted_out) = (server("lastActivityTime"), server("inactivityAlarmTime"));
        let active = data.text(Server, "active") == Some("true") || heard > counted_out;
        let (connected, left) = (server("lastConnectTime"), server("lastDisconnectTime"));
        // A connection that took the place of another may end the other after it has begun: then the device
        // is heard after it has left.
        let is_back = connected >= left || heard > left.map(|left| left + BACK_MS);
        let online = active && connected.is_some() && is_back;
        let crash = data.value(Client, "panic").and_then(|panic| {
            Some(Crash {
                told_ms: panic.ts,
                message: panic.value.clone().filter(|text| !text.is_empty())?,
                at: text("panic_at"),
                backtrace: text("panic_backtrace"),
                build: text("panic_build"),
            })
        });
        Self {
            id: data.entity_id.id.clone(),
            name: data
                .text(EntityField, "name")
                .unwrap_or_default()
                .to_owned(),
            profile: data
                .text(EntityField, "type")
                .unwrap_or_default()
                .to_owned(),
            online,
            since_ms: match online {
                true => connected,
                false => left.max(counted_out).or(connected),
            },
            last_activity_ms: heard,
            // As ThingsBoard's updates know it; a device that takes none tells the attribute alone.
            firmware: data
                .text(TimeSeries, "current_fw_version")
                .map(str::to_owned)
                .or_else(|| text("firmware_version")),
            chip: text("chip"),
            certificate_expires_ms: data.number(Client, "certificate_expires_ms"),
            certificate_serial: text("certificate_serial"),
            certificate_issuer: text("certificate_issuer"),
            certificate_renewal: text("certificate_renewal"),
            backlog: None,
            dropped: data.number(TimeSeries, "dropped"),
            reset_reason: text("reset_reason"),
            crash,
            limit: text("telemetry_limit"),
            refused: text("refused"),
        }
    }

    /// In how many days its certificate ends; negative if it has.
    #[must_use]
    pub fn certificate_days(&self, now_ms: i64) -> Option<i64> {
        self.certificate_expires_ms
            .map(|end| (end - now_ms).div_euclid(DAY_MS))
    }

    pub(crate) fn expires_within(&self, days: u32, now_ms: i64) -> bool {
        self.certificate_days(now_ms)
            .is_some_and(|left| left < i64::from(days))
    }

    fn has_dropped(&self) -> bool {
        self.dropped.is_some_and(|dropped| dropped > 0)
    }
}

impl Filter {
    /// Whether a device is one of those. Profile and name are for the server to look at.
    fn lets_through(&self, device: &Device, now_ms: i64) -> bool {
        self.online.is_none_or(|online| device.online == online)
            && self
                .firmware
                .as_ref()
                .is_none_or(|wanted| device.firmware.as_ref() == Some(wanted))
            && self
                .expires_within_days
                .is_none_or(|days| device.expires_within(days, now_ms))
            && (!self.dropped || device.has_dropped())
            && (!self.crashed || device.crash.is_some())
    }

    /// Asks for all those, in the order of their names. `progress` is told how many were looked at, and
    /// of how many.
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn find(
        &self,
        client: &Client,
        now_ms: i64,
        progress: impl FnMut(u64, u64),
    ) -> Result<Vec<Device>, Error> {
        let read = |_: &EntityData, device| device;
        self.find_with(client, now_ms, &[], read, progress)
    }

    /// The same with further values, and what is made of them.
    pub(crate) fn find_with<T>(
        &self,
        client: &Client,
        now_ms: i64,
        further: &[Key<'_>],
        read: impl Fn(&EntityData, Device) -> T,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Vec<T>, Error> {
        let name = self.name.as_deref().unwrap_or_default();
        let types = [self.profile.as_deref().unwrap_or_default()];
        let entity_filter = match &self.profile {
            Some(_) => EntityFilter::DeviceType {
                device_types: &types,
                device_name_filter: name,
            },
            None => EntityFilter::EntityName {
                entity_type: "DEVICE",
                entity_name_filter: name,
            },
        };
        let values: Vec<_> = VALUES.iter().chain(further).copied().collect();
        let mut query = DataQuery {
            entity_filter,
            entity_fields: &FIELDS,
            latest_values: &values,
            page_link: PageLink {
                page: 0,
                page_size: PAGE,
                sort_order: SortOrder {
                    key: FIELDS[0],
                    direction: "ASC",
                },
            },
        };
        let (mut found, mut seen) = (Vec::new(), 0);
        loop {
            let Page {
                data,
                total_elements,
                has_next,
            } = client.entities(&query)?;
            seen += data.len() as u64;
            progress(seen, total_elements);
            let devices = data.iter().map(|data| (data, Device::read(data)));
            let devices = devices.filter(|(_, device)| self.lets_through(device, now_ms));
            found.extend(devices.map(|(data, device)| read(data, device)));
            if !has_next || data.is_empty() {
                return Ok(found);
            }
            query.page_link.page += 1;
        }
    }
}

impl Summary {
    /// Counts.
    #[must_use]
    pub fn of(devices: &[Device], now_ms: i64) -> Self {
        let count =
            |is: &dyn Fn(&Device) -> bool| devices.iter().filter(|device| is(device)).count();
        let mut firmware = std::collections::BTreeMap::<&str, usize>::new();
        for device in devices {
            let version = device.firmware.as_deref().unwrap_or("unknown");
            *firmware.entry(version).or_default() += 1;
        }
        let mut firmware: Vec<_> = firmware
            .into_iter()
            .map(|(version, count)| (version.to_owned(), count))
            .collect();
        firmware.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            devices: devices.len(),
            online: count(&|device| device.online),
            certificate_ends_soon: count(&|device| device.expires_within(SOON_DAYS, now_ms)),
            dropped: count(&Device::has_dropped),
            crashed: count(&|device| device.crash.is_some()),
            firmware,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shaped as a ThingsBoard 4.2.1 answers.
    fn data(values: &str) -> EntityData {
        let text = format!(
            r#"{{"entityId":{{"entityType":"DEVICE","id":"x"}},"latest":{{{values}}},"timeseries":{{}},"aggLatest":{{}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_was_never_told_is_not_known() {
        let device = Device::read(&data(
            r#""ENTITY_FIELD":{"name":{"ts":5,"value":"SN-1"},"type":{"ts":5,"value":"esptb"}},
               "SERVER_ATTRIBUTE":{"active":{"ts":9,"value":"false"},"lastConnectTime":{"ts":0,"value":""}},
               "CLIENT_ATTRIBUTE":{"firmware_version":{"ts":0,"value":""},"panic":{"ts":0,"value":""}},
               "TIME_SERIES":{"dropped":{"ts":0,"value":""}}"#,
        ));
        assert_eq!(
            (device.name.as_str(), device.profile.as_str(), device.online),
            ("SN-1", "esptb", false)
        );
        assert_eq!(
            (
                device.firmware,
                device.crash,
                device.dropped,
                device.since_ms
            ),
            (None, None, None, None)
        );
    }

    #[test]
    fn who_has_left_is_not_online_whatever_the_server_thinks() {
        let device = |connected: i64, left: i64| {
            Device::read(&data(&format!(
                r#""SERVER_ATTRIBUTE":{{"active":{{"ts":9,"value":"true"}},
                   "lastConnectTime":{{"ts":9,"value":"{connected}"}},"lastDisconnectTime":{{"ts":9,"value":"{left}"}}}}"#
            )))
        };
        let here = device(2_000, 1_000);
        assert_eq!((here.online, here.since_ms), (true, Some(2_000)));
        let gone = device(2_000, 3_000);
        assert_eq!((gone.online, gone.since_ms), (false, Some(3_000)));
    }

    /// As a ThingsBoard 4.2.1 noted it of devices that it made as they connected.
    #[test]
    fn who_was_never_counted_out_is_online() {
        let device = |counted_out: i64, connected: i64| {
            Device::read(&data(&format!(
                r#""SERVER_ATTRIBUTE":{{"active":{{"ts":9,"value":"false"}},"lastConnectTime":{{"ts":9,"value":"{connected}"}},
                   "lastActivityTime":{{"ts":9,"value":"5000"}},"inactivityAlarmTime":{{"ts":9,"value":"{counted_out}"}}}}"#
            )))
        };
        assert!(device(0, 2_000).online && device(1_000, 2_000).online);
        assert!(!device(6_000, 2_000).online, "silent since");
        assert!(!device(0, 0).online, "it never connected");
    }

    /// As a ThingsBoard 4.2.1 noted it of a device that had connected anew: its old connection ended last.
    #[test]
    fn who_is_heard_after_it_left_has_come_back() {
        let device = |heard: i64| {
            Device::read(&data(&format!(
                r#""SERVER_ATTRIBUTE":{{"active":{{"ts":9,"value":"true"}},"lastConnectTime":{{"ts":9,"value":"2990"}},
                   "lastDisconnectTime":{{"ts":9,"value":"3000"}},"lastActivityTime":{{"ts":9,"value":"{heard}"}}}}"#
            )))
        };
        assert!(!device(3_000).online && !device(3_900).online);
        assert!(device(4_500).online);
        assert_eq!(device(4_500).since_ms, Some(2_990));
    }

    #[test]
    fn filters_take_those_that_are_meant() {
        let now = 100 * DAY_MS;
        let mut device = Device::read(&data(
            r#""CLIENT_ATTRIBUTE":{"firmware_version":{"ts":9,"value":"1.2.0"},
                "certificate_expires_ms":{"ts":9,"value":"8726400000"},
                "panic":{"ts":7,"value":"index out of bounds"},"panic_at":{"ts":7,"value":"src/main.rs:5"}},
               "TIME_SERIES":{"dropped":{"ts":9,"value":"3"}}"#,
        ));
        assert_eq!(device.certificate_days(now), Some(1));
        let crash = device.crash.clone().unwrap();
        assert_eq!(
            (crash.told_ms, crash.at.as_deref()),
            (7, Some("src/main.rs:5"))
        );
        let mut filter = Filter {
            firmware: Some("1.2.0".into()),
            expires_within_days: Some(30),
            dropped: true,
            crashed: true,
            online: Some(false),
            ..Filter::default()
        };
        assert!(filter.lets_through(&device, now));
        filter.firmware = Some("1.2.1".into());
        assert!(!filter.lets_through(&device, now));
        let summary = Summary::of(std::slice::from_ref(&device), now);
        assert_eq!(
            (
                summary.certificate_ends_soon,
                summary.dropped,
                summary.crashed
            ),
            (1, 1, 1)
        );
        device.dropped = Some(0);
        filter = Filter {
            dropped: true,
            ..Filter::default()
        };
        assert!(!filter.lets_through(&device, now));
    }
}
