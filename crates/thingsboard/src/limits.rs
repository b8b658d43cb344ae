//! What the server lets one device send: the answer to its call `getSessionLimits`.
//!
//! The device calls with [`rpc::write_request`](crate::rpc::write_request) and [`METHOD`] on
//! [`FromDevice::RpcRequest`](crate::FromDevice::RpcRequest), having subscribed to
//! [`SUBSCRIBE_RPC_RESPONSES`](crate::topic::SUBSCRIBE_RPC_RESPONSES), and is answered with
//!
//! ```json
//! {"maxPayloadSize":65536,"maxInflightMessages":100,
//!  "rateLimits":{"messages":"200:1,6000:60","telemetryMessages":null,"telemetryDataPoints":"15000:3600"}}
//! ```
//!
//! Telemetry counts as a telemetry message and as so many data points as it has values; whatever
//! else a device sends counts as a message. Each is a bucket of tokens that is refilled evenly,
//! and a message for which there are too few is refused whole.
//!
//! Source: thingsboard/thingsboard, `SessionLimits.java`, `DefaultTransportRateLimitService.java`
//! (`checkEntityRateLimit`) and `TbRateLimits.java`, commit
//! dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use crate::json::{Json, Object, ParseError};

/// The name of the procedure.
pub const METHOD: &str = "getSessionLimits";

/// What a device may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLimits<'a> {
    /// The largest payload in bytes.
    pub max_payload_size: Option<u32>,
    /// How many messages may be under way at once.
    pub max_inflight_messages: Option<u32>,
    /// Messages that are no telemetry.
    pub messages: RateLimit<'a>,
    /// Messages of telemetry.
    pub telemetry_messages: RateLimit<'a>,
    /// Values in them.
    pub telemetry_data_points: RateLimit<'a>,
}

impl<'a> SessionLimits<'a> {
    /// Reads a payload from [`FromServer::RpcResponse`](crate::FromServer::RpcResponse). What is
    /// not there, or is something else, limits nothing.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong with it, and where.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let object = Object::parse(payload)?;
        let size = |key| {
            let size = object.get(key).and_then(Json::as_i64)?;
            u32::try_from(size).ok().filter(|&size| size > 0)
        };
        let rates = object.get("rateLimits").and_then(Json::as_object);
        let rate = |key| {
            let text = rates?.get(key)?.as_text()?;
            Some(RateLimit(text.as_plain()?))
        };
        Ok(Self {
            max_payload_size: size("maxPayloadSize"),
            max_inflight_messages: size("maxInflightMessages"),
            messages: rate("messages").unwrap_or_default(),
            telemetry_messages: rate("telemetryMessages").unwrap_or_default(),
            telemetry_data_points: rate("telemetryDataPoints").unwrap_or_default(),
        })
    }
}

/// How much in how long: `count:seconds`, or several of these with commas between, which hold all
/// at once. Empty if there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit<'a>(pub &'a str);

impl<'a> RateLimit<'a> {
    /// Its windows; parts that are none are passed over.
    pub fn windows(self) -> impl Iterator<Item = Window> + 'a {
        self.0.split(',').filter_map(Window::parse)
    }
}

/// So much in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How much, at least 1.
    pub count: u32,
    /// How long, at least 1.
    pub seconds: u32,
}

impl Window {
    fn parse(text: &str) -> Option<Self> {
        let (count, seconds) = text.split_once(':')?;
        // More than a u32 takes is no limit for a device.
        let number = |text: &str| text.trim().parse().ok().filter(|&number| number > 0);
        Some(Self {
            count: number(count)?,
            seconds: number(seconds)?,
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_answer_of_a_server_is_read() {
        // As a ThingsBoard 4.2.1 answers.
        let unlimited = br#"{"maxPayloadSize":65536,"maxInflightMessages":100,"rateLimits":{"messages":null,"telemetryMessages":null,"telemetryDataPoints":null}}"#;
        let limits = SessionLimits::parse(unlimited).unwrap();
        assert_eq!(limits.max_payload_size, Some(65_536));
        assert_eq!(limits.max_inflight_messages, Some(100));
        for rate in [
            limits.messages,
            limits.telemetry_messages,
            limits.telemetry_data_points,
        ] {
            assert_eq!(rate.windows().count(), 0);
        }
        let limited =
            br#"{"rateLimits":{"messages":"200:1,6000:60","telemetryDataPoints":"15000:3600"}}"#;
        let limits = SessionLimits::parse(limited).unwrap();
        let windows: Vec<_> = limits.messages.windows().collect();
        let window = |count, seconds| Window { count, seconds };
        assert_eq!(windows, [window(200, 1), window(6_000, 60)]);
        let points = limits.telemetry_data_points.windows();
        assert_eq!(points.collect::<Vec<_>>(), [window(15_000, 3_600)]);
        assert_eq!(limits.max_payload_size, None);
    }

    #[test]
    fn what_is_no_limit_limits_nothing() {
        for payload in [
            "{}",
            r#"{"maxPayloadSize":0,"rateLimits":5}"#,
            r#"{"rateLimits":{"messages":7}}"#,
        ] {
            let limits = SessionLimits::parse(payload.as_bytes()).unwrap();
            assert_eq!(limits, SessionLimits::default());
        }
        for text in ["", "x", "5", "0:1", "1:0", "-1:1", "99999999999:1", ",,:"] {
            assert_eq!(RateLimit(text).windows().count(), 0, "{text}");
        }
        assert_eq!(RateLimit("x, 5:60 ,").windows().count(), 1);
        assert!(SessionLimits::parse(b"[]").is_err());
    }
}
