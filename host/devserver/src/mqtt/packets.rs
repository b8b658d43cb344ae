//! The two versions of MQTT made one: what comes in, and what goes out.

use mqtt_protocol_core::mqtt::connection::RawPacket;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, Packet, Qos, SubEntry, v3_1_1 as v3, v5_0 as v5,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode,
    SubackReasonCode, SubackReturnCode, UnsubackReasonCode,
};
use mqtt_protocol_core::mqtt::{Arc, Version};

/// A packet of a client, of either version.
pub(super) enum Incoming {
    Connect(Connect),
    Publish(Publish),
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, Qos)>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect,
    /// What ThingsBoard reads and does nothing about: acknowledgements, and what only a server sends.
    Ignored,
}

/// How a client introduces itself.
pub(super) struct Connect {
    pub(super) client_id: String,
    pub(super) user_name: Option<String>,
    pub(super) has_password: bool,
    pub(super) clean: bool,
}

/// A message, `packet_id` being there for QoS 1 and 2.
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) packet_id: Option<u16>,
}

macro_rules! connect {
    ($packet:expr, $clean:ident) => {{
        let packet = $packet;
        Incoming::Connect(Connect {
            client_id: packet.client_id().to_owned(),
            user_name: packet.user_name().map(str::to_owned),
            has_password: packet.password().is_some(),
            clean: packet.$clean(),
        })
    }};
}

macro_rules! publish {
    ($packet:expr) => {{
        let (packet, _) = $packet;
        Incoming::Publish(Publish {
            topic: packet.topic_name().to_owned(),
            payload: packet.payload().as_slice().to_vec(),
            packet_id: packet.packet_id(),
        })
    }};
}

macro_rules! subscribe {
    ($packet:expr) => {{
        let packet = $packet;
        Incoming::Subscribe {
            packet_id: packet.packet_id(),
            filters: filters(packet.entries()),
        }
    }};
}

macro_rules! unsubscribe {
    ($packet:expr) => {{
        let packet = $packet;
        let filters = packet.entries().iter();
        Incoming::Unsubscribe {
            packet_id: packet.packet_id(),
            filters: filters.map(|e| e.as_str().to_owned()).collect(),
        }
    }};
}

/// The version of MQTT that a CONNECT speaks: its protocol level, behind the name `MQTT`.
fn level(raw: &RawPacket) -> Option<Version> {
    match raw.data_as_slice().get(6)? {
        4 => Some(Version::V3_1_1),
        5 => Some(Version::V5_0),
        _ => None,
    }
}

/// Reads a CONNECT, and which version it speaks.
pub(super) fn read_first(raw: &RawPacket) -> Result<(Version, Incoming), MqttError> {
    if raw.packet_type() != CONNECT {
        return Err(MqttError::ProtocolError);
    }
    let version = level(raw).ok_or(MqttError::UnsupportedProtocolVersion)?;
    Ok((version, read(raw, version)?))
}

const CONNECT: u8 = 1;

/// Reads a packet of either version. Only how it is written is checked, not whether it belongs here.
pub(super) fn read(raw: &RawPacket, version: Version) -> Result<Incoming, MqttError> {
    let v5 = version == Version::V5_0;
    // What netty's `MqttDecoder` asks of the flags.
    let flags_hold = !matches!(raw.packet_type(), 6 | 8 | 10) || (raw.flags() >> 1) & 3 == 1;
    if !flags_hold {
        return Err(MqttError::MalformedPacket);
    }
    Ok(match raw.packet_type() {
        CONNECT if v5 => connect!(raw.parse_exact(v5::Connect::parse)?, clean_start),
        CONNECT => connect!(raw.parse_exact(v3::Connect::parse)?, clean_session),
        3 => {
            let data = Arc::from(raw.data_as_slice());
            match v5 {
                true => publish!(v5::Publish::parse(raw.flags(), data)?),
                false => publish!(v3::Publish::parse(raw.flags(), data)?),
            }
        }
        8 if v5 => subscribe!(raw.parse_exact(v5::Subscribe::parse)?),
        8 => subscribe!(raw.parse_exact(v3::Subscribe::parse)?),
        10 if v5 => unsubscribe!(raw.parse_exact(v5::Unsubscribe::parse)?),
        10 => unsubscribe!(raw.parse_exact(v3::Unsubscribe::parse)?),
        12 => Incoming::Ping,
        14 => Incoming::Disconnect,
        0 => return Err(MqttError::MalformedPacket),
        _ => Incoming::Ignored,
    })
}

fn filters(entries: &[SubEntry]) -> Vec<(String, Qos)> {
    entries
        .iter()
        .map(|e| (e.topic_filter().to_owned(), e.sub_opts().qos()))
        .collect()
}

/// Builds packets for a client of one version.
///
/// What MQTT 3.1.1 has no word for is left out of the packet, or is no packet at all.
#[derive(Clone, Copy)]
pub(super) struct Replies {
    v5: bool,
}

impl Replies {
    pub(super) fn new(version: Version) -> Self {
        Self {
            v5: version == Version::V5_0,
        }
    }

    pub(super) fn is_v5(self) -> bool {
        self.v5
    }

    pub(super) fn protocol(self) -> &'static str {
        if self.v5 { "MQTT 5" } else { "MQTT 3.1.1" }
    }

    /// A CONNACK that lets the client in. It has no properties: a client is told of no limit.
    pub(super) fn accept(self, session_present: bool) -> Result<Packet, MqttError> {
        Ok(if self.v5 {
            v5::Connack::builder()
                .session_present(session_present)
                .reason_code(ConnectReasonCode::Success)
                .build()?
                .into()
        } else {
            v3::Connack::builder()
                .session_present(session_present)
                .return_code(ConnectReturnCode::Accepted)
                .build()?
                .into()
        })
    }

    /// A CONNACK that refuses; `reason` is MQTT 5's, and is put into the words of MQTT 3.1.1
    /// as `ReturnCodeResolver.getConnectionReturnCode` does (thingsboard/thingsboard, commit
    /// dfe65d5abc3aa959aaa853952d74943fbd6867bd).
    pub(super) fn refuse(self, reason: ConnectReasonCode) -> Result<Packet, MqttError> {
        if self.v5 {
            return Ok(v5::Connack::builder()
                .session_present(false)
                .reason_code(reason)
                .build()?
                .into());
        }
        let code = match reason {
            ConnectReasonCode::BadUserNameOrPassword | ConnectReasonCode::NotAuthorized => {
                ConnectReturnCode::NotAuthorized
            }
            ConnectReasonCode::ClientIdentifierNotValid => ConnectReturnCode::IdentifierRejected,
            _ => ConnectReturnCode::ServerUnavailable,
        };
        Ok(v3::Connack::builder()
            .session_present(false)
            .return_code(code)
            .build()?
            .into())
    }

    pub(super) fn puback(
        self,
        packet_id: u16,
        reason: PubackReasonCode,
    ) -> Result<Packet, MqttError> {
        Ok(if self.v5 {
            v5::Puback::builder()
                .packet_id(packet_id)
                .reason_code(reason)
                .build()?
                .into()
        } else {
            v3::Puback::builder().packet_id(packet_id).build()?.into()
        })
    }

    /// One answer for each filter; `None` is a filter that ThingsBoard does not know.
    pub(super) fn suback(
        self,
        packet_id: u16,
        granted: &[Option<Qos>],
    ) -> Result<Packet, MqttError> {
        Ok(if self.v5 {
            let codes = granted.iter().map(|qos| match qos {
                Some(Qos::AtMostOnce) => SubackReasonCode::GrantedQos0,
                Some(_) => SubackReasonCode::GrantedQos1,
                None => SubackReasonCode::TopicFilterInvalid,
            });
            v5::Suback::builder()
                .packet_id(packet_id)
                .reason_codes(codes.collect())
                .build()?
                .into()
        } else {
            let codes = granted.iter().map(|qos| match qos {
                Some(Qos::AtMostOnce) => SubackReturnCode::SuccessMaximumQos0,
                Some(_) => SubackReturnCode::SuccessMaximumQos1,
                None => SubackReturnCode::Failure,
            });
            v3::Suback::builder()
                .packet_id(packet_id)
                .return_codes(codes.collect())
                .build()?
                .into()
        })
    }

    /// One answer for each filter, whether it was subscribed to.
    pub(super) fn unsuback(self, packet_id: u16, existed: &[bool]) -> Result<Packet, MqttError> {
        Ok(if self.v5 {
            let codes = existed.iter().map(|&existed| {
                if existed {
                    UnsubackReasonCode::Success
                } else {
                    UnsubackReasonCode::NoSubscriptionExisted
                }
            });
            v5::Unsuback::builder()
                .packet_id(packet_id)
                .reason_codes(codes.collect())
                .build()?
                .into()
        } else {
            v3::Unsuback::builder().packet_id(packet_id).build()?.into()
        })
    }

    pub(super) fn pong(self) -> Result<Packet, MqttError> {
        Ok(if self.v5 {
            v5::Pingresp::builder().build()?.into()
        } else {
            v3::Pingresp::builder().build()?.into()
        })
    }

    /// A message; `packet_id` makes it QoS 1.
    pub(super) fn publish(
        self,
        topic: &str,
        payload: &[u8],
        packet_id: Option<u16>,
    ) -> Result<Packet, MqttError> {
        let qos = if packet_id.is_some() {
            Qos::AtLeastOnce
        } else {
            Qos::AtMostOnce
        };
        Ok(if self.v5 {
            let builder = v5::Publish::builder()
                .topic_name(topic)?
                .qos(qos)
                .payload(payload);
            match packet_id {
                Some(id) => builder.packet_id(id).build()?.into(),
                None => builder.build()?.into(),
            }
        } else {
            let builder = v3::Publish::builder()
                .topic_name(topic)?
                .qos(qos)
                .payload(payload);
            match packet_id {
                Some(id) => builder.packet_id(id).build()?.into(),
                None => builder.build()?.into(),
            }
        })
    }

    /// A DISCONNECT, which a server may send in MQTT 5 only.
    pub(super) fn disconnect(self, reason: DisconnectReasonCode) -> Vec<u8> {
        self.disconnect_as(reason as u8)
    }

    /// The same with the code of a CONNACK before it, of which not all are codes of a DISCONNECT
    /// (`MqttTransportHandler.closeCtx`, thingsboard/thingsboard, commit
    /// 292e6a36a120c2056a3c19b501d8245d9e6f2db0).
    pub(super) fn disconnect_after(self, reason: ConnectReasonCode) -> Vec<u8> {
        self.disconnect_as(reason as u8)
    }

    fn disconnect_as(self, code: u8) -> Vec<u8> {
        const DISCONNECT: u8 = 14 << 4;
        match self.v5 {
            true => vec![DISCONNECT, 2, code, 0],
            false => Vec::new(),
        }
    }
}

/// A packet as it goes over the line.
pub(super) fn bytes(packet: &Packet) -> Vec<u8> {
    packet.to_continuous_buffer()
}
