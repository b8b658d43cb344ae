//! The alarms that a fleet needs: what a device cannot say itself, and what it said and somebody has to
//! act upon.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `common/data/…/device/profile/DeviceProfileAlarm.java` and beside it;
//! `rule-engine/…/profile/DeviceState.java` (a rule is looked at when one of its keys comes).

use serde_json::{Value, json};

/// The rules. Their ids are what they are found again by.
pub(super) fn rules(silent_minutes: u32, certificate_days: u32) -> Vec<Value> {
    // How soon nobody can be in time any more.
    let urgent_days = (certificate_days / 4).max(1);
    let days = |operation, than: u32| number("ATTRIBUTE", "certificate_days", operation, than);
    vec![
        rule(
            "esptb-silent",
            "Device silent",
            &[(
                "MAJOR",
                rule_for_minutes(&[active(false)], silent_minutes, "not heard of any more"),
            )],
            Some(simple(&[active(true)], None)),
        ),
        rule(
            "esptb-certificate",
            "Certificate ends",
            &[
                (
                    "CRITICAL",
                    simple(&[days("LESS_OR_EQUAL", urgent_days)], Some(CERTIFICATE)),
                ),
                (
                    "WARNING",
                    simple(
                        &[days("LESS_OR_EQUAL", certificate_days)],
                        Some(CERTIFICATE),
                    ),
                ),
            ],
            Some(simple(&[days("GREATER", certificate_days)], None)),
        ),
        rule(
            "esptb-dropped",
            "Samples dropped",
            &[(
                "WARNING",
                simple(
                    &[number("TIME_SERIES", "dropped", "GREATER", 0)],
                    Some("${dropped} samples lost since the device started"),
                ),
            )],
            // It counts anew when the device starts.
            Some(simple(
                &[number("TIME_SERIES", "dropped", "EQUAL", 0)],
                None,
            )),
        ),
        rule(
            "esptb-crash",
            "Crash reported",
            &[(
                "MAJOR",
                // Where, its page on the dashboard tells: a detail is filled with what its conditions ask of, and no
                // other value (`AlarmState.createDetails`).
                simple(&[told("panic")], Some("${panic}")),
            )],
            // Somebody has to have looked at it.
            None,
        ),
    ]
}

const CERTIFICATE: &str = "${certificate_days} days are left: renew it";

/// What an alarm is called.
pub(super) fn name(rule: &Value) -> &str {
    rule["alarmType"].as_str().unwrap_or_default()
}

fn rule(id: &str, name: &str, create: &[(&str, Value)], clear: Option<Value>) -> Value {
    let create: serde_json::Map<_, _> = create
        .iter()
        .map(|(severity, rule)| ((*severity).to_owned(), rule.clone()))
        .collect();
    json!({
        "id": id, "alarmType": name, "createRules": create, "clearRule": clear,
        "propagate": false, "propagateToOwner": false, "propagateToTenant": false,
        "propagateRelationTypes": null,
    })
}

fn simple(conditions: &[Value], details: Option<&str>) -> Value {
    json!({
        "condition": { "condition": conditions, "spec": { "type": "SIMPLE" } },
        "schedule": null, "alarmDetails": details, "dashboardId": null,
    })
}

fn rule_for_minutes(conditions: &[Value], minutes: u32, details: &str) -> Value {
    json!({
        "condition": {
            "condition": conditions,
            "spec": {
                "type": "DURATION", "unit": "MINUTES",
                "predicate": { "defaultValue": minutes, "userValue": null, "dynamicValue": null },
            },
        },
        "schedule": null, "alarmDetails": details, "dashboardId": null,
    })
}

fn filter(source: &str, key: &str, value_type: &str, predicate: &Value) -> Value {
    json!({
        "key": { "type": source, "key": key }, "valueType": value_type, "value": null,
        "predicate": predicate,
    })
}

/// The server's own attribute, which it sets some minutes after the last word.
fn active(is: bool) -> Value {
    let predicate = json!({ "type": "BOOLEAN", "operation": "EQUAL", "value": constant(is) });
    filter("ATTRIBUTE", "active", "BOOLEAN", &predicate)
}

fn number(source: &str, key: &str, operation: &str, than: u32) -> Value {
    let predicate = json!({ "type": "NUMERIC", "operation": operation, "value": constant(than) });
    filter(source, key, "NUMERIC", &predicate)
}

/// A text that is not empty.
fn told(key: &str) -> Value {
    let predicate = json!({
        "type": "STRING", "operation": "NOT_EQUAL", "value": constant(""), "ignoreCase": false,
    });
    filter("ATTRIBUTE", key, "STRING", &predicate)
}

fn constant(value: impl Into<Value>) -> Value {
    json!({ "defaultValue": value.into(), "userValue": null, "dynamicValue": null })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ThingsBoard leaves `${…}` as it is where no condition of the same rule asks for the value.
    #[test]
    fn details_say_only_what_conditions_ask_for() {
        let mut seen = 0;
        for alarm in rules(5, 30) {
            for (severity, rule) in alarm["createRules"].as_object().unwrap() {
                let conditions = rule["condition"]["condition"].as_array().unwrap();
                let asked: Vec<_> = conditions
                    .iter()
                    .map(|one| one["key"]["key"].as_str().unwrap())
                    .collect();
                let details = rule["alarmDetails"].as_str().unwrap_or_default();
                for value in details.split("${").skip(1) {
                    let key = value.split('}').next().unwrap();
                    assert!(
                        asked.contains(&key),
                        "{}, {severity}: {details}",
                        name(&alarm)
                    );
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 4);
    }
}
