//! A bare MQTT 5 client, for what Mosquitto's command line cannot do: ask and wait for the reply.

use std::collections::VecDeque;

use devserver::{Config, Server};
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, Packet, Qos, SubEntry, SubOpts, v5_0 as v5,
};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, DisconnectReasonCode};
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bench::within;

/// With TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How a client introduces itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct Greeting<'a> {
    pub(crate) token: Option<&'a str>,
    /// Topic and payload of its last will.
    pub(crate) will: Option<(&'a str, &'a str)>,
}

impl Greeting<'_> {
    fn packet(self) -> v5::Connect {
        let mut connect = v5::Connect::builder()
            .client_id("")
            .unwrap()
            .clean_start(true);
        if let Some(token) = self.token {
            connect = connect.user_name(token).unwrap();
        }
        if let Some((topic, payload)) = self.will {
            let will = connect.will_message(topic, payload, Qos::AtLeastOnce, false);
            connect = will.unwrap();
        }
        connect.build().unwrap()
    }
}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    mqtt: Connection<role::Client>,
    received: VecDeque<Packet>,
}

impl Client {
    /// A server with one device, `bench`; its token, and the device's connection with that.
    pub(crate) async fn of_a_server() -> (Server, String, Self) {
        let server = Server::start(Config::default()).await.unwrap();
        let token = server.create_device("bench", None).await.unwrap().unwrap();
        let client = Self::connect(server.mqtt_addr(), &token).await;
        (server, token, client)
    }

    /// Connects without TLS, with an access token.
    pub(crate) async fn connect(address: std::net::SocketAddr, token: &str) -> Self {
        let token = Some(token);
        let greeting = Greeting {
            token,
            ..Greeting::default()
        };
        Self::connect_as(address, greeting).await
    }

    /// Connects without TLS, with more to say.
    pub(crate) async fn connect_as(address: std::net::SocketAddr, greeting: Greeting<'_>) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let greeted = Self::greet(stream, greeting).await;
        greeted.unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    /// Introduces itself on a connection.
    pub(crate) async fn greet(
        stream: impl Stream + 'static,
        greeting: Greeting<'_>,
    ) -> Result<Self, ConnectReasonCode> {
        let mut mqtt = Connection::new(Version::V5_0);
        mqtt.set_auto_pub_response(true);
        let mut client = Self {
            stream: Box::new(stream),
            mqtt,
            received: VecDeque::new(),
        };
        client.send(greeting.packet().into()).await;
        match client.packet().await {
            Packet::V5_0Connack(c) if c.reason_code() == ConnectReasonCode::Success => Ok(client),
            Packet::V5_0Connack(c) => Err(c.reason_code()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) {
        self.subscribe_with(filter, Qos::AtLeastOnce).await;
    }

    pub(crate) async fn subscribe_with(&mut self, filter: &str, qos: Qos) {
        let options = SubOpts::new().set_qos(qos);
        let entries = vec![SubEntry::new(filter, options).unwrap()];
        let id = self.mqtt.acquire_packet_id().unwrap();
        let subscribe = v5::Subscribe::builder()
            .packet_id(id)
            .entries(entries)
            .build()
            .unwrap();
        self.send(subscribe.into()).await;
        while !matches!(self.packet().await, Packet::V5_0Suback(_)) {}
    }

    /// Publishes with QoS 1, without waiting for the acknowledgement.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &str) {
        let id = self.mqtt.acquire_packet_id().unwrap();
        let publish = v5::Publish::builder()
            .topic_name(topic)
            .unwrap()
            .qos(Qos::AtLeastOnce);
        self.send(
            publish
                .packet_id(id)
                .payload(payload)
                .build()
                .unwrap()
                .into(),
        )
        .await;
    }

    /// The next message, as topic and payload.
    pub(crate) async fn message(&mut self) -> (String, String) {
        let (topic, payload, _) = self.message_with_qos().await;
        (topic, payload)
    }

    /// The next message, as topic, payload and QoS.
    pub(crate) async fn message_with_qos(&mut self) -> (String, String, Qos) {
        loop {
            if let Packet::V5_0Publish(p) = self.packet().await {
                let payload = String::from_utf8(p.payload().as_slice().to_vec()).unwrap();
                return (p.topic_name().to_owned(), payload, p.qos());
            }
        }
    }

    /// Publishes with QoS 1 and this packet identifier, whatever the server said that it takes.
    pub(crate) async fn force(&mut self, packet_id: u16, topic: &str, payload: &str) {
        let publish = v5::Publish::builder()
            .topic_name(topic)
            .unwrap()
            .qos(Qos::AtLeastOnce);
        let publish = publish.packet_id(packet_id).payload(payload);
        let bytes = publish.build().unwrap().to_continuous_buffer();
        self.stream.write_all(&bytes).await.expect("it is sent");
    }

    /// Waits until the server ends the connection; tells why, and what it acknowledged before.
    pub(crate) async fn end(&mut self) -> (Option<DisconnectReasonCode>, Vec<u16>) {
        let mut acknowledged = Vec::new();
        loop {
            match self.packet().await {
                Packet::V5_0Disconnect(p) => return (p.reason_code(), acknowledged),
                Packet::V5_0Puback(p) => acknowledged.push(p.packet_id()),
                _ => {}
            }
        }
    }

    /// The packet identifiers of the next acknowledgements, in order.
    pub(crate) async fn acknowledgements(&mut self, count: usize) -> Vec<u16> {
        let mut acknowledged = Vec::new();
        while acknowledged.len() < count {
            if let Packet::V5_0Puback(p) = self.packet().await {
                acknowledged.push(p.packet_id());
            }
        }
        acknowledged
    }

    async fn packet(&mut self) -> Packet {
        loop {
            if let Some(packet) = self.received.pop_front() {
                return packet;
            }
            let mut buffer = [0; 4096];
            let length = within(self.stream.read(&mut buffer))
                .await
                .expect("the connection lives");
            assert!(length > 0, "the server closed the connection");
            let mut cursor = Cursor::new(&buffer[..length]);
            while cursor.position() < length as u64 {
                let events = self.mqtt.recv(&mut cursor);
                self.apply(events).await;
            }
        }
    }

    async fn send(&mut self, packet: Packet) {
        let events = self.mqtt.send(packet);
        self.apply(events).await;
    }

    async fn apply(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => self.received.push_back(packet),
                Event::RequestSendPacket { packet, .. } => {
                    self.stream
                        .write_all(&packet.to_continuous_buffer())
                        .await
                        .expect("it is sent");
                }
                Event::NotifyError(error) => panic!("{error:?}"),
                _ => {}
            }
        }
    }
}
