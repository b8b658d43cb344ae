//! Device profiles: who may become a device, and which alarms it raises.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Id, Rest};
use crate::{Client, Error};

/// `DeviceProfile`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceProfile {
    /// None for one that is to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Its name; devices have it as their type.
    pub name: String,
    /// `DEFAULT`; there is no other.
    #[serde(rename = "type")]
    pub kind: String,
    /// `DeviceTransportType`: `DEFAULT`, `MQTT`, `COAP`, `LWM2M` or `SNMP`.
    pub transport_type: String,
    /// `DeviceProfileProvisionType`: `DISABLED`, `ALLOW_CREATE_NEW_DEVICES`, `CHECK_PRE_PROVISIONED_DEVICES` or
    /// `X509_CERTIFICATE_CHAIN`.
    pub provision_type: String,
    /// The dashboard that opens for its devices.
    pub default_dashboard_id: Option<Id>,
    /// The rest of it.
    pub profile_data: ProfileData,
    /// What is not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `device/profile/DeviceProfileData`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileData {
    /// `DEFAULT`.
    pub configuration: Typed,
    /// As the transport type.
    pub transport_configuration: Typed,
    /// As the provision type.
    pub provision_configuration: ProvisionConfiguration,
    /// `device/profile/DeviceProfileAlarm`; from 4.3 on they are kept elsewhere, as calculated fields.
    pub alarms: Option<Vec<Value>>,
    /// What is not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Something of a type, which decides what else is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Typed {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// What else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Typed {
    /// The plain one.
    #[must_use]
    pub fn default_one() -> Self {
        Self {
            kind: "DEFAULT".to_owned(),
            rest: Rest::new(),
        }
    }
}

/// `device/profile/DeviceProfileProvisionConfiguration`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProvisionConfiguration {
    /// By a CA in the chain of the device.
    Chain(ChainProvisioning),
    /// Any other.
    Other(Typed),
}

/// `device/profile/X509CertificateChainProvisionConfiguration`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename = "X509_CERTIFICATE_CHAIN",
    rename_all = "camelCase"
)]
pub struct ChainProvisioning {
    /// The CA, PEM.
    pub provision_device_secret: String,
    /// Its first group cuts the device's name from the CN.
    pub certificate_reg_ex_pattern: String,
    /// Whether a device that is not there is made.
    #[serde(rename = "allowCreateNewDevicesByX509Certificate")]
    pub allow_create: bool,
}

impl DeviceProfile {
    /// The rule chain that has the messages of its devices; none if that is the root.
    #[must_use]
    pub fn rule_chain(&self) -> Option<Id> {
        let id = self.rest.get("defaultRuleChainId")?;
        serde_json::from_value(id.clone()).ok()
    }

    /// Gives it one.
    pub fn set_rule_chain(&mut self, id: &Id) {
        self.rest
            .insert("defaultRuleChainId".to_owned(), serde_json::json!(id));
    }

    /// The CA and pattern, if it provisions by X.509 chain.
    #[must_use]
    pub fn chain(&self) -> Option<&ChainProvisioning> {
        match &self.profile_data.provision_configuration {
            ProvisionConfiguration::Chain(chain) => Some(chain),
            ProvisionConfiguration::Other(_) => None,
        }
    }
}

/// Whether two texts hold the same certificate first, whatever the lines: ThingsBoard takes the ends
/// of lines out, and of one certificate alone what is around it (`EncryptionUtil.certTrimNewLines`,
/// `common/message/src/main/java/org/thingsboard/server/common/msg/`).
#[must_use]
pub fn same_certificate(one: &str, other: &str) -> bool {
    match (first_der(one), first_der(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn first_der(text: &str) -> Option<Vec<u8>> {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let body = match text.split_once(begin) {
        Some((_, rest)) => rest.split_once(end)?.0,
        None => text,
    };
    let body: String = body.split_whitespace().collect();
    if body.is_empty() {
        return None;
    }
    Some(
        pem::parse(format!("{begin}\n{body}\n{end}\n"))
            .ok()?
            .into_contents(),
    )
}

impl Client {
    /// All device profiles (`DeviceProfileController.getDeviceProfiles`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn device_profiles(&self) -> Result<Vec<DeviceProfile>, Error> {
        self.all("/api/deviceProfiles")
    }

    /// Makes or changes a device profile (`DeviceProfileController.saveDeviceProfile`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn save_device_profile(&self, profile: &DeviceProfile) -> Result<DeviceProfile, Error> {
        self.post("/api/deviceProfile", profile)
    }

    /// Deletes a device profile (`DeviceProfileController.deleteDeviceProfile`).
    ///
    /// # Errors
    ///
    /// [`Error`]: one that has devices is not deleted.
    pub fn delete_device_profile(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("/api/deviceProfile/{id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a ThingsBoard 4.2.1 answered.
    const ANSWER: &str = r#"{"id":{"entityType":"DEVICE_PROFILE","id":"9b1bea40-ebb2-11f1-a63d-1b85dddc8332"},"createdTime":1795928776420,"name":"default","type":"DEFAULT","transportType":"DEFAULT","provisionType":"DISABLED","defaultDashboardId":null,"version":1,"default":true,"profileData":{"configuration":{"type":"DEFAULT"},"transportConfiguration":{"type":"DEFAULT"},"provisionConfiguration":{"type":"DISABLED","provisionDeviceSecret":null},"alarms":null}}"#;

    #[test]
    fn what_was_read_is_written_back_whole() {
        let profile: DeviceProfile = serde_json::from_str(ANSWER).unwrap();
        assert!(profile.chain().is_none());
        let before: Value = serde_json::from_str(ANSWER).unwrap();
        assert_eq!(serde_json::to_value(&profile).unwrap(), before);
    }

    #[test]
    fn a_chain_is_told_from_other_ways() {
        let text = r#"{"type":"X509_CERTIFICATE_CHAIN","provisionDeviceSecret":"PEM","certificateRegExPattern":"(.*)","allowCreateNewDevicesByX509Certificate":true}"#;
        let read: ProvisionConfiguration = serde_json::from_str(text).unwrap();
        assert!(matches!(&read, ProvisionConfiguration::Chain(chain) if chain.allow_create));
        let before: Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), before);
    }

    #[test]
    fn a_certificate_is_itself_without_its_lines() {
        let pki = pki::Pki::new(&pki::Options::default()).unwrap();
        let (ca, root) = (pki.intermediate_pem(), pki.root_pem());
        let lines: Vec<_> = ca.lines().filter(|line| !line.starts_with("---")).collect();
        let bare = lines.concat();
        let begun = format!("-----BEGIN CERTIFICATE-----\n{bare}\n-----END CERTIFICATE-----");
        assert!(same_certificate(ca, &bare) && same_certificate(&begun, &bare));
        assert!(same_certificate(&format!("{ca}{root}"), ca));
        assert!(!same_certificate(ca, root) && !same_certificate("", ""));
    }
}
