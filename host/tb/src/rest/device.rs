//! Devices and what they prove themselves with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Id, escaped};
use crate::{Client, Error};

/// `Device`, as much of it as matters here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// The name of its profile.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its profile.
    pub device_profile_id: Id,
    /// When it was made, in milliseconds since 1970.
    pub created_time: i64,
}

/// `security/DeviceCredentials`, without their secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Of which kind.
    pub credentials_type: CredentialsType,
}

/// `security/DeviceCredentialsType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CredentialsType {
    /// An access token, which a device made by hand has.
    AccessToken,
    /// A certificate.
    #[serde(rename = "X509_CERTIFICATE")]
    X509Certificate,
    /// Client id, user and password.
    MqttBasic,
    /// LwM2M's own.
    Lwm2mCredentials,
    /// A kind of a later server.
    #[serde(other)]
    Other,
}

/// How long a call may take, in milliseconds; ThingsBoard takes 5,000 for less.
const CALL_MS: u32 = 10_000;

impl Client {
    /// The device of that name (`DeviceController.getTenantDevice`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn device(&self, name: &str) -> Result<Option<Device>, Error> {
        self.find(&format!("/api/tenant/devices?deviceName={}", escaped(name)))
    }

    /// How a device proves itself (`DeviceController.getDeviceCredentialsByDeviceId`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn credentials(&self, device_id: &str) -> Result<Credentials, Error> {
        self.get(&format!("/api/device/{device_id}/credentials"))
    }

    /// Makes a device with an access token, in the default profile (`DeviceController.saveDevice`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn create_device(&self, name: &str) -> Result<Device, Error> {
        self.post("/api/device", &serde_json::json!({ "name": name }))
    }

    /// Deletes a device and all that it sent (`DeviceController.deleteDevice`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn delete_device(&self, device_id: &str) -> Result<(), Error> {
        self.delete(&format!("/api/device/{device_id}"))
    }

    /// Calls a device that is online, and waits for its answer (`RpcV2Controller.handleTwoWayDeviceRPCRequest`).
    ///
    /// # Errors
    ///
    /// [`Error`]; status 504 if it does not answer in time.
    pub fn call(&self, device_id: &str, method: &str, params: &Value) -> Result<Value, Error> {
        let call = serde_json::json!({ "method": method, "params": params, "timeout": CALL_MS });
        self.post(&format!("/api/rpc/twoway/{device_id}"), &call)
    }

    /// The latest values of some series, as text, with their times (`TelemetryController.getTimeseries`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn latest(&self, device_id: &str, keys: &[&str]) -> Result<Value, Error> {
        let keys = escaped(&keys.join(","));
        self.get(&format!(
            "/api/plugins/telemetry/DEVICE/{device_id}/values/timeseries?keys={keys}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_credentials_are_told_apart() {
        for (text, kind) in [
            ("ACCESS_TOKEN", CredentialsType::AccessToken),
            ("X509_CERTIFICATE", CredentialsType::X509Certificate),
            ("MQTT_BASIC", CredentialsType::MqttBasic),
            ("SOMETHING_NEW", CredentialsType::Other),
        ] {
            let text = format!(r#"{{"credentialsType":"{text}","credentialsId":"secret"}}"#);
            let read: Credentials = serde_json::from_str(&text).unwrap();
            assert_eq!(read.credentials_type, kind);
        }
    }
}
