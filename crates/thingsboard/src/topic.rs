//! The topics of the device API, built and parsed, for both ends of the connection.
//!
//! Only the topics that a single device uses with JSON payloads are here; those of gateways,
//! Sparkplug, the protobuf payloads and the short `v2/t` forms are not.
//!
//! Source: thingsboard/thingsboard,
//! `common/data/src/main/java/org/thingsboard/server/common/data/device/profile/MqttTopics.java`,
//! commit dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use core::fmt::{self, Write as _};
use core::ops::Deref;

/// Telemetry from the device.
pub const TELEMETRY: &str = "v1/devices/me/telemetry";
/// Client attributes from the device, and updates of shared attributes to it.
pub const ATTRIBUTES: &str = "v1/devices/me/attributes";
/// The device asks that a user may claim it.
pub const CLAIM: &str = "v1/devices/me/claim";
/// Error replies to firmware requests.
pub const FIRMWARE_ERROR: &str = "v2/fw/error";

/// Topic filter for the replies to attribute requests.
pub const SUBSCRIBE_ATTRIBUTES_RESPONSES: &str = "v1/devices/me/attributes/response/+";
/// Topic filter for RPC requests from the server.
pub const SUBSCRIBE_RPC_REQUESTS: &str = "v1/devices/me/rpc/request/+";
/// Topic filter for the replies to the device's own RPC requests.
pub const SUBSCRIBE_RPC_RESPONSES: &str = "v1/devices/me/rpc/response/+";
/// Topic filter for chunks of firmware.
pub const SUBSCRIBE_FIRMWARE: &str = "v2/fw/response/+/chunk/+";

const ATTRIBUTES_REQUEST: &str = "v1/devices/me/attributes/request/";
const ATTRIBUTES_RESPONSE: &str = "v1/devices/me/attributes/response/";
const RPC_REQUEST: &str = "v1/devices/me/rpc/request/";
const RPC_RESPONSE: &str = "v1/devices/me/rpc/response/";
const FIRMWARE_REQUEST: &str = "v2/fw/request/";
const FIRMWARE_RESPONSE: &str = "v2/fw/response/";
const CHUNK: &str = "/chunk/";

/// The number that ties a response to its request, chosen by who asks.
///
/// In 0..=2,147,483,647, for the server reads it as a Java `int`
/// (`JsonMqttAdaptor.getRequestId`, same commit).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u32);

impl RequestId {
    /// The id with this number, wrapped into the range, so that a plain counter can feed it.
    pub const fn wrapping(number: u32) -> Self {
        Self(number & 0x7fff_ffff)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        parse_u31(text).map(Self)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a device publishes, by topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromDevice {
    /// Telemetry, see [`crate::telemetry`].
    Telemetry,
    /// Client attributes, see [`crate::attributes`].
    Attributes,
    /// A request for the values of attributes.
    AttributesRequest(RequestId),
    /// The reply to an RPC of the server.
    RpcResponse(RequestId),
    /// An RPC to the server.
    RpcRequest(RequestId),
    /// A claim, see [`crate::claim`].
    Claim,
    /// A request for one chunk of firmware, see [`crate::firmware`].
    FirmwareRequest {
        /// Which download this chunk belongs to.
        request: RequestId,
        /// Index of the chunk, from 0.
        chunk: u32,
    },
}

impl FromDevice {
    /// Topic to publish to.
    pub fn topic(self) -> Topic {
        match self {
            Self::Telemetry => Topic::new(format_args!("{TELEMETRY}")),
            Self::Attributes => Topic::new(format_args!("{ATTRIBUTES}")),
            Self::AttributesRequest(id) => Topic::new(format_args!("{ATTRIBUTES_REQUEST}{id}")),
            Self::RpcResponse(id) => Topic::new(format_args!("{RPC_RESPONSE}{id}")),
            Self::RpcRequest(id) => Topic::new(format_args!("{RPC_REQUEST}{id}")),
            Self::Claim => Topic::new(format_args!("{CLAIM}")),
            Self::FirmwareRequest { request, chunk } => {
                Topic::new(format_args!("{FIRMWARE_REQUEST}{request}{CHUNK}{chunk}"))
            }
        }
    }

    /// Reads a topic that a device published to; `None` if it is not one of these.
    pub fn parse(topic: &str) -> Option<Self> {
        match topic {
            TELEMETRY => return Some(Self::Telemetry),
            ATTRIBUTES => return Some(Self::Attributes),
            CLAIM => return Some(Self::Claim),
            _ => {}
        }
        if let Some(id) = topic.strip_prefix(ATTRIBUTES_REQUEST) {
            return RequestId::parse(id).map(Self::AttributesRequest);
        }
        if let Some(id) = topic.strip_prefix(RPC_RESPONSE) {
            return RequestId::parse(id).map(Self::RpcResponse);
        }
        if let Some(id) = topic.strip_prefix(RPC_REQUEST) {
            return RequestId::parse(id).map(Self::RpcRequest);
        }
        let (request, chunk) = parse_chunk(topic.strip_prefix(FIRMWARE_REQUEST)?)?;
        Some(Self::FirmwareRequest { request, chunk })
    }
}

/// What the server publishes to a device, by topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromServer {
    /// Shared attributes were changed or deleted.
    AttributesUpdate,
    /// The reply to an attribute request.
    AttributesResponse(RequestId),
    /// An RPC to the device.
    RpcRequest(RequestId),
    /// The reply to an RPC of the device.
    RpcResponse(RequestId),
    /// One chunk of firmware; the payload is the raw bytes, empty past the end.
    FirmwareChunk {
        /// Which download this chunk belongs to.
        request: RequestId,
        /// Index of the chunk, from 0.
        chunk: u32,
    },
    /// A firmware request failed; the payload is a plain word such as `NOT_FOUND`.
    FirmwareError,
}

impl FromServer {
    /// Topic to publish to.
    pub fn topic(self) -> Topic {
        match self {
            Self::AttributesUpdate => Topic::new(format_args!("{ATTRIBUTES}")),
            Self::AttributesResponse(id) => Topic::new(format_args!("{ATTRIBUTES_RESPONSE}{id}")),
            Self::RpcRequest(id) => Topic::new(format_args!("{RPC_REQUEST}{id}")),
            Self::RpcResponse(id) => Topic::new(format_args!("{RPC_RESPONSE}{id}")),
            Self::FirmwareChunk { request, chunk } => {
                Topic::new(format_args!("{FIRMWARE_RESPONSE}{request}{CHUNK}{chunk}"))
            }
            Self::FirmwareError => Topic::new(format_args!("{FIRMWARE_ERROR}")),
        }
    }

    /// Reads a topic that the server published to; `None` if it is not one of these.
    pub fn parse(topic: &str) -> Option<Self> {
        match topic {
            ATTRIBUTES => return Some(Self::AttributesUpdate),
            FIRMWARE_ERROR => return Some(Self::FirmwareError),
            _ => {}
        }
        if let Some(id) = topic.strip_prefix(ATTRIBUTES_RESPONSE) {
            return RequestId::parse(id).map(Self::AttributesResponse);
        }
        if let Some(id) = topic.strip_prefix(RPC_REQUEST) {
            return RequestId::parse(id).map(Self::RpcRequest);
        }
        if let Some(id) = topic.strip_prefix(RPC_RESPONSE) {
            return RequestId::parse(id).map(Self::RpcResponse);
        }
        let (request, chunk) = parse_chunk(topic.strip_prefix(FIRMWARE_RESPONSE)?)?;
        Some(Self::FirmwareChunk { request, chunk })
    }
}

/// Length of the longest topic, `v1/devices/me/attributes/response/2147483647`.
const LONGEST: usize = ATTRIBUTES_RESPONSE.len() + 10;

/// A topic name, held inline; it derefs to `str`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    bytes: [u8; LONGEST],
    len: u8,
}

impl Topic {
    fn new(text: fmt::Arguments<'_>) -> Self {
        let mut topic = Self {
            bytes: [0; LONGEST],
            len: 0,
        };
        // `LONGEST` holds every topic of this module: see the test of the extremes.
        let fits = topic.write_fmt(text);
        debug_assert!(fits.is_ok());
        topic
    }

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..usize::from(self.len))
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl fmt::Write for Topic {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let start = usize::from(self.len);
        let end = start + text.len();
        self.bytes
            .get_mut(start..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.len = end as u8;
        Ok(())
    }
}

impl Deref for Topic {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

fn parse_chunk(text: &str) -> Option<(RequestId, u32)> {
    let (request, chunk) = text.split_once(CHUNK)?;
    Some((RequestId::parse(request)?, parse_u31(chunk)?))
}

/// Digits only: `str::parse` would also take a leading plus.
fn parse_u31(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&n| n <= 0x7fff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: RequestId = RequestId::wrapping(u32::MAX);

    #[test]
    fn topics_are_those_of_the_documentation() {
        // thingsboard.io/docs/reference/mqtt-api
        let id = RequestId::wrapping(1);
        assert_eq!(&*FromDevice::Telemetry.topic(), "v1/devices/me/telemetry");
        assert_eq!(
            &*FromDevice::AttributesRequest(id).topic(),
            "v1/devices/me/attributes/request/1"
        );
        assert_eq!(
            &*FromServer::AttributesResponse(id).topic(),
            "v1/devices/me/attributes/response/1"
        );
        assert_eq!(
            &*FromServer::RpcRequest(id).topic(),
            "v1/devices/me/rpc/request/1"
        );
        assert_eq!(
            &*FromDevice::RpcResponse(id).topic(),
            "v1/devices/me/rpc/response/1"
        );
        let chunk = FromDevice::FirmwareRequest {
            request: id,
            chunk: 42,
        };
        assert_eq!(&*chunk.topic(), "v2/fw/request/1/chunk/42");
        let chunk = FromServer::FirmwareChunk {
            request: id,
            chunk: 42,
        };
        assert_eq!(&*chunk.topic(), "v2/fw/response/1/chunk/42");
    }

    #[test]
    fn every_topic_survives_a_round_trip() {
        for topic in [
            FromDevice::Telemetry,
            FromDevice::Attributes,
            FromDevice::AttributesRequest(MAX),
            FromDevice::RpcResponse(MAX),
            FromDevice::RpcRequest(MAX),
            FromDevice::Claim,
            FromDevice::FirmwareRequest {
                request: MAX,
                chunk: 0x7fff_ffff,
            },
        ] {
            assert_eq!(FromDevice::parse(&topic.topic()), Some(topic));
        }
        for topic in [
            FromServer::AttributesUpdate,
            FromServer::AttributesResponse(MAX),
            FromServer::RpcRequest(MAX),
            FromServer::RpcResponse(MAX),
            FromServer::FirmwareChunk {
                request: MAX,
                chunk: 0x7fff_ffff,
            },
            FromServer::FirmwareError,
        ] {
            assert_eq!(FromServer::parse(&topic.topic()), Some(topic));
        }
    }

    #[test]
    fn strange_topics_are_refused() {
        for topic in [
            "",
            "v1/devices/me/telemetry/",
            "v1/devices/me/rpc/request/",
            "v1/devices/me/rpc/request/+1",
            "v1/devices/me/rpc/request/-1",
            "v1/devices/me/rpc/request/2147483648",
            "v1/devices/me/rpc/request/99999999999999999999",
            "v1/devices/me/rpc/request/1/2",
            "v2/fw/request/1",
            "v2/fw/request/1/chunk/",
            "v2/fw/request/1/chunk/x",
            "v2/fw/request//chunk/1",
        ] {
            assert_eq!(FromDevice::parse(topic), None, "{topic}");
            assert_eq!(FromServer::parse(topic), None, "{topic}");
        }
    }
}
