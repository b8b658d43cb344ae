//! The server's own clock: the answer to a device's call `getCurrentTime`.
//!
//! ThingsBoard does not answer that itself: a rule chain may. The device calls with
//! [`rpc::write_request`](crate::rpc::write_request) and [`METHOD`] on
//! [`FromDevice::RpcRequest`](crate::FromDevice::RpcRequest), and is answered with what the chain's node
//! "rpc call reply" was given: milliseconds since 1970 UTC, by themselves, as text (both are in ThingsBoard's
//! own guides), or as the member `time` of an object. Where no chain answers comes `{"error":"timeout"}`, a minute
//! later.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `DefaultTransportService.processTimeout`, `TbSendRPCReplyNode.java`, `JsonConverter.java`
//! (`toJson(ToServerRpcResponseMsg)`).

use crate::json::Json;

/// The name of the procedure.
pub const METHOD: &str = "getCurrentTime";

/// The end of the year 9999, beyond which no calendar goes.
const MOST_MS: u64 = 253_402_300_800_000;

/// Reads a payload from [`FromServer::RpcResponse`](crate::FromServer::RpcResponse): milliseconds since 1970 UTC,
/// before the year 10000. None if it tells no time.
#[must_use]
pub fn parse(payload: &[u8]) -> Option<u64> {
    let json = Json::parse(payload).ok()?;
    let time = match json.as_object() {
        Some(object) => object.get("time")?,
        None => json,
    };
    let unix_ms = match time.as_text() {
        Some(text) => text.as_plain()?.parse().ok()?,
        None => u64::try_from(time.as_i64()?).ok()?,
    };
    (unix_ms < MOST_MS).then_some(unix_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_each_form_that_rule_chains_give_it() {
        for payload in [
            "1795928776420",
            r#""1795928776420""#,
            "1.79592877642E12",
            r#"{"time":1795928776420}"#,
            r#" { "zone": "UTC", "time": "1795928776420" } "#,
        ] {
            assert_eq!(
                parse(payload.as_bytes()),
                Some(1_795_928_776_420),
                "{payload}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for payload in [
            "",
            "null",
            "{}",
            "[1795928776420]",
            r#"{"error":"timeout"}"#,
            r#"{"time":{"time":1}}"#,
            r#"{"time":null}"#,
            "-1",
            "1.5",
            r#""noon""#,
            r#""-1""#,
            "253402300800000",
            "99999999999999999999",
            r#""99999999999999999999""#,
            "1795928776420 ms",
        ] {
            assert_eq!(parse(payload.as_bytes()), None, "{payload}");
        }
    }
}
