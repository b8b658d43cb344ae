//! Remote procedure calls, in both directions.
//!
//! The server asks on [`RpcRequest`](crate::FromServer::RpcRequest) with
//! `{"method":"…","params":…}`; the device replies with any JSON on
//! [`RpcResponse`](crate::FromDevice::RpcResponse) under the same id. A one-way call looks
//! the same; a reply to it is ignored. The other direction has the same two forms.
//!
//! Source: thingsboard/thingsboard, `JsonMqttAdaptor.java` and `JsonConverter.java`
//! (`toJson(ToDeviceRpcRequestMsg)`, `convertToServerRpcRequest`), commit
//! dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use crate::Value;
use crate::json::{BufferTooSmall, Json, Object, ParseError, ParseErrorKind, Text, Writer};

/// A call, by whichever side.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The name of the procedure.
    pub method: Text<'a>,
    /// Its arguments: any JSON, `None` if there are none or they are `null`.
    pub params: Option<Json<'a>>,
}

impl<'a> Request<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`ParseError`]: not JSON, not an object, or without a `method` that is a string.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let object = Object::parse(payload)?;
        let method = object
            .get("method")
            .and_then(Json::as_text)
            .ok_or(ParseError {
                offset: 0,
                kind: ParseErrorKind::Expected("an object with a string \"method\""),
            })?;
        let params = object.get("params").filter(|params| !params.is_null());
        Ok(Self { method, params })
    }
}

/// Writes a call to the server, whose arguments are an object: `{"method":"…","params":{…}}`.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_request<'b>(
    buffer: &'b mut [u8],
    method: &str,
    params: &[(&str, Value<'_>)],
) -> Result<&'b [u8], BufferTooSmall> {
    let mut writer = Writer::new(buffer);
    writer.object([
        ("method", Value::Text(method)),
        ("params", Value::Object(params)),
    ]);
    writer.finish()
}

/// Writes a reply that is a single value: a number, text, an object.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_response<'b>(
    buffer: &'b mut [u8],
    reply: Value<'_>,
) -> Result<&'b [u8], BufferTooSmall> {
    let mut writer = Writer::new(buffer);
    writer.value(reply);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read() {
        // thingsboard.io/docs/reference/mqtt-api#server-side-rpc
        let request =
            Request::parse(br#"{"method":"setGpio","params":{"pin":"23","value":1}}"#).unwrap();
        assert_eq!(request.method, "setGpio");
        let params = request.params.and_then(Json::as_object).unwrap();
        assert_eq!(params.get("value").unwrap().as_i64(), Some(1));

        let request =
            Request::parse(br#"{"future":[1,{"x":2}],"method":"reboot","params":null}"#).unwrap();
        assert_eq!(request.method, "reboot");
        assert!(request.params.is_none());
    }

    #[test]
    fn a_call_without_a_method_is_refused() {
        for payload in [
            "",
            "{}",
            "[]",
            "1",
            r#"{"method":1}"#,
            r#"{"params":{}}"#,
            r#"{"method":"x""#,
        ] {
            assert!(Request::parse(payload.as_bytes()).is_err(), "{payload}");
        }
    }

    #[test]
    fn calls_and_replies_are_written() {
        let mut buffer = [0; 64];
        let written = write_request(&mut buffer, "getTime", &[]).unwrap();
        assert_eq!(written, br#"{"method":"getTime","params":{}}"#);
        let reply = Value::Object(&[("ok", Value::Bool(true)), ("interval", Value::Int(500))]);
        assert_eq!(
            write_response(&mut buffer, reply).unwrap(),
            br#"{"ok":true,"interval":500}"#
        );
    }
}
