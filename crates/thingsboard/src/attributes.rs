//! Attributes: what is true of a device until it changes.
//!
//! *Client* attributes are the device's to set, *shared* attributes the server's. The device
//! publishes its own as `{"k":v}` to [`crate::topic::ATTRIBUTES`]
//! ([`write_values`]), hears there of changes to the shared
//! ones ([`Update`]), and may ask for the current values of both ([`write_request`]).
//!
//! Source: thingsboard/thingsboard, `JsonMqttAdaptor.java` and `JsonConverter.java`, commit
//! dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use crate::json::{BufferTooSmall, Json, Object, ParseError, Text, Writer};

/// Writes client attributes: `{"k":v}`, the same form as telemetry without time stamps.
pub use crate::telemetry::write_values;

/// Writes a request for the current values of the named attributes:
/// `{"clientKeys":"a,b","sharedKeys":"c"}`.
///
/// Publish it to [`AttributesRequest`](crate::FromDevice::AttributesRequest), having
/// subscribed to [`SUBSCRIBE_ATTRIBUTES_RESPONSES`](crate::topic::SUBSCRIBE_ATTRIBUTES_RESPONSES).
/// An empty list leaves its side out; with both empty the server sends all attributes.
/// A key with a comma cannot be asked for.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_request<'b>(
    buffer: &'b mut [u8],
    client: &[&str],
    shared: &[&str],
) -> Result<&'b [u8], BufferTooSmall> {
    let mut writer = Writer::new(buffer);
    let mut before = "{";
    for (name, keys) in [("clientKeys", client), ("sharedKeys", shared)] {
        let Some((first, rest)) = keys.split_first() else {
            continue;
        };
        writer.raw(before);
        writer.text(name);
        writer.raw(":\"");
        writer.escaped(first);
        for key in rest {
            writer.raw(",");
            writer.escaped(key);
        }
        writer.raw("\"");
        before = ",";
    }
    writer.raw(if before == "{" { "{}" } else { "}" });
    writer.finish()
}

/// The reply to a request: `{"client":{…},"shared":{…}}`, without the side that is empty.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The client attributes that exist, of those asked for.
    pub client: Option<Object<'a>>,
    /// The shared attributes that exist, of those asked for.
    pub shared: Option<Object<'a>>,
}

impl<'a> Response<'a> {
    /// Reads a payload from [`AttributesResponse`](crate::FromServer::AttributesResponse).
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong with it, and where.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let object = Object::parse(payload)?;
        let side = |key| object.get(key).and_then(Json::as_object);
        Ok(Self {
            client: side("client"),
            shared: side("shared"),
        })
    }
}

/// A change of shared attributes: `{"k":v}`, or `{"deleted":["k"]}`.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    object: Object<'a>,
}

impl<'a> Update<'a> {
    /// Reads a payload from [`AttributesUpdate`](crate::FromServer::AttributesUpdate).
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong with it, and where.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        Object::parse(payload).map(|object| Self { object })
    }

    /// The new value of an attribute, if this is among the changes.
    pub fn get(self, key: &str) -> Option<Json<'a>> {
        self.changed()
            .filter(|(name, _)| *name == *key)
            .last()
            .map(|(_, value)| value)
    }

    /// The attributes that have a new value.
    pub fn changed(self) -> impl Iterator<Item = (Text<'a>, Json<'a>)> {
        self.object
            .members()
            .filter(|(key, value)| !is_deletion(key, *value))
    }

    /// The whole change, as it was read.
    pub fn as_json(self) -> Json<'a> {
        self.object.as_json()
    }

    /// The names of the attributes that were deleted.
    pub fn deleted(self) -> impl Iterator<Item = Text<'a>> {
        self.object
            .members()
            .filter(|(key, value)| is_deletion(key, *value))
            .filter_map(|(_, names)| names.as_array())
            .flatten()
            .filter_map(Json::as_text)
    }
}

fn is_deletion(key: &Text<'_>, value: Json<'_>) -> bool {
    *key == "deleted" && value.as_array().is_some()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn a_request_is_that_of_the_documentation() {
        // thingsboard.io/docs/reference/mqtt-api#request-attribute-values-from-the-server
        let mut buffer = [0; 128];
        let client = ["attribute1", "attribute2"];
        let shared = ["shared1", "shared2"];
        assert_eq!(
            write_request(&mut buffer, &client, &shared).unwrap(),
            br#"{"clientKeys":"attribute1,attribute2","sharedKeys":"shared1,shared2"}"#
        );
        assert_eq!(
            write_request(&mut buffer, &[], &["s"]).unwrap(),
            br#"{"sharedKeys":"s"}"#
        );
        assert_eq!(write_request(&mut buffer, &[], &[]).unwrap(), b"{}");
        assert_eq!(
            write_request(&mut [0; 3], &[], &["s"]),
            Err(BufferTooSmall { needed: 18 })
        );
    }

    #[test]
    fn a_response_may_lack_a_side() {
        let response = Response::parse(br#"{"shared":{"telemetryIntervalMs":500}}"#).unwrap();
        assert!(response.client.is_none());
        let interval = response.shared.unwrap().get("telemetryIntervalMs").unwrap();
        assert_eq!(interval.as_i64(), Some(500));
        assert!(Response::parse(b"{}").unwrap().shared.is_none());
        assert!(Response::parse(b"[]").is_err());
    }

    #[test]
    fn an_update_changes_and_deletes() {
        let update = Update::parse(br#"{"telemetryIntervalMs":500,"x":{"y":1}}"#).unwrap();
        assert_eq!(
            update.get("telemetryIntervalMs").unwrap().as_i64(),
            Some(500)
        );
        assert_eq!(update.changed().count(), 2);
        assert_eq!(update.deleted().count(), 0);

        let update = Update::parse(br#"{"deleted":["a","b\u0062",3]}"#).unwrap();
        let deleted: Vec<_> = update.deleted().map(|name| name.to_string()).collect();
        assert_eq!(deleted, ["a", "bb"]);
        assert_eq!(update.changed().count(), 0);

        // An attribute may itself be called "deleted".
        let update = Update::parse(br#"{"deleted":true}"#).unwrap();
        assert_eq!(update.get("deleted").unwrap().as_bool(), Some(true));
        assert_eq!(update.deleted().count(), 0);
    }
}
