//! Conversations that Espressif's own code held, held again.
//!
//! `vectors/*.txt` are conversations between ESP-IDF's device (its C code) and ESP-IDF's client
//! (`esp_prov`), see `vectors/README.md`. Here each end of this crate takes the part of one of
//! them, with the same random numbers, and has to produce the same bytes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use protocomm::client::{Client, Error, Login, Progress, Reply, Request};
use protocomm::device::{Config, Device, Outcome, RESPONSE_CAPACITY, SessionId, Station};
use protocomm::endpoint::Endpoint;
use protocomm::refusal::Refused;
use protocomm::security::{IvMode, ProofDigest, Salt, Security, SrpVerifier};
use protocomm::time::Instant;
use protocomm::wifi::{AccessPoint, Bssid, Connected, FailReason, Ssid};
use protocomm::wire::version::{AppInfo, Version};
use protocomm::wire::{config, control, scan};
use rand_core::{TryCryptoRng, TryRng};

const CUSTOM: [&str; 1] = ["custom-data"];
const SESSION: SessionId = SessionId(1);

/// A line of a transcript.
enum Line {
    /// Plain text, if the request is encrypted, and what is sent.
    Request(Endpoint, Vec<u8>, Vec<u8>),
    /// Plain text, if the reply is encrypted, and what is sent.
    Reply(Vec<u8>, Vec<u8>),
    Refused,
    Event(String),
}

struct Transcript {
    head: HashMap<String, String>,
    lines: Vec<Line>,
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

impl Transcript {
    fn parse(text: &str) -> Self {
        let mut head = HashMap::new();
        let mut lines = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                [">", name, plain, sent] => lines.push(Line::Request(
                    Endpoint::from_name(name, &CUSTOM).unwrap(),
                    unhex(plain),
                    unhex(sent),
                )),
                ["<", plain, sent] => lines.push(Line::Reply(unhex(plain), unhex(sent))),
                ["!"] => lines.push(Line::Refused),
                ["=", ..] => lines.push(Line::Event(line[2..].to_owned())),
                [key, value] => {
                    head.insert(key.to_owned(), value.to_owned());
                }
                _ => panic!("{line}"),
            }
        }
        Self { head, lines }
    }

    fn text(&self, key: &str) -> &str {
        self.head.get(key).map_or("", String::as_str)
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        unhex(self.text(key))
    }

    fn iv_mode(&self) -> IvMode {
        IvMode::from_patch(self.text("patch").parse().unwrap())
    }

    fn security(&self) -> Security {
        match self.text("scheme") {
            "0" => Security::Security0,
            "1" => Security::Security1(ProofDigest::new(&self.bytes("device_pop"))),
            _ => {
                let salt = Salt::new(&self.bytes("salt")).unwrap();
                let stored =
                    SrpVerifier::from_parts(salt.clone(), &self.bytes("verifier")).unwrap();
                let computed =
                    SrpVerifier::generate(&self.bytes("username"), &self.bytes("device_pop"), salt);
                assert_eq!(stored.verifier(), computed.verifier());
                Security::Security2 {
                    verifier: computed,
                    iv_mode: self.iv_mode(),
                }
            }
        }
    }

    fn login(&self) -> Login {
        let pop = self.bytes("pop");
        match self.text("scheme") {
            "0" => Login::security0(),
            "1" => Login::security1(&pop),
            _ => Login::security2(&self.bytes("username"), &pop, self.iv_mode()).unwrap(),
        }
    }
}

/// Gives the recorded random numbers, and nothing more.
struct Recorded(Vec<u8>);

impl TryRng for Recorded {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only bytes are drawn")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only bytes are drawn")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}

/// The networks in the air of all transcripts, twenty of them; a device keeps 16.
fn air() -> impl Iterator<Item = AccessPoint> {
    (0..20_u8).map(|i| AccessPoint {
        ssid: match i {
            3 => Ssid::default(),
            5 => Ssid::new(b"a network name of thirty-two byt").unwrap(),
            _ => Ssid::new(format!("net-{i}").as_bytes()).unwrap(),
        },
        bssid: Bssid(std::array::from_fn(|k| 11 * i + k as u8 + 1)),
        channel: 1 + i % 14,
        rssi: -30 - 3 * i as i8,
        auth: u32::from(i % 11).into(),
    })
}

/// The device end, in the place of ESP-IDF's C code.
fn replay_device(transcript: &Transcript) {
    let app: &[AppInfo] = match transcript.text("app") {
        "1" => &[
            AppInfo {
                label: "my app",
                version: "1.2",
                capabilities: &["a", "b\"c"],
            },
            AppInfo {
                label: "other",
                version: "x",
                capabilities: &[],
            },
        ],
        _ => &[],
    };
    let mut device = Device::new(Config {
        app,
        custom_endpoints: 1,
        auto_stop: transcript.text("auto_stop") == "1",
        refuse_early_reset: true,
        ..Config::new(transcript.security())
    });
    let mut rng = Recorded(transcript.bytes("device_random"));
    let mut now = Instant::from_millis(0);
    let mut response = [0; RESPONSE_CAPACITY];
    let mut result = Ok(0);
    for line in &transcript.lines {
        now = now + Duration::from_millis(500);
        match line {
            Line::Request(endpoint, _, sent) => {
                let mut request = sent.clone();
                let outcome = device.handle(
                    now,
                    SESSION,
                    *endpoint,
                    &mut request,
                    &mut response,
                    &mut rng,
                );
                result = match outcome {
                    Ok(Outcome::Reply(len)) => Ok(len),
                    Ok(Outcome::Custom(data)) => {
                        assert_eq!(data, b"hello");
                        device.finish_custom(SESSION, Some(b"SUCCESS\0"), &mut response)
                    }
                    Ok(Outcome::Pending) => {
                        assert!(device.poll_reply(&mut response).is_none());
                        device.scan_finished(air());
                        device.poll_reply(&mut response).unwrap().result
                    }
                    Err(refusal) => Err(refusal),
                };
            }
            Line::Reply(_, sent) => {
                let len = result.expect("ESP-IDF replied");
                assert_eq!(response[..len], sent[..]);
            }
            Line::Refused => {
                result.expect_err("ESP-IDF refused");
            }
            Line::Event(event) => match event.as_str() {
                "scan" => device.scan_finished(air()),
                "failed 0" => device.station(now, Station::Failed(FailReason::AuthError)),
                "failed 1" => device.station(now, Station::Failed(FailReason::NetworkNotFound)),
                "connected" => {
                    let joined = air().next().unwrap();
                    let connected = Connected {
                        ip4: Ipv4Addr::new(192, 168, 4, 107),
                        ssid: joined.ssid,
                        bssid: joined.bssid,
                        channel: joined.channel,
                        auth: joined.auth,
                    };
                    device.station(now, Station::Connected(connected));
                }
                other => panic!("{other}"),
            },
        }
        while device.poll_command().is_some() {}
    }
    assert_eq!(rng.0, [], "not all random numbers were drawn");
}

/// The client end, in the place of `esp_prov`. Requests go through as they are in plain text,
/// since `esp_prov` leaves empty messages out where this crate, like the phone apps, writes them.
fn replay_client(transcript: &Transcript) {
    let mut rng = Recorded(transcript.bytes("client_random"));
    let mut message = [0; 512];
    let (mut client, mut len) = Client::start(transcript.login(), &mut rng, &mut message).unwrap();
    assert_eq!(rng.0, [], "not all random numbers were drawn");

    let mut lines = transcript.lines.iter();
    while let Some(line) = lines.next() {
        let Line::Request(endpoint, plain, sent) = line else {
            continue;
        };
        let answer = lines.next().unwrap();
        match (endpoint, answer) {
            (Endpoint::Version, Line::Reply(_, reply)) => {
                let version = Version::decode(reply).unwrap();
                assert_eq!(version.version, "v1.1");
                assert_eq!(version.scheme.to_string(), transcript.text("scheme"));
                assert_eq!(version.patch.to_string(), transcript.text("patch"));
                assert!(version.has("wifi_scan"));
            }
            (Endpoint::Session, Line::Reply(_, reply)) => {
                assert_eq!(message[..len], sent[..]);
                match client.handshake(reply, &mut message).unwrap() {
                    Progress::Send(next) => len = next,
                    Progress::Established => assert!(client.is_established()),
                }
            }
            (Endpoint::Session, Line::Refused) => {
                assert_eq!(message[..len], sent[..]);
                assert_eq!(client.refused(Refused::Other), Error::WrongProof);
                assert!(!client.is_established());
            }
            (_, answer) if client.is_established() => {
                let request = Request::Custom {
                    index: 0,
                    data: plain,
                };
                let len = client.request(&request, &mut message).unwrap();
                assert_eq!(message[..len], sent[..]);
                match answer {
                    Line::Reply(plain, sent) => {
                        let mut reply = sent.clone();
                        assert_eq!(client.reply(&mut reply), Ok(Reply::Custom(plain)));
                    }
                    // Both ends are out of step now; `esp_prov` is not asked to go on either.
                    _ => return,
                }
            }
            (_, Line::Refused) => {}
            _ => panic!("a reply without a session"),
        }
    }
}

/// Every plain text means something to this crate, and is what this crate makes of its meaning.
fn read_plain_texts(transcript: &Transcript) {
    let mut buffer = [0; RESPONSE_CAPACITY];
    let mut at = Endpoint::Version;
    let mut lines = transcript.lines.iter().peekable();
    while let Some(line) = lines.next() {
        match line {
            Line::Request(endpoint, plain, _) => {
                at = *endpoint;
                let understood = match endpoint {
                    Endpoint::Config => config::Request::decode(plain).is_ok(),
                    Endpoint::Scan => scan::Request::decode(plain).is_ok(),
                    Endpoint::Control => control::Request::decode(plain).is_ok(),
                    _ => continue,
                };
                // A request without a session has no plain text.
                let refused = matches!(lines.peek(), Some(Line::Refused));
                assert!(understood != refused || plain.is_empty());
            }
            Line::Reply(plain, _) => {
                let len = match at {
                    Endpoint::Config => config::Response::decode(plain)
                        .unwrap()
                        .encode(&mut buffer)
                        .unwrap(),
                    Endpoint::Scan => scan::Response::decode(plain)
                        .unwrap()
                        .encode(&mut buffer)
                        .unwrap(),
                    Endpoint::Control => control::Response::decode(plain)
                        .unwrap()
                        .encode(&mut buffer)
                        .unwrap(),
                    _ => continue,
                };
                assert_eq!(&buffer[..len], plain);
            }
            Line::Refused | Line::Event(_) => {}
        }
    }
}

macro_rules! transcripts {
    ($($name:ident)*) => {$(
        mod $name {
            use super::*;

            fn transcript() -> Transcript {
                Transcript::parse(include_str!(concat!("../vectors/", stringify!($name), ".txt")))
            }

            #[test]
            fn device() {
                replay_device(&transcript());
            }

            #[test]
            fn client() {
                replay_client(&transcript());
            }

            #[test]
            fn plain_texts() {
                read_plain_texts(&transcript());
            }
        }
    )*};
}

transcripts! {
    security0
    security1
    security1_garbage
    security1_keep_running
    security1_without_proof
    security1_wrong_proof
    security2
    security2_fixed_nonce
    security2_garbage
    security2_other_user
    security2_wrong_proof
}
