//! The two versions of MQTT made one: what comes in, and what goes out.

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{
    AssignedClientIdentifier, MaximumQos, Packet, Property, Qos, SharedSubscriptionAvailable,
    SubEntry, SubscriptionIdentifierAvailable, v3_1_1 as v3, v5_0 as v5,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode,
    SubackReasonCode, SubackReturnCode, UnsubackReasonCode,
};

/// A packet of a client, of either version.
pub(super) enum Incoming {
    Connect(Connect),
    Publish(Publish),
    Puback,
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, Qos)>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    /// `with_will`: the client asks for its will although it says goodbye.
    Disconnect {
        with_will: bool,
    },
    /// What no client of this server has a reason to send.
    Unexpected,
}

/// How a client introduces itself.
pub(super) struct Connect {
    pub(super) client_id: String,
    pub(super) user_name: Option<String>,
    pub(super) has_password: bool,
    pub(super) clean: bool,
    /// The largest packet that it takes, in bytes, if it said so (MQTT 5's Maximum Packet Size).
    pub(super) largest: Option<usize>,
    pub(super) will: Option<Will>,
}

/// What to publish if the client falls silent.
#[derive(Clone)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// A message, `packet_id` being there for QoS 1 and 2.
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: Qos,
    pub(super) packet_id: Option<u16>,
}

macro_rules! connect {
    ($packet:ident, $clean:ident, $largest:expr) => {
        Incoming::Connect(Connect {
            client_id: $packet.client_id().to_owned(),
            user_name: $packet.user_name().map(str::to_owned),
            has_password: $packet.password().is_some(),
            clean: $packet.$clean(),
            largest: $largest,
            will: $packet.will_topic().map(|topic| Will {
                topic: topic.to_owned(),
                payload: $packet.will_payload().unwrap_or_default().to_vec(),
            }),
        })
    };
}

macro_rules! publish {
    ($packet:ident) => {
        Incoming::Publish(Publish {
            topic: $packet.topic_name().to_owned(),
            payload: $packet.payload().as_slice().to_vec(),
            qos: $packet.qos(),
            packet_id: $packet.packet_id(),
        })
    };
}

/// Reads a packet of either version.
pub(super) fn read(packet: &Packet) -> Incoming {
    match packet {
        Packet::V3_1_1Connect(p) => connect!(p, clean_session, None),
        Packet::V5_0Connect(p) => connect!(p, clean_start, largest(p.props())),
        Packet::V3_1_1Publish(p) => publish!(p),
        Packet::V5_0Publish(p) => publish!(p),
        Packet::V3_1_1Puback(_) | Packet::V5_0Puback(_) => Incoming::Puback,
        Packet::V3_1_1Subscribe(p) => Incoming::Subscribe {
            packet_id: p.packet_id(),
            filters: filters(p.entries()),
        },
        Packet::V5_0Subscribe(p) => Incoming::Subscribe {
            packet_id: p.packet_id(),
            filters: filters(p.entries()),
        },
        Packet::V3_1_1Unsubscribe(p) => Incoming::Unsubscribe {
            packet_id: p.packet_id(),
            filters: p.entries().iter().map(|e| e.as_str().to_owned()).collect(),
        },
        Packet::V5_0Unsubscribe(p) => Incoming::Unsubscribe {
            packet_id: p.packet_id(),
            filters: p.entries().iter().map(|e| e.as_str().to_owned()).collect(),
        },
        Packet::V3_1_1Pingreq(_) | Packet::V5_0Pingreq(_) => Incoming::Ping,
        Packet::V3_1_1Disconnect(_) => Incoming::Disconnect { with_will: false },
        Packet::V5_0Disconnect(p) => Incoming::Disconnect {
            with_will: p
                .reason_code()
                .is_some_and(|r| r != DisconnectReasonCode::NormalDisconnection),
        },
        _ => Incoming::Unexpected,
    }
}

fn largest(properties: &[Property]) -> Option<usize> {
    properties.iter().find_map(|property| match property {
        Property::MaximumPacketSize(size) => usize::try_from(size.val()).ok(),
        _ => None,
    })
}

/// Length in bytes of the packet with a message, without properties of MQTT 5.
pub(crate) fn message_len(topic: &str, payload: &[u8], qos: Qos) -> usize {
    let packet_id = if qos == Qos::AtMostOnce { 0 } else { 2 };
    let remaining = 2 + topic.len() + packet_id + 1 + payload.len();
    let length_field = match remaining {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    };
    1 + length_field + remaining
}

fn filters(entries: &[SubEntry]) -> Vec<(String, Qos)> {
    entries
        .iter()
        .map(|e| (e.topic_filter().to_owned(), e.sub_opts().qos()))
        .collect()
}

/// Builds packets for a client of one version.
///
/// What MQTT 3.1.1 has no word for is left out of the packet, or is `Ok(None)`.
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

    /// A CONNACK that lets the client in; `assigned` is the identifier of one that gave none.
    pub(super) fn accept(
        self,
        session_present: bool,
        assigned: Option<&str>,
    ) -> Result<Packet, MqttError> {
        if !self.v5 {
            let connack = v3::Connack::builder()
                .session_present(session_present)
                .return_code(ConnectReturnCode::Accepted)
                .build()?;
            return Ok(connack.into());
        }
        let mut limits: Vec<Property> = vec![
            MaximumQos::new(1)?.into(),
            SharedSubscriptionAvailable::new(0)?.into(),
            SubscriptionIdentifierAvailable::new(0)?.into(),
        ];
        if let Some(assigned) = assigned {
            limits.push(AssignedClientIdentifier::new(assigned)?.into());
        }
        let connack = v5::Connack::builder()
            .session_present(session_present)
            .reason_code(ConnectReasonCode::Success)
            .props(limits)
            .build()?;
        Ok(connack.into())
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

    pub(super) fn disconnect(
        self,
        reason: DisconnectReasonCode,
    ) -> Result<Option<Packet>, MqttError> {
        if !self.v5 {
            return Ok(None);
        }
        Ok(Some(
            v5::Disconnect::builder()
                .reason_code(reason)
                .build()?
                .into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use mqtt_protocol_core::mqtt::packet::GenericPacketTrait;

    use super::*;

    #[test]
    fn the_length_of_a_message_is_known_before_it_is_built() {
        for length in [0, 100, 120, 121, 122, 16_370, 16_375, 16_380, 65_536] {
            for (packet_id, qos) in [(None, Qos::AtMostOnce), (Some(1), Qos::AtLeastOnce)] {
                let payload = vec![b'x'; length];
                let packet = Replies { v5: true }.publish("a/b", &payload, packet_id);
                let built = packet.unwrap().to_continuous_buffer().len();
                assert_eq!(message_len("a/b", &payload, qos), built, "{length} {qos:?}");
            }
        }
    }
}
