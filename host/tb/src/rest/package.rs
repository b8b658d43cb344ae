//! Packages of firmware, and which device is to have which.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0), `OtaPackageController`,
//! `common/data/src/main/java/org/thingsboard/server/common/data/OtaPackageInfo.java`, and what a 4.2.1 answered.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Id, escaped};
use crate::{Client, Error, sha256};

/// `OtaPackageInfo`, as much of it as matters here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Its id.
    pub id: Id,
    /// Whose devices may have it.
    pub device_profile_id: Option<Id>,
    /// `FIRMWARE` or `SOFTWARE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its title: the product's name.
    pub title: String,
    /// Its version.
    pub version: String,
    /// Whether its bytes are there.
    pub has_data: bool,
    /// In hexadecimal digits, by the algorithm named below.
    pub checksum: Option<String>,
    /// `ChecksumAlgorithm`, as `SHA256`.
    pub checksum_algorithm: Option<String>,
}

impl Package {
    /// Whether it has these bytes, as far as its checksum tells; unknown where that is of another kind.
    #[must_use]
    pub fn is(&self, data: &[u8]) -> Option<bool> {
        let checksum = self.checksum.as_deref()?;
        (self.checksum_algorithm.as_deref() == Some("SHA256"))
            .then(|| checksum.eq_ignore_ascii_case(&sha256(data)))
    }
}

/// What makes a package, before its bytes come.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPackage<'a> {
    /// Whose devices may have it.
    pub device_profile_id: &'a Id,
    /// Its title: the product's name.
    pub title: &'a str,
    /// Its version.
    pub version: &'a str,
}

/// RFC 7578: one file in a form, and the form's content type.
fn form(name: &str, data: &[u8]) -> (String, Vec<u8>) {
    // A digest of the data is not in the data.
    let boundary = sha256(data);
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: \
         application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let body = [head.as_bytes(), data, tail.as_bytes()].concat();
    (format!("multipart/form-data; boundary={boundary}"), body)
}

impl Client {
    /// All packages (`OtaPackageController.getOtaPackages`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn packages(&self) -> Result<Vec<Package>, Error> {
        self.all("/api/otaPackages")
    }

    /// Makes a package without its bytes (`OtaPackageController.saveOtaPackageInfo`).
    ///
    /// # Errors
    ///
    /// [`Error`]: there may be only one of a title and version.
    pub fn create_package(&self, new: &NewPackage<'_>) -> Result<Package, Error> {
        let mut body = json!(new);
        body["type"] = "FIRMWARE".into();
        body["usesUrl"] = false.into();
        self.post("/api/otaPackage", &body)
    }

    /// Gives a package its bytes, which the server compares with their SHA-256
    /// (`OtaPackageController.saveOtaPackageData`).
    ///
    /// # Errors
    ///
    /// [`Error`]: they are given once.
    pub fn upload_package(&self, id: &str, data: &[u8]) -> Result<Package, Error> {
        let checksum = sha256(data);
        let path = format!("/api/otaPackage/{id}?checksumAlgorithm=SHA256&checksum={checksum}");
        let (content_type, body) = form("firmware.bin", data);
        self.post_form(&path, &content_type, &body)
    }

    /// Deletes a package (`OtaPackageController.deleteOtaPackage`).
    ///
    /// # Errors
    ///
    /// [`Error`]: one that a device or profile is to have is not deleted.
    pub fn delete_package(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("/api/otaPackage/{id}"))
    }

    /// Says which package a device is to have, or none of its own (`DeviceController.saveDevice`). Returns
    /// which it was to have before. What is so already is not written again.
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn assign_package(
        &self,
        device_id: &str,
        package: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let mut device: Value = self.get(&format!("/api/device/{}", escaped(device_id)))?;
        let before = device["firmwareId"]["id"].as_str().map(str::to_owned);
        if before.as_deref() == package {
            return Ok(before);
        }
        device["firmwareId"] = match package {
            Some(id) => json!({ "entityType": "OTA_PACKAGE", "id": id }),
            None => Value::Null,
        };
        self.post::<Value>("/api/device", &device)?;
        Ok(before)
    }

    /// The names of all series of a device (`TelemetryController.getTimeseriesKeys`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn series(&self, device_id: &str) -> Result<Vec<String>, Error> {
        self.get(&format!(
            "/api/plugins/telemetry/DEVICE/{}/keys/timeseries",
            escaped(device_id)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a ThingsBoard 4.2.1 answered.
    const ANSWER: &str = r#"{"id": {"entityType": "OTA_PACKAGE", "id": "bb1a4690-eb92-11f1-934a-952df6e0ca42"}, "createdTime": 1795915086194, "tenantId": {"entityType": "TENANT", "id": "b5ec3450-eb90-11f1-a65a-dfdb96bf86c5"}, "deviceProfileId": {"entityType": "DEVICE_PROFILE", "id": "5a3cb7f0-eb91-11f1-b4fc-110f2214ff75"}, "type": "FIRMWARE", "title": "esptb", "version": "1.011805", "tag": "t", "url": null, "hasData": false, "fileName": null, "contentType": null, "checksumAlgorithm": null, "checksum": null, "dataSize": null, "externalId": null, "name": "esptb", "additionalInfo": null}"#;

    #[test]
    fn a_package_is_known_by_its_checksum() {
        let mut package: Package = serde_json::from_str(ANSWER).unwrap();
        assert_eq!((package.has_data, package.is(b"x")), (false, None));
        package.checksum_algorithm = Some("SHA256".into());
        package.checksum = Some(sha256(b"x").to_uppercase());
        assert_eq!(
            (package.is(b"x"), package.is(b"y")),
            (Some(true), Some(false))
        );
        package.checksum_algorithm = Some("CRC32".into());
        assert_eq!(package.is(b"x"), None);
    }

    #[test]
    fn a_form_holds_one_file() {
        let (kind, body) = form("f.bin", b"\r\n--bytes");
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8(body).unwrap();
        let parts: Vec<_> = text.split(&format!("--{boundary}")).collect();
        assert_eq!((parts[0], parts[2]), ("", "--\r\n"));
        let (head, data) = parts[1].split_once("\r\n\r\n").unwrap();
        assert!(head.contains("name=\"file\"; filename=\"f.bin\""), "{head}");
        assert_eq!(data, "\r\n--bytes\r\n");
    }
}
