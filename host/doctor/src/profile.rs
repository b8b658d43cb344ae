//! What a ThingsBoard has against a device, read where a refusal does not say it: its profiles, and the
//! device of that name.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `application/…/service/transport/DefaultTransportApiService.java` (`validateOrCreateDeviceX509Certificate`) and
//! `application/…/service/device/DeviceProvisionServiceImpl.java` (`provisionDeviceViaX509Chain`).

use regex::Regex;
use tb::rest::{ChainProvisioning, CredentialsType, DeviceProfile, same_certificate};
use tb::{Client, Error};

use crate::files::Folder;
use crate::{Check, Finding, Who};

/// Looks into the tenant.
pub(crate) fn examine(client: &Client, folder: &Folder, common_name: &str) -> Vec<Finding> {
    match look(client, folder, common_name) {
        Ok(findings) => findings,
        Err(error) => vec![Finding::note(
            Check::Profile,
            format!("the tenant cannot be looked into: {error}"),
            Who::Tenant,
            "log in as a tenant administrator (`esptb tb login`)",
        )],
    }
}

fn look(client: &Client, folder: &Folder, common_name: &str) -> Result<Vec<Finding>, Error> {
    let chain: Vec<_> = folder.chain().into_iter().map(pem_of).collect();
    let profiles = client.device_profiles()?;
    let has_ca = |profile: &&DeviceProfile| {
        profile.chain().is_some_and(|own| {
            chain
                .iter()
                .any(|one| same_certificate(one, &own.provision_device_secret))
        })
    };
    let Some(profile) = profiles.iter().find(has_ca) else {
        return Ok(vec![no_profile(&profiles)]);
    };
    let (Some(provisioning), Some(id)) = (profile.chain(), &profile.id) else {
        return Ok(Vec::new());
    };
    let mut findings = transport(profile);
    let device_name = match name_of(common_name, provisioning, &profile.name) {
        Ok(name) => name,
        Err(finding) => {
            findings.push(finding);
            return Ok(findings);
        }
    };
    match client.device(&device_name)? {
        None if provisioning.allow_create => {}
        None => findings.push(Finding::bad(
            Check::Profile,
            format!("there is no device \"{device_name}\", and the profile \"{}\" makes none", profile.name),
            Who::Tenant,
            "let the profile create devices (`esptb tb setup`), or make the device with this certificate",
        )),
        Some(there) => {
            if there.device_profile_id != *id {
                findings.push(Finding::bad(
                    Check::Profile,
                    format!(
                        "a device \"{device_name}\" is there in the profile \"{}\", not \"{}\"",
                        there.kind, profile.name
                    ),
                    Who::Tenant,
                    "delete that device, or move it into the other profile",
                ));
            }
            let credentials = client.credentials(&there.id.id)?;
            if credentials.credentials_type != CredentialsType::X509Certificate {
                findings.push(Finding::bad(
                    Check::Profile,
                    format!("a device \"{device_name}\" is there with another kind of credentials than a certificate"),
                    Who::Tenant,
                    "delete that device: it is made anew when this one connects; or give it this certificate",
                ));
            }
        }
    }
    if findings.iter().all(|finding| !finding.is_bad()) {
        findings.push(Finding::good(
            Check::Profile,
            format!(
                "the profile \"{}\" has the CA, and takes the CN as \"{device_name}\"",
                profile.name
            ),
        ));
    }
    Ok(findings)
}

fn pem_of(der: Vec<u8>) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

fn no_profile(profiles: &[DeviceProfile]) -> Finding {
    let others: Vec<_> = profiles
        .iter()
        .filter(|profile| profile.chain().is_some())
        .map(|profile| format!("\"{}\"", profile.name))
        .collect();
    let says = match others.is_empty() {
        true => "no device profile provisions by X.509 chain".to_owned(),
        false => format!(
            "no device profile has a CA of this chain; {} provision by X.509 chain with another one",
            others.join(", ")
        ),
    };
    Finding::bad(
        Check::Profile,
        says,
        Who::Tenant,
        "make a profile with the CA that issued the device's certificate: `esptb tb setup` does; or have the \
         certificate issued by that CA",
    )
}

/// Seen on a ThingsBoard 4.2.1: CONNACK 0x88 of the transport types of other protocols, PUBACK 0x90 where the
/// topics are others, 0x99 where the payload is Protobuf.
fn transport(profile: &DeviceProfile) -> Vec<Finding> {
    let kind = profile.transport_type.as_str();
    let mqtt = &profile.profile_data.transport_configuration.rest;
    let is = |key: &str, wanted: &str| {
        mqtt.get(key)
            .and_then(|v| v.as_str())
            .is_none_or(|is| is == wanted)
    };
    let payload = mqtt.get("transportPayloadTypeConfiguration");
    let payload = payload.and_then(|payload| payload["transportPayloadType"].as_str());
    let fault = match kind {
        "DEFAULT" => return Vec::new(),
        "MQTT"
            if !is("deviceTelemetryTopic", "v1/devices/me/telemetry")
                || !is("deviceAttributesTopic", "v1/devices/me/attributes") =>
        {
            "has other MQTT topics than the device's"
        }
        "MQTT" if payload.is_some_and(|payload| payload != "JSON") => {
            "takes Protobuf where the device sends JSON"
        }
        "MQTT" => return Vec::new(),
        _ => "is for devices of another protocol",
    };
    vec![Finding::bad(
        Check::Profile,
        format!(
            "the transport type {kind} of the profile \"{}\" {fault}",
            profile.name
        ),
        Who::Tenant,
        "set the transport type Default; a profile that has devices already keeps its own, so make another one \
         (`esptb tb setup --profile NAME`) and take the CA out of this one",
    )]
}

/// The name that the profile cuts from the CN.
fn name_of(
    common_name: &str,
    provisioning: &ChainProvisioning,
    profile: &str,
) -> Result<String, Finding> {
    let pattern = &provisioning.certificate_reg_ex_pattern;
    let Ok(regex) = Regex::new(pattern) else {
        return Err(Finding::note(
            Check::Profile,
            format!(
                "the expression {pattern} of the profile \"{profile}\" cannot be tried here: Java's have more in them"
            ),
            Who::Tenant,
            "write it without look-around, as (.*) or ^(SN-[0-9]+)$",
        ));
    };
    // ThingsBoard takes the first match anywhere in the CN, and its first group.
    let group = regex
        .captures(common_name)
        .and_then(|captures| captures.get(1));
    match group
        .map(|group| group.as_str())
        .filter(|name| !name.is_empty())
    {
        Some(name) => Ok(name.to_owned()),
        None if regex.captures_len() < 2 => Err(Finding::bad(
            Check::Profile,
            format!(
                "the expression {pattern} of the profile \"{profile}\" has no group to cut a name with"
            ),
            Who::Tenant,
            "put brackets around the name, as in (.*)",
        )),
        None => Err(Finding::bad(
            Check::Profile,
            format!(
                "the expression {pattern} of the profile \"{profile}\" does not match the CN {common_name}"
            ),
            Who::Tenant,
            "change the expression (`esptb tb setup --cn-pattern`), or issue a certificate with another CN",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(transport: serde_json::Value) -> DeviceProfile {
        serde_json::from_value(serde_json::json!({
            "name": "boards", "type": "DEFAULT", "transportType": transport["type"], "provisionType": "DISABLED",
            "profileData": {
                "configuration": { "type": "DEFAULT" }, "transportConfiguration": transport,
                "provisionConfiguration": { "type": "DISABLED" }, "alarms": null,
            },
        }))
        .unwrap()
    }

    #[test]
    fn transport_types_that_the_device_does_not_speak_are_told() {
        use serde_json::json;
        for (transport, fault) in [
            (json!({ "type": "DEFAULT" }), None),
            (json!({ "type": "COAP" }), Some("another protocol")),
            (
                json!({ "type": "MQTT", "deviceTelemetryTopic": "v1/devices/me/telemetry",
                        "transportPayloadTypeConfiguration": { "transportPayloadType": "JSON" } }),
                None,
            ),
            (
                json!({ "type": "MQTT", "deviceTelemetryTopic": "mine" }),
                Some("other MQTT topics"),
            ),
            (
                json!({ "type": "MQTT", "transportPayloadTypeConfiguration": { "transportPayloadType": "PROTOBUF" } }),
                Some("Protobuf"),
            ),
        ] {
            let found = self::transport(&profile(transport.clone()));
            assert_eq!(found.len(), usize::from(fault.is_some()), "{transport}");
            assert!(
                found
                    .iter()
                    .all(|one| one.says.contains(fault.unwrap_or_default()))
            );
        }
    }

    #[test]
    fn a_name_is_cut_as_thingsboard_cuts_it() {
        let name = |pattern: &str| {
            let provisioning = ChainProvisioning {
                provision_device_secret: String::new(),
                certificate_reg_ex_pattern: pattern.into(),
                allow_create: true,
            };
            name_of("SN-1.greenhouse", &provisioning, "boards").map_err(|finding| finding.says)
        };
        assert_eq!(name("^([^.]+)").unwrap(), "SN-1");
        assert!(name(".*").unwrap_err().contains("no group"));
        assert!(
            name("^(GH-.*)$")
                .unwrap_err()
                .contains("does not match the CN SN-1.greenhouse")
        );
        assert!(name("(?=x)(.*)").unwrap_err().contains("cannot be tried"));
    }
}
