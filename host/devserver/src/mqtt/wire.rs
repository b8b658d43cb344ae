//! One connection's bytes: packets cut out of a stream and put into it.
//!
//! Like ThingsBoard's, which is netty's codec and no more, this end keeps no state of the protocol:
//! it does not count what is unacknowledged, and ignores a client's keep-alive, Receive Maximum and
//! Maximum Packet Size.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder};
use mqtt_protocol_core::mqtt::packet::Packet;
use mqtt_protocol_core::mqtt::result_code::MqttError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::packets::{self, Incoming};

/// How long a client may be silent: ThingsBoard's default of `TB_TRANSPORT_SESSIONS_INACTIVITY_TIMEOUT`
/// (`application/src/main/resources/thingsboard.yml`, commit 292e6a36a120c2056a3c19b501d8245d9e6f2db0).
const SILENCE: Duration = Duration::from_secs(600);
/// How long a client may take to accept what it is sent.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Wire<S> {
    stream: S,
    /// From the CONNECT on.
    version: Option<Version>,
    framing: PacketBuilder,
    received: VecDeque<Incoming>,
    outgoing: Vec<u8>,
    last_packet_id: u16,
    heard: Instant,
    /// What the client did wrong; nothing is read behind it.
    fault: Option<MqttError>,
    buffer: Box<[u8]>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// `largest` is that of a packet in bytes, without its type and length field: netty's
    /// `MqttDecoder` holds the whole remaining length to it.
    pub(super) fn new(stream: S, largest: u32) -> Self {
        // The byte of the type, and the length field of the largest.
        let header = match largest {
            0..0x80 => 2,
            0x80..0x4000 => 3,
            0x4000..0x20_0000 => 4,
            _ => 5,
        };
        Self {
            stream,
            version: None,
            framing: PacketBuilder::with_maximum_packet_size(largest.saturating_add(header)),
            received: VecDeque::new(),
            outgoing: Vec::new(),
            last_packet_id: 0,
            heard: Instant::now(),
            fault: None,
            buffer: vec![0; 4096].into_boxed_slice(),
        }
    }

    /// What the client speaks, once it has said so.
    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// What the client did wrong, if it did: the connection has to end.
    pub(super) fn fault(&self) -> Option<MqttError> {
        self.fault
    }

    /// When the client will have been silent for too long.
    pub(super) fn silence_ends(&self) -> Instant {
        self.heard + SILENCE
    }

    /// The next packet that has arrived.
    pub(super) fn take(&mut self) -> Option<Incoming> {
        self.received.pop_front()
    }

    /// Waits for bytes and takes them in; `Ok(false)` if the client has closed. Cancel-safe.
    pub(super) async fn receive(&mut self) -> io::Result<bool> {
        let length = match self.stream.read(&mut self.buffer).await {
            // What rustls says of a peer that closes TCP without taking leave in TLS.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        self.heard = Instant::now();
        let mut cursor = Cursor::new(self.buffer.get(..length).unwrap_or_default());
        while self.fault.is_none() {
            let packet = match self.framing.feed(&mut cursor) {
                PacketBuildResult::Incomplete => break,
                PacketBuildResult::Error(error) => Err(error),
                PacketBuildResult::Complete(raw) => match self.version {
                    Some(version) => packets::read(&raw, version),
                    None => packets::read_first(&raw).map(|(version, packet)| {
                        self.version = Some(version);
                        packet
                    }),
                },
            };
            match packet {
                Ok(packet) => self.received.push_back(packet),
                Err(error) => self.fault = Some(error),
            }
        }
        Ok(length > 0)
    }

    /// Queues a packet.
    pub(super) fn send(&mut self, packet: &Packet) {
        self.send_bytes(&packets::bytes(packet));
    }

    /// Queues what is a packet already.
    pub(super) fn send_bytes(&mut self, packet: &[u8]) {
        self.outgoing.extend_from_slice(packet);
    }

    /// The packet identifier of the next message of QoS 1: one after the other, from 1 again after
    /// the last (`MqttDeviceAwareSessionContext.nextMsgId`).
    pub(super) fn packet_id(&mut self) -> u16 {
        self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
        self.last_packet_id
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

    const LARGEST: u32 = 65_536;

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
        let mut wire = Wire::new(server, LARGEST);
        let mut understood = 0;
        while wire.fault().is_none() && wire.receive().await.unwrap() {
            while let Some(packet) = wire.take() {
                understood += usize::from(!matches!(packet, Incoming::Ignored));
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
    async fn identifiers_go_round_and_are_never_zero() {
        let (_client, server) = tokio::io::duplex(64);
        let mut wire = Wire::new(server, LARGEST);
        let ids: Vec<_> = (0..0x1_0000).map(|_| wire.packet_id()).collect();
        assert_eq!((ids[0], ids[0xfffe], ids[0xffff]), (1, 0xffff, 1));
    }

    #[tokio::test]
    async fn a_packet_is_taken_to_the_limit_and_no_byte_more() {
        for largest in [100, 127, 128, 16_383, 16_384, 65_536] {
            for (length, fits) in [(largest, true), (largest + 1, false)] {
                let mut header = vec![0x30];
                let mut rest = length;
                while rest > 127 {
                    header.push((rest & 127) as u8 | 128);
                    rest >>= 7;
                }
                header.push(rest as u8);
                let connect = conversation(Version::V3_1_1).remove(0);
                let mut bytes = [connect, header].concat();
                bytes.extend_from_slice(b"\x00\x01t");
                bytes.resize(bytes.len() + length as usize - 3, b'x');
                let (mut client, server) = tokio::io::duplex(128 * 1024);
                client.write_all(&bytes).await.unwrap();
                client.shutdown().await.unwrap();
                let mut wire = Wire::new(server, largest);
                while wire.fault().is_none() && wire.receive().await.unwrap() {}
                assert!(matches!(wire.take(), Some(Incoming::Connect(_))));
                let taken = matches!(wire.take(), Some(Incoming::Publish(_)));
                assert_eq!(
                    (taken, wire.fault().is_none()),
                    (fits, fits),
                    "{largest} {length}"
                );
            }
        }
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
        let mut wire = Wire::new(server, LARGEST);
        while wire.fault().is_none() {
            assert!(wire.receive().await.unwrap());
        }
        assert_eq!(wire.fault(), Some(MqttError::PacketTooLarge));
    }
}
