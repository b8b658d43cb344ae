//! What a device takes, and its owner will wonder about: keys of settings.json that nobody reads,
//! certificates that only some servers take.

use std::path::Path;

use certfile::file::Held;
use certfile::firmware::{self, Objection};
use certfile::{outline, text};
use device::credentials::File;
use device::settings::{KEYS, PROVISIONING_KEYS};
use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

/// Looks at the files in a folder, as far as there are any.
pub(crate) fn of_folder(folder: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Ok(pem) = hostfile::read(&folder.join("device.crt")) {
        warnings.extend(of_certificates(&pem));
    }
    for name in File::ServerChain.names() {
        if let Ok(pem) = hostfile::read(&folder.join(name)) {
            warnings.extend(of_anchors(name, &pem));
            break;
        }
    }
    if let Ok(json) = hostfile::read(&folder.join("settings.json")) {
        warnings.extend(of_settings(&json));
    }
    warnings
}

/// The device's own code warns of settings too, but knows no folder and no better key. What is
/// said here needs not be said twice.
pub(crate) fn mute_device() {
    if log::max_level() == log::LevelFilter::Warn {
        log::set_max_level(log::LevelFilter::Error);
    }
}

fn of_certificates(pem: &[u8]) -> Vec<String> {
    let mut warnings = Vec::new();
    let held = certfile::file::certificates(pem);
    let chain: Vec<_> = held.filter_map(|held| held.decode().ok()).collect();
    if chain.len() == 1 {
        warnings.push(
            "device.crt holds the device's certificate alone: only a server that knows the device \
             already will take it; ThingsBoard's X.509 chain provisioning needs the CA behind it"
                .into(),
        );
    }
    let is_old = |der: &[u8]| {
        X509Certificate::from_der(der)
            .is_ok_and(|(_, certificate)| certificate.version() != X509Version::V3)
    };
    if chain.iter().any(|der| is_old(der)) {
        warnings.push(
            "device.crt holds an X.509 v1 certificate, which many servers refuse: have it issued \
             as v3"
                .into(),
        );
    }
    warnings
}

/// Certificates that no server can be trusted by. If there is no other, the device refuses the file.
fn of_anchors(file: &str, pem: &[u8]) -> Vec<String> {
    let fault = |held: Held<'_>| {
        let number = held.number;
        let der = match held.decode() {
            Ok(der) => der,
            Err(fault) => return Some(format!("certificate {number}: {fault}")),
        };
        match firmware::objection(&outline::Certificate::read(&der)?)? {
            // Nobody asks an anchor who signed it.
            Objection::Signature(_) => None,
            objection => Some(format!("certificate {number} {objection}")),
        }
    };
    let faults = certfile::file::certificates(pem).filter_map(fault);
    faults
        .map(|fault| format!("{file}: {fault}; the device trusts the others"))
        .collect()
}

/// Keys that the device passes over. What is no JSON the device itself refuses.
fn of_settings(json: &[u8]) -> Vec<String> {
    let Ok(settings) = serde_json::from_slice::<Map<String, Value>>(text::bare(json)) else {
        return Vec::new();
    };
    let mut warnings = unknown(&settings, "", &KEYS);
    if let Some(Value::Object(provisioning)) = settings.get("provisioning") {
        warnings.extend(unknown(provisioning, "provisioning.", &PROVISIONING_KEYS));
    }
    warnings
}

fn unknown(object: &Map<String, Value>, prefix: &str, known: &[&str]) -> Vec<String> {
    let keys = object.keys().filter(|key| !known.contains(&key.as_str()));
    let warning = |key: &String| {
        let hint = match near(key, known) {
            Some(near) => format!("; is {prefix}{near} meant?"),
            None => String::new(),
        };
        let key = format!("{prefix}{key}");
        format!("settings.json: the device does not know the key {key:?} and passes over it{hint}")
    };
    keys.map(warning).collect()
}

/// The known key that is most like this one, if any is.
fn near<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let key = plain(key);
    let distances = known.iter().map(|known| (distance(&key, known), *known));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    let begins = key.len() >= 3 && (nearest.starts_with(&key) || key.starts_with(nearest));
    (distance <= 2.min(nearest.len() / 2) || begins).then_some(nearest)
}

/// Letters to put in, take out or change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (y, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(x != *y);
            diagonal = *above;
            left = changed.min(left + 1).min(*above + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_nobody_reads_is_told_with_the_one_that_was_meant() {
        let told = |json: &str| of_settings(json.as_bytes());
        assert_eq!(
            told(r#"{"broker":"mqtts://x","provisioning":{"pop":"a"}}"#),
            [""; 0]
        );
        for (json, hint) in [
            (
                r#"{"brokr":1}"#,
                "\"brokr\" and passes over it; is broker meant?",
            ),
            (r#"{"Broker":1}"#, "is broker meant?"),
            (
                r#"{"telemetry_interval":1}"#,
                "is telemetry_interval_ms meant?",
            ),
            (
                r#"{"provisioning":{"proof":1,"popp":2}}"#,
                "\"provisioning.popp\" and passes over it; is provisioning.pop meant?",
            ),
        ] {
            let told = told(json);
            assert!(told.iter().any(|line| line.contains(hint)), "{told:?}");
        }
        let told = told(r#"{"colour":"red"}"#);
        assert!(told[0].ends_with("passes over it"), "{told:?}");
    }

    #[test]
    fn a_leaf_alone_is_told() {
        let pki = pki::Pki::new(&pki::Options::default()).unwrap();
        let device = pki.device("SN-1").unwrap();
        let leaf = of_certificates(device.leaf_pem().as_bytes());
        assert!(leaf.len() == 1 && leaf[0].contains("alone"), "{leaf:?}");
    }

    #[test]
    fn distances_are_counted_in_letters() {
        for (a, b, letters) in [
            ("", "ab", 2),
            ("brokr", "broker", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), letters);
        }
    }
}
