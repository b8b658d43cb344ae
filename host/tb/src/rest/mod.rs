//! Requests and answers of ThingsBoard's REST interface, typed as far as esptb uses them.
//!
//! What is not named here is kept as it came, so that writing back what was read changes nothing else.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0). Each type names its
//! class, each request its controller; those of controllers are in
//! `application/src/main/java/org/thingsboard/server/controller/`, those of classes in
//! `common/data/src/main/java/org/thingsboard/server/common/data/`.

mod attributes;
mod chain;
mod dashboard;
mod device;
mod package;
mod profile;
mod query;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use chain::{NodeConnection, RuleChain, RuleChainMetaData, RuleNode};
pub use dashboard::{Dashboard, DashboardInfo};
pub use device::{Credentials, CredentialsType, Device};
pub use package::{NewPackage, Package};
pub use profile::{
    ChainProvisioning, DeviceProfile, ProfileData, ProvisionConfiguration, Typed, same_certificate,
};
pub use query::{
    DataQuery, EntityData, EntityFilter, Key, KeyType, LatestValue, PageLink, SortOrder,
};

use crate::{Client, Error};

/// What was not named.
pub(crate) type Rest = Map<String, Value>;

/// `EntityId`: a kind of thing and its UUID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Id {
    /// `DEVICE`, `DEVICE_PROFILE`, …
    pub entity_type: String,
    /// The UUID.
    pub id: String,
}

/// `page/PageData`: some of many.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// These.
    pub data: Vec<T>,
    /// How many there are in all.
    pub total_elements: u64,
    /// Whether there are more.
    pub has_next: bool,
}

/// `User`, as much of it as matters here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The e-mail address.
    pub email: String,
    /// `SYS_ADMIN`, `TENANT_ADMIN` or `CUSTOMER_USER`.
    pub authority: String,
    /// Whose devices it sees.
    pub tenant_id: Id,
}

/// What `SystemInfoController.getSystemVersionInfo` answers.
#[derive(Clone, Debug, Deserialize)]
pub struct System {
    /// As `4.2.1`.
    pub version: String,
}

impl System {
    /// Major and minor number.
    #[must_use]
    pub fn release(&self) -> (u32, u32) {
        let mut numbers = self
            .version
            .split(['.', '-'])
            .map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

/// The most things on one page, where a page does not say (`BaseController` takes more, which
/// is slow).
const PAGE: u32 = 100;

impl Client {
    /// Whose login it is (`AuthController.getUser`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn user(&self) -> Result<User, Error> {
        self.get("/api/auth/user")
    }

    /// Which ThingsBoard it is (`SystemInfoController.getSystemVersionInfo`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn system(&self) -> Result<System, Error> {
        self.get("/api/system/info")
    }

    /// All pages of a list, whose path ends where its parameters begin.
    pub(crate) fn all<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        for page in 0.. {
            let mut some: Page<T> = self.get(&format!("{path}?pageSize={PAGE}&page={page}"))?;
            all.append(&mut some.data);
            if !some.has_next {
                break;
            }
        }
        Ok(all)
    }
}

/// Text as a part of a query.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(byte.into());
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_an_address() {
        assert_eq!(escaped("SN 1/ä&"), "SN%201%2F%C3%A4%26");
    }

    #[test]
    fn versions_are_compared_by_number() {
        let release = |version: &str| {
            System {
                version: version.into(),
            }
            .release()
        };
        assert!(release("4.3.0.1") >= (4, 3) && release("4.2.1") < (4, 3));
        assert_eq!(release("4.4.0-SNAPSHOT"), (4, 4));
    }
}
