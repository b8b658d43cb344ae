//! Shared attributes of a device, which the server sets and tells the device.

use serde_json::{Value, json};

use super::escaped;
use crate::{Client, Error};

impl Client {
    /// Sets a shared attribute (`TelemetryController.saveEntityAttributesV2`). The device is told of all that
    /// come in one request in one message.
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn share(&self, device_id: &str, key: &str, value: &str) -> Result<(), Error> {
        let device_id = escaped(device_id);
        let path = format!("/api/plugins/telemetry/DEVICE/{device_id}/attributes/SHARED_SCOPE");
        // What it answers says nothing.
        self.post::<Value>(&path, &json!({ key: value })).map(drop)
    }

    /// Deletes shared attributes; those that are not there are gone already
    /// (`TelemetryController.deleteEntityAttributes`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn unshare(&self, device_id: &str, keys: &[String]) -> Result<(), Error> {
        let (device_id, keys) = (escaped(device_id), escaped(&keys.join(",")));
        self.delete(&format!(
            "/api/plugins/telemetry/DEVICE/{device_id}/SHARED_SCOPE?keys={keys}"
        ))
    }
}
