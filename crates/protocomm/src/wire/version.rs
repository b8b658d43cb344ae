//! `proto-ver`: version, security scheme and capabilities, as JSON in plain text.
//!
//! ```json
//! {
//!     "prov":    {
//!         "ver":    "v1.1",
//!         "sec_ver":    2,
//!         "sec_patch_ver":    1,
//!         "cap":    ["wifi_scan"]
//!     }
//! }
//! ```
//!
//! What the request says does not matter; over HTTP it must not be empty, and Espressif's tool
//! sends `---`. Applications may add objects of their own before `prov`. The layout,
//! with tabs for the blanks above, is what ESP-IDF's `cJSON_Print` makes.
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `components/wifi_provisioning/src/manager.c`,
//! `wifi_prov_get_info_json`.

use super::{BufferTooSmall, Malformed};
use crate::json::{Token, Tokens, Writer};

/// A request that every device answers, also over HTTP.
pub const REQUEST: &[u8] = b"---";

/// The version of the provisioning protocol that this crate speaks.
pub const PROTOCOL_VERSION: &str = "v1.1";

/// Capability: there is no security; the session needs no handshake.
pub const NO_SECURITY: &str = "no_sec";

/// Capability: security 1 without a proof of possession.
pub const NO_PROOF: &str = "no_pop";

/// Capability: the device can scan for networks.
pub const WIFI_SCAN: &str = "wifi_scan";

/// What an application says about itself in the JSON of `proto-ver`.
#[derive(Clone, Copy, Debug)]
pub struct AppInfo {
    /// The key of the application's object.
    pub label: &'static str,
    /// The application's version.
    pub version: &'static str,
    /// What the application can do.
    pub capabilities: &'static [&'static str],
}

/// What a device says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    /// The protocol's version, as `v1.1`.
    pub version: &'a str,
    /// The security scheme: 0, 1 or 2.
    pub scheme: u8,
    /// The scheme's patch version; of meaning for scheme 2, see
    /// [`IvMode`](crate::security::IvMode).
    pub patch: u8,
    /// The text of the `cap` array.
    capabilities: &'a str,
}

impl<'a> Version<'a> {
    /// Reads the reply of `proto-ver`.
    ///
    /// A device older than ESP-IDF 5.0 does not name its scheme: it is 0 where it says
    /// [`NO_SECURITY`], else 1.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if there is no `prov` object with a version.
    pub fn decode(reply: &'a [u8]) -> Result<Self, Malformed> {
        Self::decode_object(reply, "prov")
    }

    /// Reads what the application says about itself in the same reply: the object with this label, of
    /// which version and capabilities mean something.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if there is no such object with a version.
    pub fn decode_application(reply: &'a [u8], label: &str) -> Result<Self, Malformed> {
        Self::decode_object(reply, label)
    }

    fn decode_object(reply: &'a [u8], label: &str) -> Result<Self, Malformed> {
        // Some clients of old pass the terminating zero on.
        let text = core::str::from_utf8(reply).map_err(|_| Malformed)?;
        let mut tokens = Tokens::new(text.trim_end_matches('\0'));
        if tokens.next() != Some(Token::Open) {
            return Err(Malformed);
        }

        let mut depth = 1_usize;
        let mut inside = false;
        let mut key = "";
        let mut last = "";
        let mut version = None;
        let mut scheme = None;
        let mut patch = None;
        let mut capabilities = "";
        while let Some(token) = tokens.next() {
            match token {
                Token::Colon => key = last,
                Token::String(text) => {
                    if inside && depth == 2 && key == "ver" {
                        version.get_or_insert(text);
                    }
                    last = text;
                    key = "";
                }
                Token::Scalar(text) => {
                    if inside && depth == 2 {
                        match key {
                            "sec_ver" => scheme = text.parse().ok(),
                            "sec_patch_ver" => patch = text.parse().ok(),
                            _ => {}
                        }
                    }
                    key = "";
                }
                Token::Open => {
                    if depth == 1 && key == label {
                        inside = true;
                    }
                    if inside && depth == 2 && key == "cap" {
                        capabilities = tokens.rest();
                    }
                    depth += 1;
                    key = "";
                }
                Token::Close => {
                    if inside && depth == 2 {
                        break;
                    }
                    depth = depth.checked_sub(1).ok_or(Malformed)?;
                    key = "";
                }
            }
        }

        let mut version = Self {
            version: version.ok_or(Malformed)?,
            scheme: 0,
            patch: patch.unwrap_or(0),
            capabilities,
        };
        version.scheme = match scheme {
            Some(scheme) => scheme,
            None if version.has(NO_SECURITY) => 0,
            None => 1,
        };
        Ok(version)
    }

    /// The capabilities that the device names.
    pub fn capabilities(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        Tokens::new(self.capabilities)
            .take_while(|token| *token != Token::Close)
            .filter_map(|token| match token {
                Token::String(name) => Some(name),
                _ => None,
            })
    }

    /// Whether the device names this capability.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities().any(|name| name == capability)
    }
}

/// Writes the reply of `proto-ver` and returns its length.
///
/// # Errors
///
/// [`BufferTooSmall`] with the length needed: at most 100 bytes and what the application adds.
pub fn encode(
    scheme: u8,
    patch: u8,
    capabilities: &[&str],
    app: &[AppInfo],
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut w = Writer::new(buffer);
    w.raw("{\n");
    for info in app {
        object(&mut w, info.label, info.version, None, info.capabilities);
        w.raw(",\n");
    }
    object(
        &mut w,
        "prov",
        PROTOCOL_VERSION,
        Some((scheme, patch)),
        capabilities,
    );
    w.raw("\n}");
    w.finish()
}

fn object(
    w: &mut Writer<'_>,
    label: &str,
    version: &str,
    security: Option<(u8, u8)>,
    capabilities: &[&str],
) {
    w.raw("\t");
    w.string(label);
    w.raw(":\t{\n\t\t\"ver\":\t");
    w.string(version);
    if let Some((scheme, patch)) = security {
        w.raw(",\n\t\t\"sec_ver\":\t");
        w.digit(scheme);
        w.raw(",\n\t\t\"sec_patch_ver\":\t");
        w.digit(patch);
    }
    w.raw(",\n\t\t\"cap\":\t[");
    for (index, capability) in capabilities.iter().enumerate() {
        if index > 0 {
            w.raw(", ");
        }
        w.string(capability);
    }
    w.raw("]\n\t}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_of_a_device_is_read_back() {
        let app = [AppInfo {
            label: "prov-like",
            version: "9",
            capabilities: &["sec_ver", "cap"],
        }];
        let mut buffer = [0; 256];
        let len = encode(2, 1, &[NO_PROOF, WIFI_SCAN], &app, &mut buffer).unwrap();
        let version = Version::decode(&buffer[..len]).unwrap();
        assert_eq!(version.version, "v1.1");
        assert_eq!((version.scheme, version.patch), (2, 1));
        assert!(version.capabilities().eq([NO_PROOF, WIFI_SCAN]));
        assert!(!version.has("sec_ver"));
        let application = Version::decode_application(&buffer[..len], "prov-like").unwrap();
        assert!(application.version == "9" && application.has("sec_ver"));
        assert!(Version::decode_application(&buffer[..len], "prov-lik").is_err());
        assert_eq!(
            encode(2, 1, &[NO_PROOF, WIFI_SCAN], &app, &mut buffer[..len - 1]),
            Err(BufferTooSmall { needed: len })
        );
    }

    #[test]
    fn devices_that_do_not_name_their_scheme() {
        let old = br#"{"prov":{"ver":"v1.0","cap":["wifi_scan"]}}"#;
        assert_eq!(Version::decode(old).unwrap().scheme, 1);
        let old = br#"{"prov":{"ver":"v1.0","cap":["no_sec","wifi_scan"]},"x":{"sec_ver":2}}"#;
        assert_eq!(Version::decode(old).unwrap().scheme, 0);
    }

    #[test]
    fn what_only_looks_like_provisioning_is_passed_over() {
        let text = br#"{"a":{"prov":{"ver":"no"}},"b":"prov","c":["prov",{"ver":"no"}],
            "prov":{"x":{"ver":"no"},"ver":"yes","sec_ver":2,"cap":[]}}"#;
        let version = Version::decode(text).unwrap();
        assert_eq!((version.version, version.scheme), ("yes", 2));
        assert_eq!(version.capabilities().count(), 0);
    }

    #[test]
    fn texts_without_a_version_are_refused() {
        for text in [
            &b""[..],
            b"v1.1",
            b"{}",
            b"{\"prov\":{}}",
            b"{\"prov\":{\"ver\":\"open",
            b"}}}",
            b"{}}}}}}}\"prov\":{\"ver\":\"x\"}",
            b"\xFF",
        ] {
            assert_eq!(Version::decode(text), Err(Malformed), "{text:?}");
        }
    }
}
