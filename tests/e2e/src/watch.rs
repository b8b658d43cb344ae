//! Updates of the firmware, as the server has them and sees them.

use devserver::{Datum, Event, Events, Firmware, Server};

/// What a device tells of an update that succeeds, in this order.
pub const UPDATED: [&str; 7] = [
    "QUEUED",
    "INITIATED",
    "DOWNLOADING",
    "DOWNLOADED",
    "VERIFIED",
    "UPDATING",
    "UPDATED",
];

/// What the server sees of a device's updates from now on.
pub struct Watch {
    events: Events,
    device: String,
}

impl Watch {
    /// Watches the device of this name.
    #[must_use]
    pub fn of(server: &Server, device: &str) -> Self {
        Self {
            events: server.events(),
            device: device.to_owned(),
        }
    }

    /// The states told by the device up to this one, and the last reason.
    ///
    /// # Panics
    ///
    /// If the server ends.
    pub async fn states_until(&mut self, last: &str) -> (Vec<String>, String) {
        let (mut states, mut why) = (Vec::new(), String::new());
        loop {
            let event = self.events.next().await.expect("the server lives");
            let Event::Telemetry { device, records } = &*event else {
                continue;
            };
            if *device != self.device {
                continue;
            }
            for (key, value) in records.iter().flat_map(|record| &record.values) {
                match (key.as_str(), value) {
                    ("fw_state", Datum::Text(state)) => states.push(state.clone()),
                    ("fw_error", Datum::Text(error)) => why = error.clone(),
                    _ => {}
                }
            }
            if states.last().is_some_and(|state| state == last) {
                return (states, why);
            }
        }
    }
}

/// Assigns firmware to a device.
///
/// # Panics
///
/// If the server does not take it.
pub async fn assign(server: &Server, device: &str, firmware: Firmware) {
    let assigned = server.assign_firmware(device, firmware).await;
    assigned.expect("it is assigned");
}

/// The last value of a series of a device, as text.
///
/// # Panics
///
/// If there is none, or it is no text.
pub async fn latest(server: &Server, device: &str, key: &str) -> String {
    let all = server.latest(device).await.expect("telemetry");
    match all.get(key).map(|point| &point.value) {
        Some(Datum::Text(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    }
}
