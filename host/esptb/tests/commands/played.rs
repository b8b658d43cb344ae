//! Devices that the test plays: they tell attributes and samples by MQTT, and do with what the server shares
//! what docs/certificate-renewal.md says, or something else on purpose.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use devserver::Datum;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::desk::Desk;

pub(crate) const DAY_MS: i64 = 24 * 3600 * 1000;

/// What a device does with a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Good,
    /// Its firmware knows nothing of renewals.
    Old,
    /// It waits for an answer before it is asked.
    AsksByItself,
    /// It does not hear.
    Deaf,
    /// It asks in the name of another.
    Impostor,
    /// Its broker refuses the new certificate.
    Refused,
    /// It has the new one and crashes.
    Crashes,
    /// It has the new one and sends nothing more.
    Silent,
}

pub(crate) struct Played {
    pub(crate) name: String,
    manner: Manner,
    connection: TcpStream,
    address: SocketAddr,
    asked: Option<String>,
    answered: Option<String>,
    anchors: Option<String>,
    key: Option<KeyPair>,
    samples: u32,
    is_silent: bool,
}

impl Played {
    /// A device of the default profile whose certificate ends in so many days.
    pub(crate) fn new(desk: &Desk, name: &str, days: i64, manner: Manner) -> Self {
        let made = desk.server().create_device(name, Some(name));
        desk.runtime.block_on(made).expect("a device");
        let address = desk.server().mqtt_addr();
        let mut device = Self {
            name: name.to_owned(),
            manner,
            connection: connect(address, name),
            address,
            asked: None,
            answered: None,
            anchors: None,
            key: None,
            samples: 0,
            is_silent: false,
        };
        let mut told = json!({ "certificate_expires_ms": esptb_now() + days * DAY_MS });
        if manner != Manner::Old {
            told["certificate_serial"] = "0a".into();
            told["certificate_issuer"] = "the CA before".into();
        }
        device.tell(&told);
        if manner == Manner::AsksByItself {
            device.ask();
        }
        device
    }

    fn publish(&mut self, topic: &str, body: &Value) {
        let (topic, body) = (topic.as_bytes(), body.to_string().into_bytes());
        let mut packet = vec![0, topic.len() as u8];
        packet.extend(topic);
        packet.extend(body);
        let mut whole = vec![0x30];
        let mut left = packet.len();
        loop {
            let byte = (left % 128) as u8;
            left /= 128;
            whole.push(if left > 0 { byte | 0x80 } else { byte });
            if left == 0 {
                break;
            }
        }
        whole.extend(packet);
        self.connection.write_all(&whole).expect("it is sent");
    }

    fn tell(&mut self, attributes: &Value) {
        self.publish("v1/devices/me/attributes", attributes);
    }

    /// Makes a key and asks for its certificate.
    fn ask(&mut self) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        let name = match self.manner {
            Manner::Impostor => "another",
            _ => &self.name,
        };
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let request = params.serialize_request(&key).expect("a request");
        let request = Base64::encode_string(request.der());
        self.key = Some(key);
        self.tell(&json!({
            "certificate_request": request, "certificate_renewal": "REQUESTED", "certificate_renewal_error": "",
        }));
    }

    /// What the server shares, once it is whole.
    fn pieces(shared: &BTreeMap<String, String>, name: &str) -> Option<Vec<u8>> {
        let (count, digest) = shared.get(name)?.split_once(' ')?;
        let count: usize = count.parse().expect("a number of pieces");
        let pieces = (1..=count).map(|number| shared.get(&format!("{name}{number}")));
        let pieces: Vec<_> = pieces.collect::<Option<_>>()?;
        assert!(pieces.iter().all(|piece| piece.len() <= 512));
        let whole: String = pieces.into_iter().map(String::as_str).collect();
        let whole = Base64::decode_vec(&whole).expect("Base64");
        let sum: String = Sha256::digest(&whole)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // Another chain may be on its way, of which this is a part.
        (sum == digest).then_some(whole)
    }

    /// Looks at what is shared, and sends a sample.
    fn turn(&mut self, shared: &BTreeMap<String, String>) {
        if self.manner != Manner::Old && self.manner != Manner::Deaf {
            let asked = shared.get("renewCertificate").cloned();
            if asked.is_some() && asked != self.asked {
                self.asked = asked;
                self.ask();
            }
            let answer = shared.get("renewedChain").cloned();
            if answer.is_some()
                && answer != self.answered
                && let Some(chain) = Self::pieces(shared, "renewedChain")
            {
                self.answered = answer;
                self.renew(&chain);
            }
            let anchors = shared.get("serverChain").cloned();
            if anchors.is_some()
                && anchors != self.anchors
                && let Some(_) = Self::pieces(shared, "serverChain")
            {
                self.anchors = anchors;
                let state = if self.manner == Manner::Refused {
                    "FAILED: no room"
                } else {
                    "TRYING"
                };
                self.tell(&json!({ "server_chain_renewal": state }));
            }
        }
        if !self.is_silent {
            self.samples += 1;
            self.publish(
                "v1/devices/me/telemetry",
                &json!({ "temperature": self.samples }),
            );
        }
    }

    fn renew(&mut self, chain: &[u8]) {
        let (above, leaf) = X509Certificate::from_der(chain).expect("a leaf");
        let key = self.key.as_ref().expect("a key that is pending");
        assert_eq!(
            leaf.public_key().raw,
            key.subject_public_key_info(),
            "of its key"
        );
        let (end, issuer) = X509Certificate::from_der(above).expect("what signed it");
        leaf.verify_signature(Some(issuer.public_key()))
            .expect("signed by it");
        assert!(end.is_empty(), "without the root");
        self.tell(&json!({ "certificate_renewal": "TRYING" }));
        if self.manner == Manner::Refused {
            self.tell(&json!({
                "certificate_renewal_error": "the broker refused the new certificate: look into its profile",
                "certificate_renewal": "FAILED",
            }));
            return;
        }
        self.connection = connect(self.address, &self.name);
        let serial: String = leaf
            .raw_serial()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = issuer.subject().iter_common_name().next().expect("a name");
        self.tell(&json!({
            "certificate_expires_ms": leaf.validity().not_after.timestamp() * 1_000, "certificate_serial": serial,
            "certificate_issuer": name.as_str().expect("text"), "certificate_renewal": "RENEWED",
        }));
        match self.manner {
            Manner::Crashes => self.tell(&json!({ "panic": "overflow", "panic_at": "src/a.rs:1" })),
            Manner::Silent => self.is_silent = true,
            _ => {}
        }
    }
}

fn esptb_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_millis() as i64
}

/// MQTT 3.1.1 without TLS, with an access token.
fn connect(address: SocketAddr, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let mut packet = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0x82, 0, 0, 0, 0];
    packet.extend([0, token.len() as u8]);
    packet.extend(token.as_bytes());
    let head = [0x10, packet.len() as u8];
    stream
        .write_all(&[&head[..], &packet].concat())
        .expect("it is sent");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("CONNACK");
    assert_eq!(answer, [0x20, 2, 0, 0], "accepted");
    stream
}

/// What the server shares with a device.
pub(crate) fn shared(desk: &Desk, name: &str) -> BTreeMap<String, String> {
    let shared = desk.runtime.block_on(desk.server().shared_attributes(name));
    let shared = shared.expect("a device").into_iter();
    let text = |value| match value {
        Datum::Text(text) => text,
        other => panic!("no text: {other:?}"),
    };
    shared.map(|(key, value)| (key, text(value))).collect()
}

/// Lets devices play while something is done.
pub(crate) fn playing<T>(desk: &Desk, devices: &mut [Played], done: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                for device in devices.iter_mut() {
                    device.turn(&shared(desk, &device.name));
                }
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        // Whatever becomes of it, the devices end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(done));
        ended.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
