//! One connection's bytes: the sans-IO protocol state tied to a stream.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

/// The largest packet taken: ThingsBoard's default of `NETTY_MAX_PAYLOAD_SIZE`
/// (`application/src/main/resources/thingsboard.yml`, commit
/// dfe65d5abc3aa959aaa853952d74943fbd6867bd), which netty's `MqttDecoder` holds the whole remaining
/// length to; before that come a byte and the length's own three.
const MAX_PACKET: u32 = 65_536 + 4;
/// How many messages wait for a client that has as many as it can take (its Receive Maximum).
const MOST_WAITING: usize = 1_000;
/// How long a client may take to accept what it is sent.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Wire<S> {
    stream: S,
    mqtt: Connection<role::Server>,
    received: VecDeque<Packet>,
    outgoing: Vec<u8>,
    /// Messages of QoS 1 that the client has no room for until it acknowledges others.
    waiting: VecDeque<(Packet, u16)>,
    silence_ends: Option<Instant>,
    /// The connection has to end once all is sent; why, if by the client's fault.
    closing: Option<Option<MqttError>>,
    buffer: Box<[u8]>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        let options = ConnectionOptions::new().maximum_packet_size_recv(MAX_PACKET);
        Self {
            stream,
            mqtt: Connection::with_options(Version::Undetermined, options),
            received: VecDeque::new(),
            outgoing: Vec::new(),
            waiting: VecDeque::new(),
            silence_ends: None,
            closing: None,
            buffer: vec![0; 4096].into_boxed_slice(),
        }
    }

    pub(super) fn version(&self) -> Version {
        self.mqtt.get_protocol_version()
    }

    /// Whether the connection has to end, and what the client did wrong, if it did.
    pub(super) fn closing(&self) -> Option<Option<MqttError>> {
        self.closing
    }

    /// When the client will have been silent for too long.
    pub(super) fn silence_ends(&self) -> Option<Instant> {
        self.silence_ends
    }

    /// The next packet that has arrived.
    pub(super) fn take(&mut self) -> Option<Packet> {
        self.received.pop_front()
    }

    /// Waits for bytes and takes them in; `Ok(false)` if the client has closed. Cancel-safe.
    pub(super) async fn receive(&mut self) -> io::Result<bool> {
        let length = match self.stream.read(&mut self.buffer).await {
            // What rustls says of a peer that closes TCP without taking leave in TLS.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        // Taken out for the time of the loop, which has no await in it.
        let buffer = std::mem::take(&mut self.buffer);
        let mut cursor = Cursor::new(buffer.get(..length).unwrap_or_default());
        // One call reads one packet, and nothing must be read behind a fault.
        while cursor.position() < length as u64 && self.closing.is_none() {
            let events = self.mqtt.recv(&mut cursor);
            self.apply(events, true);
        }
        while self.has_room()
            && let Some((packet, packet_id)) = self.waiting.pop_front()
        {
            self.send_or_release(packet, packet_id);
        }
        self.buffer = buffer;
        Ok(length > 0)
    }

    /// Tells the protocol that the client was silent for too long.
    pub(super) fn silent(&mut self) {
        self.silence_ends = None;
        let events = self.mqtt.notify_timer_fired(TimerKind::PingreqRecv);
        self.apply(events, true);
        self.closing
            .get_or_insert(Some(MqttError::KeepAliveTimeout));
    }

    /// Queues a packet; `false` if the protocol does not let it out now.
    pub(super) fn send(&mut self, packet: Packet) -> bool {
        let events = self.mqtt.send(packet);
        self.apply(events, false)
    }

    fn has_room(&self) -> bool {
        self.mqtt.get_receive_maximum_vacancy_for_send() != Some(0)
    }

    /// Queues a message of this packet identifier, which has one if it is of QoS 1; it waits while
    /// the client has no room for it. `false` if too many wait, or the protocol does not let it
    /// out.
    pub(super) fn publish(&mut self, packet: Packet, packet_id: Option<u16>) -> bool {
        let Some(packet_id) = packet_id else {
            return self.send(packet);
        };
        if self.waiting.is_empty() && self.has_room() {
            return self.send_or_release(packet, packet_id);
        }
        if self.waiting.len() == MOST_WAITING {
            self.release(packet_id);
            return false;
        }
        self.waiting.push_back((packet, packet_id));
        true
    }

    /// A packet that is not let out takes no identifier along: the library keeps it.
    fn send_or_release(&mut self, packet: Packet, packet_id: u16) -> bool {
        let sent = self.send(packet);
        if !sent {
            self.release(packet_id);
        }
        sent
    }

    fn release(&mut self, packet_id: u16) {
        let events = self.mqtt.release_packet_id(packet_id);
        self.apply(events, false);
    }

    /// A packet identifier for a message of QoS 1; `None` if all are in use.
    pub(super) fn packet_id(&mut self) -> Option<u16> {
        self.mqtt.acquire_packet_id().ok()
    }

    fn apply(&mut self, events: Vec<Event>, received: bool) -> bool {
        let mut sent = true;
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => self.received.push_back(packet),
                Event::RequestSendPacket { packet, .. } => {
                    self.outgoing
                        .extend_from_slice(&packet.to_continuous_buffer());
                }
                Event::RequestTimerReset {
                    kind: TimerKind::PingreqRecv,
                    duration_ms,
                } => {
                    self.silence_ends = Some(Instant::now() + Duration::from_millis(duration_ms));
                }
                Event::RequestTimerCancel(TimerKind::PingreqRecv) => self.silence_ends = None,
                Event::NotifyError(error) if received => self.closing = Some(Some(error)),
                Event::NotifyError(error) => {
                    log::debug!("a packet cannot be sent: {error:?}");
                    sent = false;
                }
                Event::RequestClose => {
                    self.closing.get_or_insert(None);
                }
                // The timers of a client, which this is not, and identifiers that are free again.
                Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_)
                | Event::NotifyPacketIdReleased(_) => {}
            }
        }
        sent
    }

    /// Sends what is queued.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.outgoing);
        let write = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        timeout(WRITE_PATIENCE, write)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends what is queued and closes the stream in good order.
    pub(super) async fn close(mut self) {
        let closing = async {
            self.flush().await?;
            self.stream.shutdown().await
        };
        if let Ok(Err(error)) = timeout(WRITE_PATIENCE, closing).await {
            log::debug!("closing a connection: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use mqtt_protocol_core::mqtt::packet::{Qos, SubEntry, SubOpts, v3_1_1 as v3, v5_0 as v5};

    use super::*;
    use crate::mqtt::packets::{self, Connect, Incoming, Replies};

    /// What a well-behaved client sends: CONNECT with a will, SUBSCRIBE, PUBLISH, PINGREQ.
    fn conversation(version: Version) -> Vec<Vec<u8>> {
        let entry = SubEntry::new(
            "v1/devices/me/attributes",
            SubOpts::new().set_qos(Qos::AtLeastOnce),
        )
        .unwrap();
        macro_rules! packets {
            ($v:ident) => {{
                let connect = $v::Connect::builder()
                    .client_id("c")
                    .unwrap()
                    .keep_alive(30);
                let connect =
                    connect.will_message("v1/devices/me/telemetry", b"{}", Qos::AtLeastOnce, false);
                let subscribe = $v::Subscribe::builder()
                    .packet_id(1)
                    .entries(vec![entry])
                    .build()
                    .unwrap();
                let publish = $v::Publish::builder()
                    .topic_name("v1/devices/me/telemetry")
                    .unwrap();
                let publish = publish
                    .qos(Qos::AtLeastOnce)
                    .packet_id(2)
                    .payload("{\"a\":1}")
                    .build()
                    .unwrap();
                vec![
                    connect
                        .unwrap()
                        .user_name("token")
                        .unwrap()
                        .build()
                        .unwrap()
                        .to_continuous_buffer(),
                    subscribe.to_continuous_buffer(),
                    publish.to_continuous_buffer(),
                    $v::Pingreq::builder()
                        .build()
                        .unwrap()
                        .to_continuous_buffer(),
                ]
            }};
        }
        if version == Version::V5_0 {
            packets!(v5)
        } else {
            packets!(v3)
        }
    }

    /// Plays bytes to the server's side, which lets the client in; counts the packets understood.
    async fn play(bytes: &[u8]) -> usize {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let mut wire = Wire::new(server);
        let mut understood = 0;
        while wire.closing().is_none() && wire.receive().await.unwrap() {
            while let Some(packet) = wire.take() {
                understood += usize::from(!matches!(packets::read(&packet), Incoming::Unexpected));
                if matches!(packets::read(&packet), Incoming::Connect(_)) {
                    wire.send(Replies::new(wire.version()).accept(false, None).unwrap());
                }
            }
        }
        understood
    }

    /// The protocol is another's; that it does not panic on a stranger's bytes is ours to know.
    #[tokio::test]
    async fn no_changed_byte_makes_it_panic() {
        for version in [Version::V3_1_1, Version::V5_0] {
            let packets = conversation(version);
            let [connect, rest @ ..] = packets.as_slice() else {
                unreachable!()
            };
            let rest = rest.concat();
            // The CONNECT comes in a read of its own, as the server has to answer it.
            for at in 0..connect.len() {
                for byte in 0..=255 {
                    let mut changed = connect.clone();
                    changed[at] = byte;
                    play(&changed).await;
                }
            }
            for at in 0..rest.len() {
                for byte in (0..=255).step_by(3) {
                    let mut changed = [connect.as_slice(), &rest].concat();
                    changed[connect.len() + at] = byte;
                    play(&changed).await;
                }
            }
        }
    }

    /// More messages than there are identifiers, all larger than what the client takes.
    #[tokio::test]
    async fn a_message_that_is_not_let_out_takes_no_identifier_along() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let largest = mqtt_protocol_core::mqtt::packet::MaximumPacketSize::new(64).unwrap();
        let connect = v5::Connect::builder().client_id("c").unwrap();
        let connect = connect.props(vec![largest.into()]).build().unwrap();
        client
            .write_all(&connect.to_continuous_buffer())
            .await
            .unwrap();
        let mut wire = Wire::new(server);
        assert!(wire.receive().await.unwrap());
        let replies = Replies::new(wire.version());
        assert!(matches!(
            packets::read(&wire.take().unwrap()),
            Incoming::Connect(Connect {
                largest: Some(64),
                ..
            })
        ));
        assert!(wire.send(replies.accept(false, None).unwrap()));
        for _ in 0..70_000 {
            let packet_id = wire.packet_id();
            let packet = replies.publish("topic", &[0; 64], packet_id).unwrap();
            assert!(packet_id.is_some() && !wire.publish(packet, packet_id));
        }
    }

    #[tokio::test]
    async fn a_conversation_is_understood_however_it_is_cut() {
        for version in [Version::V3_1_1, Version::V5_0] {
            let packets = conversation(version);
            assert_eq!(play(&packets.concat()).await, packets.len());
            for length in 0..packets[0].len() {
                assert_eq!(play(&packets[0][..length]).await, 0);
            }
        }
    }

    #[tokio::test]
    async fn messages_wait_for_a_client_that_takes_one_at_a_time() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        // CONNECT of MQTT 5 with a Receive Maximum of 1.
        let connect = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x1e\x03\x21\x00\x01\x00\x01c";
        client.write_all(connect).await.unwrap();
        let mut wire = Wire::new(server);
        assert!(wire.receive().await.unwrap() && wire.take().is_some());
        let replies = Replies::new(wire.version());
        assert!(wire.send(replies.accept(false, None).unwrap()));
        wire.outgoing.clear();
        let mut ids = Vec::new();
        for number in 0..3 {
            let id = wire.packet_id().unwrap();
            let topic = thingsboard::FromServer::AttributesUpdate.topic();
            let payload = format!("{{\"n\":{number}}}");
            let packet = replies.publish(&topic, payload.as_bytes(), Some(id));
            assert!(wire.publish(packet.unwrap(), Some(id)));
            ids.push(id);
        }
        for (number, id) in ids.into_iter().enumerate() {
            let sent = std::mem::take(&mut wire.outgoing);
            let text = format!("{{\"n\":{number}}}");
            assert!(
                sent.ends_with(text.as_bytes()),
                "message {number}: {sent:?}"
            );
            let [high, low] = id.to_be_bytes();
            client.write_all(&[0x40, 2, high, low]).await.unwrap();
            assert!(wire.receive().await.unwrap() && wire.take().is_some());
        }
        assert!(wire.outgoing.is_empty());
    }

    #[tokio::test]
    async fn a_packet_that_is_too_large_ends_the_connection_before_it_is_read() {
        // A PUBLISH that promises 256 MiB.
        let bytes = [
            conversation(Version::V5_0).remove(0),
            vec![0x30, 0xff, 0xff, 0xff, 0x7f],
        ]
        .concat();
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        client.write_all(&bytes).await.unwrap();
        let mut wire = Wire::new(server);
        while wire.closing().is_none() {
            assert!(wire.receive().await.unwrap());
        }
        assert_eq!(wire.closing(), Some(Some(MqttError::PacketTooLarge)));
    }
}
