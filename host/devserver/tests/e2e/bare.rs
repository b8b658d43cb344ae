//! A client of MQTT that knows only bytes: it sends what no library would, and shares nothing with the
//! server, not even the library that reads its packets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bench::within;
use crate::client::Stream;

/// The packet identifier of the message that is sent behind a probe. Acknowledgements come in order,
/// so its own says that nothing more will come, and nobody waits for the clock.
const BEHIND: u16 = 0x7777;

/// 4 is MQTT 3.1.1, 5 is MQTT 5.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(pub(crate) u8);

pub(crate) struct Bare {
    stream: Box<dyn Stream>,
    level: Level,
    /// What came, as the golden file writes it.
    pub(crate) heard: Vec<String>,
}

/// How a client introduces itself.
#[derive(Clone, Copy)]
pub(crate) struct Hello<'a> {
    pub(crate) level: Level,
    pub(crate) clean: bool,
    pub(crate) id: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    /// Properties of MQTT 5, as bytes.
    pub(crate) properties: &'a [u8],
}

impl<'a> Hello<'a> {
    /// By access token, as usual.
    pub(crate) fn token(level: u8, token: &'a str) -> Self {
        Self {
            level: Level(level),
            clean: true,
            id: "probe",
            user: Some(token),
            password: None,
            properties: &[],
        }
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut body = text("MQTT");
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        let flags = flag(self.clean, 2)
            | flag(self.user.is_some(), 0x80)
            | flag(self.password.is_some(), 0x40);
        body.extend([self.level.0, flags, 0, 60]);
        if self.level.0 >= 5 {
            body.push(self.properties.len() as u8);
            body.extend_from_slice(self.properties);
        }
        body.extend(text(self.id));
        for field in [self.user, self.password].into_iter().flatten() {
            body.extend(text(field));
        }
        packet(0x10, &body)
    }
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    let length = text.len() as u16;
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// A packet: type and flags, length, the rest.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        packet.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

impl Bare {
    pub(crate) async fn open(address: std::net::SocketAddr, hello: Hello<'_>) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self::over(stream, hello).await
    }

    /// Introduces itself on a connection; what is answered is heard.
    pub(crate) async fn over(stream: impl Stream + 'static, hello: Hello<'_>) -> Self {
        let mut bare = Self {
            stream: Box::new(stream),
            level: hello.level,
            heard: Vec::new(),
        };
        bare.send(&hello.packet()).await;
        let answer = bare.next().await;
        bare.heard.push(answer.clone());
        if answer.starts_with("CONNACK") && !answer.contains("rc=0x00") {
            bare.until_closed().await;
        }
        bare
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The server may have closed; what it said before is read all the same.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Publishes with this QoS and retain flag, and packet identifier 1.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8], flags: u8) {
        let bytes = self.message(topic, payload, flags, 1);
        self.send(&bytes).await;
    }

    pub(crate) fn message(&self, topic: &str, payload: &[u8], flags: u8, id: u16) -> Vec<u8> {
        let mut body = text(topic);
        if flags & 6 != 0 {
            body.extend(id.to_be_bytes());
        }
        if self.level.0 == 5 {
            body.push(0);
        }
        body.extend_from_slice(payload);
        packet(0x30 | flags, &body)
    }

    pub(crate) async fn subscribe(&mut self, filters: &[&str], qos: u8) {
        let mut body = vec![0, 1];
        if self.level.0 == 5 {
            body.push(0);
        }
        for filter in filters {
            body.extend(text(filter));
            body.push(qos);
        }
        self.send(&packet(0x82, &body)).await;
        let answer = self.next().await;
        self.heard.push(answer);
    }

    /// All that the server says to what was sent, or until it closes.
    pub(crate) async fn all(mut self) -> Vec<String> {
        self.listen().await;
        self.heard
    }

    /// The same, and the connection goes on.
    pub(crate) async fn listen(&mut self) {
        let behind = self.message("v1/devices/me/telemetry", b"{}", 2, BEHIND);
        self.send(&behind).await;
        loop {
            let next = self.next().await;
            if next.starts_with(&format!("PUBACK id={BEHIND} ")) {
                return;
            }
            let closed = next == "closed";
            self.heard.push(next);
            if closed {
                return;
            }
        }
    }

    async fn until_closed(&mut self) {
        while self.heard.last().is_none_or(|last| last != "closed") {
            let next = self.next().await;
            self.heard.push(next);
        }
    }

    /// The next packet in words, or that the server has closed.
    pub(crate) async fn next(&mut self) -> String {
        let mut first = [0];
        let read = within(self.stream.read(&mut first)).await;
        if !matches!(read, Ok(1)) {
            return "closed".to_owned();
        }
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await.expect("a length");
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.expect("a packet");
        self.describe(first[0], &body)
    }

    fn describe(&self, first: u8, body: &[u8]) -> String {
        let v5 = self.level.0 == 5;
        let code = |at: usize| format!("0x{:02x}", body.get(at).copied().unwrap_or(0));
        let id = || u16::from_be_bytes([body[0], body[1]]);
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        match first >> 4 {
            2 => format!(
                "CONNACK sp={} rc={} props={}",
                body[0],
                code(1),
                hex(&body[2..])
            ),
            3 => {
                let length = usize::from(id());
                let topic = String::from_utf8_lossy(&body[2..2 + length]);
                let qos = (first >> 1) & 3;
                let mut at = 2 + length;
                let mut id = 0;
                if qos > 0 {
                    id = u16::from_be_bytes([body[at], body[at + 1]]);
                    at += 2;
                }
                at += usize::from(v5);
                let payload = String::from_utf8_lossy(&body[at..]);
                format!("PUBLISH {topic} qos={qos} id={id} retain=0 dup=0 props= {payload}")
            }
            4 => format!("PUBACK id={} rc={}", id(), code(2)),
            9 => {
                let codes = &body[if v5 { 3 } else { 2 }..];
                let codes: Vec<_> = codes.iter().map(|code| format!("'{code:#x}'")).collect();
                format!("SUBACK id={} codes=[{}]", id(), codes.join(", "))
            }
            11 => format!("packet 11 {}", hex(body)),
            13 => "PINGRESP".to_owned(),
            14 => format!("DISCONNECT rc={}", code(0)),
            other => format!("packet {other} {}", hex(body)),
        }
    }
}
