//! What a ThingsBoard 4.2.1 answered, line by line, asked of this server once more.
//!
//! The file is of a ThingsBoard built from its source (thingsboard/thingsboard, tag v4.2.1, MQTT transport
//! unmodified), probed by a client that shares no code with this project. Each of its lines is replayed
//! here, or is named below with the reason why not.

use devserver::{Config, Server};
use pki::{Options, Pki, Profile, Validity};
use regex::Regex;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::bare::{Bare, Hello, Level, packet, text};
use crate::bench::{ATTRIBUTES, Bench, Device, TELEMETRY};

const ANSWERS: &str = include_str!("../vectors/thingsboard-answers-4.2.1.txt");

/// Where this server answers otherwise: what the line begins with, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("v5 publish to v2/t:", "the short topics are not served"),
    ("v5 publish to v2/a:", "the short topics are not served"),
    (
        "v5 subscribe QoS 2 ['v1/gateway/attributes']",
        "no gateways: a grant would be a promise",
    ),
    (
        "v4 subscribe QoS 2 ['v1/gateway/attributes']",
        "no gateways: a grant would be a promise",
    ),
    (
        "v5 subscribe QoS 2 ['v2/a']",
        "the short topics are not served",
    ),
    (
        "v4 subscribe QoS 2 ['v2/a']",
        "the short topics are not served",
    ),
];

/// Lines that are no question to a server in this way, and the tests that ask it.
const ELSEWHERE: &[(&str, &str)] = &[
    ("device: created by first", "devices::"),
    ("set shared:", "the step between two probes"),
    (
        "client id \"provision\"",
        "no provisioning by key and secret: any identifier is one",
    ),
    ("latest after these:", "value:: and messages::, by type"),
    (
        "client attributes after these:",
        "messages::attributes_are_set_and_pushed",
    ),
    (
        "push of shared attributes:",
        "messages::attributes_are_set_and_pushed",
    ),
    (
        "RPC ",
        "messages::calls_are_answered_or_not and the calls after it",
    ),
    ("three RPCs at once:", "messages::, by their numbers"),
    ("second connection", "devices::a_device_is_online_once"),
    (
        "keep alive:",
        "mqtt::wire: there is no timer but that of ten minutes",
    ),
    (
        "PUBLISH with remaining length",
        "messages::packets_are_taken_to_thingsboards_limit",
    ),
    ("topic alias:", "no alias is ever granted"),
    ("last will:", "messages::a_will_is_ignored"),
    (
        "150 messages at once:",
        "messages::acknowledgements_keep_their_order",
    ),
];

/// Between two probes ThingsBoard forgets nothing: this is what it had when the lines were written.
async fn furnish(server: &Server, token: &str) {
    let mut device = Bare::open(server.mqtt_addr(), Hello::token(5, token)).await;
    let client = br#"{"at":"12","ob":{"x":1},"short":1}"#;
    device.publish(ATTRIBUTES, client, 2).await;
    device.listen().await;
    for (key, value) in [
        ("sa", json!(1)),
        ("sb", json!("x")),
        ("sc", json!(true)),
        ("sd", json!(1.5)),
        ("se", json!({ "k": [1] })),
    ] {
        server
            .set_shared_attribute("probe", key, value)
            .await
            .unwrap();
    }
}

/// A text as Python writes it.
fn unquoted(text: &str) -> Vec<u8> {
    let inner = &text[1..text.len() - 1];
    if inner == "ÿþ" {
        return vec![0xff, 0xfe];
    }
    inner.replace("\\\\", "\\").into_bytes()
}

/// The packets that a line tells of, in order.
fn packets(line: &str) -> Vec<String> {
    let pattern = r#"CONNACK sp=\d rc=0x\w\w props=\w*|PUBACK id=\d+ rc=0x\w\w|SUBACK id=1 codes=\[[^\]]*\]|DISCONNECT rc=0x\w\w|PUBLISH v\S+ qos=\d id=\d retain=0 dup=0 props= (?:\{.*?\}(?:$| \||;|\))|\w+)|PINGRESP|packet 11 \w+|closed"#;
    let pattern = Regex::new(pattern).unwrap();
    let mut packets: Vec<String> = Vec::new();
    for found in pattern.find_iter(line) {
        let found = found.as_str().trim_end_matches([' ', '|', ';', ')']);
        // Said once as the answer, and once more as what came before the end.
        if !packets.iter().any(|packet| packet == found) {
            packets.push(found.to_owned());
        }
    }
    // That the end came is told by the word or not at all.
    packets.sort_by_key(|packet| packet == "closed");
    packets
}

/// The same, with JSON as what it means.
fn same(theirs: &[String], ours: &[String]) -> bool {
    let split = |packet: &str| match packet.split_once(" props= ") {
        Some((head, payload)) => {
            let value: Value = serde_json::from_str(payload).unwrap_or_else(|_| json!(payload));
            (head.to_owned(), value)
        }
        None => (packet.to_owned(), Value::Null),
    };
    theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(a, b)| split(a) == split(b))
}

/// What was asked by this line, asked here; `None` if no probe here knows it.
async fn ask(bench: &Desk, line: &str) -> Option<Vec<String>> {
    let address = bench.server.mqtt_addr();
    let open = async |level| Bare::open(address, Hello::token(level, &bench.token)).await;
    let (question, _) = line.split_once(": ")?;
    let level = if question.starts_with("v4 ") { 4 } else { 5 };
    let mut probe = open(level).await;
    probe.heard.clear();
    let rest = question.trim_start_matches("v4 ").trim_start_matches("v5 ");
    // A payload may itself have the colon that ends a question.
    let quoted = |head: &str| {
        let end = Regex::new(r#"['"]: (?:PUBACK|closed|nothing)"#).unwrap();
        let end = end.find(line)?.start() + 1;
        line.get(..end)?
            .split_once(head)
            .map(|(_, text)| unquoted(text))
    };
    let response = "v1/devices/me/attributes/response/+";
    let request = "v1/devices/me/attributes/request/7";
    match rest {
        _ if rest.starts_with("connect with protocol level ") => {
            let level = Level(rest[28..].parse().ok()?);
            let hello = Hello {
                level,
                ..Hello::token(5, &bench.token)
            };
            return Some(Bare::open(address, hello).await.heard);
        }
        _ if rest.starts_with("connect v") => {
            let hello = Hello {
                level: Level(if rest.starts_with("connect v4") { 4 } else { 5 }),
                clean: !rest.contains("not clean"),
                id: if rest.contains("empty client id") {
                    ""
                } else {
                    "probe"
                },
                properties: if rest.contains("expiry") {
                    &[0x11, 0, 0, 0x0e, 0x10]
                } else {
                    &[]
                },
                ..Hello::token(5, &bench.token)
            };
            return Some(Bare::open(address, hello).await.heard);
        }
        _ if rest.starts_with("no certificate, ") => {
            let (user, password) = match rest {
                _ if rest.ends_with("unknown token") => (Some("nobody's"), None),
                _ if rest.ends_with("user and password") => (Some("nobody"), Some("secret")),
                _ => (None, None),
            };
            let id = if rest.ends_with("empty client id") {
                ""
            } else {
                "probe"
            };
            let level = Level(level);
            let hello = Hello {
                level,
                id,
                user,
                password,
                ..Hello::token(5, "")
            };
            return Some(Bare::open(address, hello).await.heard);
        }
        "unknown CA" => return Some(bench.by_certificate(level, &bench.stranger).await),
        "expired leaf" => {
            let heard = bench.by_certificate(5, &bench.expired).await;
            assert!(bench.tls.device("SN-EXPIRED").await.is_ok(), "it exists");
            // The golden line says no more than the CONNACK.
            return Some(heard.into_iter().take(1).collect());
        }
        _ if rest.starts_with("telemetry QoS 0") => probe.publish(TELEMETRY, b"{}", 0).await,
        _ if rest.starts_with("telemetry QoS 2") => probe.publish(TELEMETRY, b"{}", 4).await,
        _ if rest.starts_with("telemetry retained") => probe.publish(TELEMETRY, b"{}", 3).await,
        _ if rest.starts_with("telemetry ") => {
            probe.publish(TELEMETRY, &quoted("telemetry ")?, 2).await;
        }
        _ if rest.starts_with("attributes request v4") => {
            let mut probe = open(4).await;
            probe.heard.clear();
            probe.publish(request, b"nonsense", 2).await;
            return Some(probe.all().await);
        }
        "attributes request, not subscribed" => {
            probe.publish(request, br#"{"sharedKeys":"sa"}"#, 2).await;
        }
        "attributes request, subscribed with QoS 0" => {
            probe.subscribe(&[response], 0).await;
            probe.heard.clear();
            probe
                .send(&probe.message(request, br#"{"sharedKeys":"sa"}"#, 2, 2))
                .await;
        }
        _ if rest.starts_with("attributes request ") => {
            probe.subscribe(&[response], 1).await;
            probe.heard.clear();
            let payload = quoted("attributes request ")?;
            probe.send(&probe.message(request, &payload, 2, 2)).await;
        }
        _ if rest.starts_with("attributes ") => {
            probe.publish(ATTRIBUTES, &quoted("attributes ")?, 2).await;
        }
        _ if rest.starts_with("publish to ") => {
            probe
                .publish(&rest[11..], br#"{"clientKeys":"at"}"#, 2)
                .await;
        }
        _ if rest.starts_with("subscribe QoS 2 [") => {
            let filters: Vec<_> = rest[17..rest.len() - 1].split(", ").collect();
            let filters: Vec<_> = filters.iter().map(|f| f.trim_matches('\'')).collect();
            probe.subscribe(&filters, 2).await;
        }
        _ if rest.starts_with("RPC to the server ") => {
            let call = match &rest[18..] {
                "without method" => json!({ "params": {} }),
                method => json!({ "method": method, "params": {} }),
            };
            let topic = "v1/devices/me/rpc/request/3";
            probe
                .send(&probe.message(topic, call.to_string().as_bytes(), 2, 2))
                .await;
        }
        "a second CONNECT" => probe.send(&Hello::token(5, &bench.token).packet()).await,
        _ if rest.starts_with("maximum packet size") => {
            let hello = Hello {
                properties: &[0x27, 0, 0, 0, 200],
                ..Hello::token(5, &bench.token)
            };
            let mut probe = Bare::open(address, hello).await;
            probe.subscribe(&[ATTRIBUTES], 1).await;
            probe.heard.clear();
            let bigger = json!("b".repeat(300));
            let share = bench.server.set_shared_attribute("probe", "bigger", bigger);
            share.await.unwrap();
            let pushed = probe.next().await;
            let none = bench
                .server
                .set_shared_attribute("probe", "bigger", json!(null));
            none.await.unwrap();
            return Some(vec![pushed]);
        }
        _ if rest.starts_with("claim ") => {
            probe
                .publish("v1/devices/me/claim", &quoted("claim ")?, 2)
                .await;
        }
        "firmware request, none assigned" => {
            probe.publish("v2/fw/request/1/chunk/0", b"1024", 2).await;
        }
        "unsubscribe" => {
            probe.subscribe(&[ATTRIBUTES], 1).await;
            probe.heard.clear();
            let body = [vec![0, 2, 0], text(ATTRIBUTES), text("nosuch")].concat();
            probe.send(&packet(0xa2, &body)).await;
        }
        "ping, disconnect" => {
            probe.send(&[0xc0, 0]).await;
            let pong = probe.next().await;
            probe.send(&[0xe0, 0]).await;
            return Some(vec![pong, probe.next().await, probe.next().await]);
        }
        _ => return None,
    }
    Some(probe.all().await)
}

/// A server with a device, and others that want to come by certificate.
struct Desk {
    server: Server,
    token: String,
    tls: Server,
    stranger: Device,
    expired: Device,
}

impl Desk {
    async fn by_certificate(&self, level: u8, device: &Device) -> Vec<String> {
        let connector = device.tls(&rustls::version::TLS13);
        let stream = TcpStream::connect(self.tls.mqtt_addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let hello = Hello {
            user: None,
            ..Hello::token(level, "")
        };
        Bare::over(stream, hello).await.heard
    }
}

#[tokio::test]
async fn every_answer_is_thingsboards_or_listed() {
    let bench = Bench::new();
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("probe", None).await.unwrap().unwrap();
    furnish(&server, &token).await;
    let stranger = Pki::new(&Options::default()).unwrap();
    let day = |n: u64| std::time::UNIX_EPOCH + std::time::Duration::from_secs(n * 86_400);
    let long_ago = Profile {
        validity: Some(Validity::between(day(10_000), day(10_001)).unwrap()),
        ..Profile::default()
    };
    let expired = bench.pki.device_with("SN-EXPIRED", &long_ago).unwrap();
    let desk = Desk {
        stranger: bench.device(&stranger.device("SN-1").unwrap()),
        expired: bench.device(&expired),
        tls: bench.start().await,
        server,
        token,
    };
    let (mut asked, mut faults) = (0, Vec::new());
    for line in ANSWERS.lines() {
        let begins = |list: &[(&str, &str)]| list.iter().any(|(head, _)| line.starts_with(head));
        if begins(ELSEWHERE) && !line.starts_with("RPC to the server") {
            continue;
        }
        let Some(ours) = ask(&desk, line).await else {
            faults.push(format!("nobody asks: {line}"));
            continue;
        };
        asked += 1;
        let (theirs, ours) = (packets(line), packets(&ours.join(" | ")));
        match (same(&theirs, &ours), begins(OTHERWISE)) {
            (true, false) | (false, true) => {}
            (true, true) => faults.push(format!("no longer otherwise: {line}")),
            (false, false) => {
                faults.push(format!("{line}\n  theirs {theirs:?}\n  ours   {ours:?}"))
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(asked > 160, "{asked}");
    desk.server.stop().await;
    desk.tls.stop().await;
}
