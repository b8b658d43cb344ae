//! Device profiles as ThingsBoard's REST interface has them: JSON of which only the provisioning matters
//! here, and the rest is kept as it came.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `dao/src/main/java/org/thingsboard/server/dao/device/DeviceProfileServiceImpl.java` (how a CA is kept, that it
//! belongs to one profile), `dao/…/service/validator/DeviceProfileDataValidator.java`.

use pem::Pem;
use serde_json::{Value, json};

use crate::config::Profile;

/// `DeviceProfileProvisionType.X509_CERTIFICATE_CHAIN`
const CHAIN: &str = "X509_CERTIFICATE_CHAIN";
/// The profile that every ThingsBoard has.
pub(crate) const DEFAULT: &str = "default";

/// A profile by which devices come.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its row.
    pub(crate) row: i64,
    pub(crate) profile: Profile,
    /// Whether devices of it speak MQTT.
    pub(crate) takes_mqtt: bool,
}

/// The profile that every ThingsBoard has, with the provisioning that the server was started with.
pub(crate) fn default_document(profile: Option<&Profile>) -> Value {
    json!({
        "name": DEFAULT, "description": "Default device profile", "type": "DEFAULT",
        "transportType": "DEFAULT", "default": true, "defaultDashboardId": null,
        "provisionType": provision_type(profile),
        "profileData": {
            "configuration": { "type": "DEFAULT" },
            "transportConfiguration": { "type": "DEFAULT" },
            "provisionConfiguration": provisioning(profile),
            "alarms": null,
        },
    })
}

/// Sets the provisioning of a profile that was kept to what the server was started with.
pub(crate) fn provision(document: &mut Value, profile: Option<&Profile>) {
    document["provisionType"] = provision_type(profile).into();
    document["profileData"]["provisionConfiguration"] = provisioning(profile);
}

fn provision_type(profile: Option<&Profile>) -> &'static str {
    profile.map_or("DISABLED", |_| CHAIN)
}

fn provisioning(profile: Option<&Profile>) -> Value {
    match profile {
        Some(profile) => json!({
            "type": CHAIN,
            "provisionDeviceSecret": bare(profile.ca.as_ref()),
            "certificateRegExPattern": profile.pattern(),
            "allowCreateNewDevicesByX509Certificate": profile.allow_create,
        }),
        None => json!({ "type": "DISABLED", "provisionDeviceSecret": null }),
    }
}

/// A certificate as ThingsBoard keeps it: PEM without its first line, its last, and the ends of the
/// others (`EncryptionUtil.certTrimNewLines`).
fn bare(der: &[u8]) -> String {
    let text = pem::encode(&Pem::new("CERTIFICATE", der));
    text.lines()
        .filter(|line| !line.starts_with("-----"))
        .collect()
}

/// Reads the provisioning of a profile; none if it has another kind.
///
/// # Errors
/// What is wrong with it, as text.
pub(crate) fn read(row: i64, document: &Value) -> Result<Option<Known>, String> {
    let configuration = &document["profileData"]["provisionConfiguration"];
    if document["provisionType"] != CHAIN || configuration["type"] != CHAIN {
        return Ok(None);
    }
    let text = |key: &str| configuration[key].as_str().unwrap_or_default();
    let secret = text("provisionDeviceSecret");
    let pem = match secret.contains("-----BEGIN") {
        true => secret.to_owned(),
        false => format!("-----BEGIN CERTIFICATE-----\n{secret}\n-----END CERTIFICATE-----\n"),
    };
    let profile = Profile::from_pem(pem.as_bytes(), text("certificateRegExPattern"));
    let mut profile = profile.map_err(|error| error.to_string())?;
    profile.allow_create = configuration["allowCreateNewDevicesByX509Certificate"] == true;
    let takes_mqtt = matches!(document["transportType"].as_str(), Some("DEFAULT" | "MQTT"));
    Ok(Some(Known {
        row,
        profile,
        takes_mqtt,
    }))
}

/// Puts a profile that came in into the shape in which it is kept.
///
/// # Errors
/// What ThingsBoard would say.
pub(crate) fn normal(document: &mut Value) -> Result<(), String> {
    if document["name"].as_str().unwrap_or_default().is_empty() {
        return Err("Device profile name should be specified!".to_owned());
    }
    for (key, message) in [
        ("type", "Device profile type should be specified!"),
        (
            "transportType",
            "Device profile transport type should be specified!",
        ),
    ] {
        if !document[key].is_string() {
            return Err(message.to_owned());
        }
    }
    if !document["provisionType"].is_string() {
        document["provisionType"] = "DISABLED".into();
    }
    if let Some(known) = read(0, document)? {
        let secret = bare(known.profile.ca.as_ref());
        document["profileData"]["provisionConfiguration"]["provisionDeviceSecret"] = secret.into();
    }
    Ok(())
}

/// The row of the package that its devices are to have, as its id says.
pub(crate) fn package(body: &Value) -> Option<i64> {
    row_of(&body["firmwareId"])
}

/// The row that an id names; none if it names none.
pub(crate) fn row_of(id: &Value) -> Option<i64> {
    i64::from_str_radix(id["id"].as_str()?.get(..8)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_is_kept_as_thingsboard_keeps_it_and_read_again() {
        let pki = pki::Pki::new(&pki::Options::default()).unwrap();
        let profile = Profile::from_pem(pki.intermediate_pem().as_bytes(), "^(SN-.*)$").unwrap();
        let mut document = default_document(None);
        assert!(read(1, &document).unwrap().is_none());
        provision(&mut document, Some(&profile));
        let kept =
            document["profileData"]["provisionConfiguration"]["provisionDeviceSecret"].clone();
        assert!(!kept.as_str().unwrap().contains(['\n', '-']));
        let known = read(1, &document).unwrap().expect("a chain");
        assert!(known.profile.ca == profile.ca && known.profile.allow_create && known.takes_mqtt);
        // What a client pastes, with its lines.
        document["profileData"]["provisionConfiguration"]["provisionDeviceSecret"] =
            pki.intermediate_pem().into();
        normal(&mut document).unwrap();
        assert_eq!(
            document["profileData"]["provisionConfiguration"]["provisionDeviceSecret"],
            kept
        );
        document["name"] = "".into();
        assert_eq!(
            normal(&mut document).unwrap_err(),
            "Device profile name should be specified!"
        );
    }
}
