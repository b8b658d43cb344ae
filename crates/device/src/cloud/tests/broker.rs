//! The broker's part, played by hand: MQTT 5 packets in and out (OASIS MQTT 5.0).

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use embassy_time::{Duration, Instant, with_timeout};
use embedded_io_async::{Read, Write};
use thingsboard::topic;

use crate::tls::tests::pipe::End;

pub(super) const SUCCESS: u8 = 0;

/// A PUBLISH with QoS 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Publish {
    pub(super) id: [u8; 2],
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) at: Instant,
}

pub(super) struct Broker {
    end: End,
    /// Pings are answered on the side.
    pub(super) pings: usize,
    /// Acknowledgements of the device, which are passed over.
    pub(super) acknowledgements: usize,
}

/// A packet (MQTT 5.0, 2.1): its first byte, the length of what follows, and that.
pub(in crate::cloud) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    while length > 127 {
        packet.push(length as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend(body);
    packet
}

impl Broker {
    pub(super) fn new(end: End) -> Self {
        Self {
            end,
            pings: 0,
            acknowledgements: 0,
        }
    }

    /// The next packet, with its first byte and its body; none at the end of the stream.
    pub(super) async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let [first] = self.exactly::<1>().await?;
            let (mut length, mut shift) = (0, 0);
            loop {
                let [byte] = self.exactly::<1>().await?;
                length |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; length];
            for place in &mut body {
                [*place] = self.exactly::<1>().await?;
            }
            if first == 0xc0 {
                self.pings += 1;
                self.send(0xd0, &[]).await;
                continue;
            }
            return Some((first, body));
        }
    }

    async fn exactly<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.end.read_exact(&mut bytes).await.ok()?;
        Some(bytes)
    }

    /// Sends a packet. Returns its length.
    pub(super) async fn send(&mut self, first: u8, body: &[u8]) -> usize {
        let packet = packet(first, body);
        self.end.write_all(&packet).await.unwrap();
        packet.len()
    }

    /// Reads CONNECT and accepts it, with these properties.
    pub(super) async fn accept(&mut self, properties: &[u8]) -> Vec<u8> {
        let (first, connect) = self.packet().await.unwrap();
        assert_eq!(first, 0x10);
        let mut body = vec![0, SUCCESS, properties.len() as u8];
        body.extend(properties);
        self.send(0x20, &body).await;
        connect
    }

    /// Reads SUBSCRIBE and answers each filter with `reason`.
    pub(super) async fn subscribed(&mut self, reason: u8) -> Vec<u8> {
        let (first, subscribe) = self.packet().await.unwrap();
        assert_eq!(first, 0x82);
        let [high, low, ..] = subscribe[..] else {
            panic!("no packet id")
        };
        let filters = subscribe.windows(3).filter(|at| at == b"v1/").count();
        let mut answer = vec![high, low, 0];
        answer.extend(core::iter::repeat_n(reason, filters));
        self.send(0x90, &answer).await;
        subscribe
    }

    /// Everything up to live telemetry.
    pub(super) async fn welcome(&mut self) -> [Publish; 3] {
        self.accept(&[]).await;
        self.subscribed(1).await;
        let attributes = self.published().await.unwrap();
        self.acknowledge(&attributes, SUCCESS).await;
        let call = self.published().await.unwrap();
        self.acknowledge(&call, SUCCESS).await;
        let request = self.published().await.unwrap();
        self.acknowledge(&request, SUCCESS).await;
        [attributes, call, request]
    }

    /// The next PUBLISH, which must be one with QoS 1.
    pub(super) async fn published(&mut self) -> Option<Publish> {
        loop {
            let (first, body) = self.packet().await?;
            if first == 0x40 {
                self.acknowledgements += 1;
                continue;
            }
            assert_eq!(first, 0x32, "a PUBLISH with QoS 1, not a duplicate");
            let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
            let (topic, rest) = body[2..].split_at(topic);
            let [high, low, 0, payload @ ..] = rest else {
                panic!("packet id, no properties")
            };
            return Some(Publish {
                id: [*high, *low],
                topic: String::from_utf8(topic.to_vec()).unwrap(),
                payload: String::from_utf8(payload.to_vec()).unwrap(),
                at: Instant::now(),
            });
        }
    }

    /// The next PUBLISH within a second.
    pub(super) async fn published_soon(&mut self) -> Option<Publish> {
        with_timeout(Duration::from_secs(1), self.published())
            .await
            .ok()?
    }

    /// The next message of telemetry, if it comes within a second of any other; others are
    /// acknowledged.
    pub(super) async fn sample(&mut self) -> Option<Publish> {
        loop {
            let message = self.published_soon().await?;
            if message.topic == topic::TELEMETRY {
                return Some(message);
            }
            self.acknowledge(&message, SUCCESS).await;
        }
    }

    pub(super) async fn acknowledge(&mut self, publish: &Publish, reason: u8) {
        let [high, low] = publish.id;
        self.send(0x40, &[high, low, reason, 0]).await;
    }

    /// Publishes to the device with QoS 0.
    pub(super) async fn tell(&mut self, topic: &str, payload: &str) {
        self.publish(0, topic, payload).await;
    }

    /// Publishes to the device, with this quality of service and packet identifier 0x1234. Returns
    /// the length of the packet.
    pub(super) async fn publish(&mut self, qos: u8, topic: &str, payload: &str) -> usize {
        let mut body = vec![0, topic.len() as u8];
        body.extend(topic.bytes());
        if qos > 0 {
            body.extend([0x12, 0x34]);
        }
        body.push(0);
        body.extend(payload.bytes());
        self.send(0x30 | qos << 1, &body).await
    }

    /// Answers the device's request: none is set.
    pub(super) async fn has_no_shared_attributes(&mut self) {
        self.tell("v1/devices/me/attributes/response/1", "{}").await;
    }

    /// Sends bytes as they are.
    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        self.end.write_all(bytes).await.unwrap();
    }

    /// Publishes something to the device with QoS 1.
    pub(super) async fn tell_for_sure(&mut self, id: u8) {
        let mut body = vec![0, 1];
        body.extend([b'x', 0, id, 0]);
        self.send(0x32, &body).await;
    }

    /// Calls a procedure and returns the device's reply, not yet acknowledged.
    pub(super) async fn call(&mut self, id: u32, payload: &str) -> Publish {
        let topic = alloc::format!("v1/devices/me/rpc/request/{id}");
        self.tell(&topic, payload).await;
        let mut reply = self.published().await.unwrap();
        // What an earlier call changed.
        while reply.topic == "v1/devices/me/attributes" {
            self.acknowledge(&reply, SUCCESS).await;
            reply = self.published().await.unwrap();
        }
        let topic = alloc::format!("v1/devices/me/rpc/response/{id}");
        assert_eq!(reply.topic, topic);
        reply
    }
}
