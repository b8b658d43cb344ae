//! What the server knows of one device of a campaign.

use crate::Device;

/// What the server knows of a device that matters to a campaign. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) device: Device,
    /// What it has of what the campaign brings: the version that it runs, its certificate's serial number.
    pub(super) running: Option<String>,
    /// How far it is with the new one, as `fw_state`, and when it told.
    pub(super) state: Option<(String, i64)>,
    pub(super) error: Option<String>,
    /// What it asks for.
    pub(super) request: Option<String>,
    /// The time of its newest sample.
    pub(super) sample_ms: Option<i64>,
}

impl Seen {
    /// Of a device of which nothing more is known.
    pub(super) fn of(device: Device) -> Self {
        Self {
            device,
            running: None,
            state: None,
            error: None,
            request: None,
            sample_ms: None,
        }
    }

    /// Of a device that the server does not know any more.
    pub(super) fn gone(id: &str, name: &str) -> Self {
        Self::of(Device {
            id: id.to_owned(),
            name: name.to_owned(),
            ..Device::default()
        })
    }
}
