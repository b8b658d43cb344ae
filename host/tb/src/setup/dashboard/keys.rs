//! What is asked of each device, and how it is called in the widgets.
//!
//! Labels are what the functions of `*.js` read: one value has one label, whichever widget shows it.

use serde_json::{Value, json};

use super::Series;

/// What a value is to ThingsBoard (`DataKeyType`).
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Attribute,
    TimeSeries,
    Alarm,
}

/// A value and its label.
pub(super) type Key = (Kind, &'static str, &'static str);

use Kind::{Alarm, Attribute, TimeSeries};

/// From which `online` of fleet.js is told.
pub(super) const STATE: [Key; 5] = [
    (Attribute, "active", "Online"),
    (Attribute, "lastActivityTime", "Last heard"),
    (Attribute, "lastConnectTime", "Connected"),
    (Attribute, "lastDisconnectTime", "Disconnected"),
    (Attribute, "inactivityAlarmTime", "Counted out"),
];
pub(super) const DROPPED: Key = (TimeSeries, "dropped", "Dropped");
pub(super) const CRASH: Key = (Attribute, "panic", "Last crash");
pub(super) const CERTIFICATE: Key = (Attribute, "certificate_expires_ms", "Certificate ends");
pub(super) const STARTED: Key = (Attribute, "reset_reason", "Started by");
/// What it is built as, and what it updated itself to.
pub(super) const VERSION: [Key; 2] = [
    (Attribute, "firmware_version", "Firmware"),
    (TimeSeries, "current_fw_version", "Updated"),
];
/// What is beside these in a device's own card.
pub(super) const FURTHER: [Key; 5] = [
    (Attribute, "chip", "Chip"),
    (Attribute, "certificate_issuer", "Issued by"),
    (Attribute, "panic_at", "Crashed at"),
    (Attribute, "telemetry_limit", "Limit"),
    (Attribute, "refused", "Refused"),
];
pub(super) const OF_ALARMS: [Key; 5] = [
    (Alarm, "createdTime", "Since"),
    (Alarm, "originator", "Device"),
    (Alarm, "type", "Alarm"),
    // What the rule has as its details (alarms.rs).
    (Alarm, "details.data", "What"),
    (Alarm, "severity", "Severity"),
];

const COLORS: [&str; 6] = [
    "#1976d2", "#2e7d32", "#c62828", "#f9a825", "#546e7a", "#6a1b9a",
];

/// A `DataKey`.
pub(super) fn data_key(index: usize, (kind, name, label): (Kind, &str, &str)) -> Value {
    let kind = match kind {
        Attribute => "attribute",
        TimeSeries => "timeseries",
        Alarm => "alarm",
    };
    // Told apart by a number that the page would choose at random.
    let hash = (index + 1) as f64 / 128.0;
    json!({
        "name": name, "type": kind, "label": label, "color": COLORS[index % COLORS.len()], "settings": {},
        "_hash": hash,
    })
}

/// The same of numbers that a device measures.
pub(super) fn series_key(index: usize, series: &Series, label: &str) -> Value {
    let mut key = data_key(index, (TimeSeries, &series.key, label));
    key["units"] = json!(series.unit);
    key["decimals"] = json!(series.decimals);
    key
}
