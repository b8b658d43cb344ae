//! The few words of MQTT 5 that show whether a server lets a device in and takes what it sends.
//!
//! The packets are mqtt-protocol-core's. The device itself speaks by another library; what is asked here,
//! one packet after the other, no device asks.

use std::collections::VecDeque;
use std::time::Duration;

use embedded_io_async::{Read, Write};
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, Packet, Qos, SubEntry, SubOpts, v5_0 as v5,
};
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tokio::time::timeout;

/// A server that is starting does not answer CONNECT for a minute; the device waits as long as this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer that helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal<E> {
    /// The server says why, by a reason code of MQTT 5.
    Reason(u8),
    /// It hung up without a word.
    HungUp,
    /// It said nothing for long.
    Silent,
    /// It said what is no MQTT 5.
    Protocol,
    /// The stream below broke.
    Stream(E),
}

/// A connection.
pub(crate) struct Mqtt<IO> {
    io: IO,
    state: Connection<role::Client>,
    received: VecDeque<Packet>,
}

/// What becomes of a request.
type Answer<T, IO> = Result<T, Refusal<<IO as embedded_io_async::ErrorType>::Error>>;

impl<IO: Read + Write> Mqtt<IO> {
    /// Says CONNECT.
    pub(crate) async fn connect(io: IO, client_id: &str) -> Answer<Self, IO> {
        let mut this = Self {
            io,
            state: Connection::new(Version::V5_0),
            received: VecDeque::new(),
        };
        let connect = v5::Connect::builder()
            .client_id(client_id)
            .map_err(protocol)?;
        let connect = connect.clean_start(true).build().map_err(protocol)?;
        this.send(connect.into()).await?;
        match this.packet().await? {
            Packet::V5_0Connack(answer) => match answer.reason_code() as u8 {
                0 => Ok(this),
                reason => Err(Refusal::Reason(reason)),
            },
            _ => Err(Refusal::Protocol),
        }
    }

    /// Publishes with QoS 1 and waits for the acknowledgement.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8]) -> Answer<(), IO> {
        let id = self.state.acquire_packet_id().map_err(protocol)?;
        let publish = v5::Publish::builder().topic_name(topic).map_err(protocol)?;
        let publish = publish.qos(Qos::AtLeastOnce).packet_id(id).payload(payload);
        self.send(publish.build().map_err(protocol)?.into()).await?;
        loop {
            match self.packet().await? {
                Packet::V5_0Puback(answer) if answer.packet_id() == id => {
                    return match answer.reason_code().map_or(0, |code| code as u8) {
                        reason @ 0x80.. => Err(Refusal::Reason(reason)),
                        _ => Ok(()),
                    };
                }
                Packet::V5_0Disconnect(end) => return Err(ended(&end)),
                _ => {}
            }
        }
    }

    /// Asks to be told what is published there.
    pub(crate) async fn subscribe(&mut self, filter: &str) -> Answer<(), IO> {
        let id = self.state.acquire_packet_id().map_err(protocol)?;
        let options = SubOpts::new().set_qos(Qos::AtLeastOnce);
        let entries = vec![SubEntry::new(filter, options).map_err(protocol)?];
        let subscribe = v5::Subscribe::builder().packet_id(id).entries(entries);
        self.send(subscribe.build().map_err(protocol)?.into())
            .await?;
        loop {
            match self.packet().await? {
                Packet::V5_0Suback(answer) => {
                    let refused = answer
                        .reason_codes()
                        .iter()
                        .map(|code| *code as u8)
                        .find(|&code| code >= 0x80);
                    return refused.map_or(Ok(()), |reason| Err(Refusal::Reason(reason)));
                }
                Packet::V5_0Disconnect(end) => return Err(ended(&end)),
                _ => {}
            }
        }
    }

    /// The payload of the next message.
    pub(crate) async fn message(&mut self) -> Answer<Vec<u8>, IO> {
        loop {
            match self.packet().await? {
                Packet::V5_0Publish(message) => return Ok(message.payload().as_slice().to_vec()),
                Packet::V5_0Disconnect(end) => return Err(ended(&end)),
                _ => {}
            }
        }
    }

    /// Takes its leave, so that the server does not wait for it.
    pub(crate) async fn leave(mut self) -> IO {
        if let Ok(farewell) = v5::Disconnect::builder().build() {
            // It may have gone already.
            let _ = self.send(farewell.into()).await;
        }
        self.io
    }

    async fn send(&mut self, packet: Packet) -> Answer<(), IO> {
        let events = self.state.send(packet);
        self.apply(events).await
    }

    async fn packet(&mut self) -> Answer<Packet, IO> {
        loop {
            if let Some(packet) = self.received.pop_front() {
                return Ok(packet);
            }
            let mut buffer = [0; 4096];
            let read = timeout(PATIENCE, self.io.read(&mut buffer)).await;
            let length = match read
                .map_err(|_| Refusal::Silent)?
                .map_err(Refusal::Stream)?
            {
                0 => return Err(Refusal::HungUp),
                length => length,
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            let mut cursor = Cursor::new(bytes);
            while cursor.position() < length as u64 {
                let events = self.state.recv(&mut cursor);
                match self.apply(events).await {
                    // What came before it counts: ThingsBoard follows a CONNACK that refuses with a
                    // DISCONNECT of the same code, which MQTT 5 may not have there (0x88).
                    Err(Refusal::Protocol) if !self.received.is_empty() => break,
                    outcome => outcome?,
                }
            }
        }
    }

    async fn apply(&mut self, events: Vec<Event>) -> Answer<(), IO> {
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => self.received.push_back(packet),
                Event::RequestSendPacket { packet, .. } => {
                    let bytes = packet.to_continuous_buffer();
                    self.io.write_all(&bytes).await.map_err(Refusal::Stream)?;
                    self.io.flush().await.map_err(Refusal::Stream)?;
                }
                Event::NotifyError(_) => return Err(Refusal::Protocol),
                _ => {}
            }
        }
        Ok(())
    }
}

fn protocol<T, E>(_: T) -> Refusal<E> {
    Refusal::Protocol
}

fn ended<E>(end: &v5::Disconnect) -> Refusal<E> {
    end.reason_code()
        .map_or(Refusal::HungUp, |code| Refusal::Reason(code as u8))
}
