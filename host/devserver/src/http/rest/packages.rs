//! `OtaPackageController`: packages of firmware.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0), `OtaPackageController`,
//! `OtaPackageDataValidator`, `AbstractHasOtaPackageValidator`, `BaseOtaPackageService`, and what a 4.2.1 answered.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DEVICE_PROFILE, Fault, Page, PageLink, TENANT, bad, id, not_found, row};
use crate::firmware;
use crate::hub::{Hub, now_ms};
use crate::packages::{Firmware, Package, sha256};
use crate::profiles;
use crate::store::{DeviceId, Document, Kind};

pub(super) const OTA_PACKAGE: (&str, i64) = ("OTA_PACKAGE", 6);

/// `OtaPackageInfo`.
fn shown(package: &Package) -> Value {
    let data = package.firmware.as_ref();
    json!({
        "id": id(OTA_PACKAGE, package.row), "createdTime": package.created_ms, "tenantId": id(TENANT, 1),
        "deviceProfileId": package.profile.map(|row| id(DEVICE_PROFILE, row)), "type": "FIRMWARE", "title": package.title,
        "version": package.version, "tag": package.tag, "url": null, "hasData": data.is_some(),
        "fileName": data.map(|_| "firmware.bin"), "contentType": data.map(|_| "application/octet-stream"),
        "checksumAlgorithm": data.map(|_| "SHA256"), "checksum": data.map(|data| sha256(&data.data)),
        "dataSize": data.map(|data| data.data.len()), "externalId": null, "name": package.title,
        "additionalInfo": null,
    })
}

fn find(hub: &Hub, text: &str) -> Result<Package, Fault> {
    let row = row(OTA_PACKAGE, text)?;
    let found = hub.packages.get(row);
    found.ok_or_else(|| not_found("OtaPackage", text))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct New {
    device_profile_id: Value,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    title: String,
    #[serde(default)]
    version: String,
    tag: Option<String>,
    #[serde(default)]
    uses_url: bool,
}

pub(super) async fn create(
    State(page): State<Page>,
    new: Result<Json<New>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let Json(new) = new?;
    if new.kind.as_deref() != Some("FIRMWARE") || new.uses_url {
        return Err(bad(
            "esptb serve takes firmware alone, and its bytes, no URL",
        ));
    }
    if new.title.is_empty() {
        return Err(bad("OtaPackage title should be specified!"));
    }
    if new.version.is_empty() {
        return Err(bad("OtaPackage version should be specified!"));
    }
    let profile = row(
        DEVICE_PROFILE,
        new.device_profile_id["id"].as_str().unwrap_or_default(),
    )?;
    let there = page
        .hub
        .store
        .submit(move |db| db.document(Kind::Profile, profile));
    if there.await?.is_none() {
        return Err(bad(
            "OtaPackage is referencing to non-existent device profile!",
        ));
    }
    let mut package = Package {
        row: 0,
        created_ms: now_ms(),
        profile: Some(profile),
        title: new.title,
        version: new.version,
        tag: new.tag,
        firmware: None,
    };
    let stored = package.clone();
    let row = page.hub.store.submit(move |db| db.add_package(&stored));
    let taken = || bad("OtaPackage with such title and version already exists!");
    package.row = row.await?.ok_or_else(taken)?;
    page.hub.packages.put(package.clone());
    Ok(Json(shown(&package)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksum {
    checksum: Option<String>,
    checksum_algorithm: String,
}

pub(super) async fn upload(
    State(page): State<Page>,
    Path(id): Path<String>,
    Query(checksum): Query<Checksum>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let mut package = find(&page.hub, &id)?;
    if checksum.checksum_algorithm != "SHA256" {
        return Err(bad("esptb serve knows the checksum SHA256 alone"));
    }
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let file = file_of(kind, &body).ok_or_else(|| bad("Required part 'file' is not present."))?;
    if package.firmware.is_some() {
        return Err(bad("Updating otaPackage data is prohibited!"));
    }
    let told = checksum.checksum.filter(|told| !told.is_empty());
    if told.is_some_and(|told| !told.eq_ignore_ascii_case(&sha256(file))) {
        return Err(bad("Wrong otaPackage file!"));
    }
    let firmware = Arc::new(Firmware {
        title: package.title.clone(),
        version: package.version.clone(),
        tag: package.tag.clone(),
        data: file.to_vec(),
    });
    let (row, stored) = (package.row, firmware.clone());
    let given = page
        .hub
        .store
        .submit(move |db| db.give_package(row, &stored.data));
    given.await?;
    package.firmware = Some(firmware);
    page.hub.packages.put(package.clone());
    Ok(Json(shown(&package)))
}

/// The part `file` of a form (RFC 7578).
fn file_of<'a>(content_type: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let (kind, boundary) = content_type.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    if !kind.starts_with("multipart/form-data") || boundary.is_empty() {
        return None;
    }
    let delimiter = format!("\r\n--{boundary}");
    // Before the first one there may be nothing at all, its line's beginning included.
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..])?;
    loop {
        let end = position(rest, delimiter.as_bytes())?;
        let head = position(rest, b"\r\n\r\n").filter(|head| *head < end)?;
        let told = std::str::from_utf8(&rest[..head]).ok()?;
        if told.contains("name=\"file\"") {
            return rest.get(head + 4..end);
        }
        rest = &rest[end + delimiter.len()..];
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|some| some == wanted)
}

pub(super) async fn list(State(page): State<Page>, Query(link): Query<PageLink>) -> Json<Value> {
    Json(link.page(page.hub.packages.all(), |package| shown(&package)))
}

pub(super) async fn delete(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    let package = find(&page.hub, &id)?;
    if page.hub.assigned.has(package.row) {
        return Err(bad(
            "The otaPackage referenced by the devices cannot be deleted!",
        ));
    }
    let row = package.row;
    let removed = page.hub.store.submit(move |db| {
        let profiles = db.documents(Kind::Profile)?;
        let is_its = |one: &Document| profiles::package(&one.body) == Some(row);
        if profiles.iter().any(is_its) {
            return Ok(false);
        }
        db.remove_package(row)?;
        Ok(true)
    });
    if !removed.await? {
        return Err(bad(
            "The otaPackage referenced by the device profile cannot be deleted!",
        ));
    }
    page.hub.packages.remove(row);
    Ok(StatusCode::OK)
}

/// The package of an id, if devices of a profile may have it; none if there is no id
/// (`AbstractHasOtaPackageValidator`).
pub(super) fn wanted(
    hub: &Hub,
    firmware_id: &Value,
    profile: i64,
) -> Result<Option<Package>, Fault> {
    let Some(text) = firmware_id["id"].as_str() else {
        return Ok(None);
    };
    let Ok(package) = find(hub, text) else {
        return Err(bad("Can't assign non-existent firmware!"));
    };
    if package.firmware.is_none() {
        return Err(bad("Can't assign firmware with empty data!"));
    }
    if package.profile != Some(profile) {
        return Err(bad("Can't assign firmware with different deviceProfile!"));
    }
    Ok(Some(package))
}

/// Assigns what a device is saved with, unless it is that already.
pub(super) async fn assign(
    hub: &Hub,
    device: (DeviceId, &str),
    profile: i64,
    firmware_id: &Value,
) -> Result<(), Fault> {
    let (device, name) = device;
    let gone = |_| not_found("Device", name);
    let before = hub.assigned.own(device);
    match wanted(hub, firmware_id, profile)? {
        None if before.is_some() => firmware::take_away(hub, name).await.map_err(gone),
        Some(package) if before != Some(package.row) => {
            firmware::assign(hub, name, &package).await.map_err(gone)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_form_is_found_whatever_it_holds() {
        let kind = "multipart/form-data; boundary=\"b\"";
        let head = "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n";
        let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n\r\n--a\0\r\n";
        let whole = format!("{head}{file}--b--\r\n");
        assert_eq!(file_of(kind, whole.as_bytes()), Some(&b"\r\n--a\0"[..]));
        for (kind, body) in [
            (kind, head),
            (kind, ""),
            (kind, "--b"),
            (kind, "--b\r\n\r\n--b--"),
            ("multipart/form-data; boundary=", whole.as_str()),
            ("multipart/form-data", whole.as_str()),
            ("application/json; boundary=b", whole.as_str()),
        ] {
            assert_eq!(file_of(kind, body.as_bytes()), None, "{body}");
        }
    }
}
