//! Every endpoint of the provisioning service in every state: requests, disconnections, time and
//! news of the radio, from several connections at once; honest clients among them, whose messages
//! are changed, held back and sent twice.
//!
//! Without the proof of possession nobody gets a session, and without a session nobody sets a
//! network; whatever happened, an honest client gets in at the end.
#![no_main]

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use fuzz::phone::{self, Bench};
use fuzz::{Noise, Script};
use libfuzzer_sys::fuzz_target;
use protocomm::client::{Client, Progress, Request};
use protocomm::device::{Command, Config, Event, SecondSession, SessionId, Station};
use protocomm::endpoint::Endpoint;
use protocomm::refusal::Refusal;
use protocomm::wifi::{AuthMode, Bssid, Connected, FailReason, Ssid};
use protocomm::wire::session::Handshake;
use protocomm::wire::version::Version;
use protocomm::wire::{config, control, scan};

const ENDPOINTS: [Endpoint; 7] = [
    Endpoint::Control,
    Endpoint::Scan,
    Endpoint::Session,
    Endpoint::Config,
    Endpoint::Version,
    Endpoint::Custom(0),
    Endpoint::Custom(1),
];
/// Connections, and one client for each.
const CONNECTIONS: usize = 3;
/// Messages that are kept to be sent again.
const KEPT: usize = 8;

/// A client that keeps to the protocol, and its last reply.
struct Phone {
    client: Option<Client>,
    /// Whether it knows the proof of possession.
    knows: bool,
    inbox: Vec<u8>,
}

struct Play {
    number: u8,
    bench: Bench,
    phones: [Phone; CONNECTIONS],
    rng: Noise,
    /// Proofs that a client made who knows the secret.
    honest: HashSet<Vec<u8>>,
    /// Networks that a client with a session asked for.
    asked: HashSet<(Vec<u8>, Vec<u8>)>,
    established: bool,
    cool_until: u64,
    kept: Vec<(Endpoint, Vec<u8>)>,
}

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let number = script.byte_or_0();
    let flags = script.byte_or_0();
    let mut config = Config::new(phone::security(number));
    config.custom_endpoints = flags & 1;
    config.auto_stop = flags & 2 == 0;
    if flags & 4 != 0 {
        config.second_session = SecondSession::Replace;
    }
    let phones = std::array::from_fn(|_| Phone {
        client: None,
        knows: false,
        inbox: Vec::new(),
    });
    let mut play = Play {
        number,
        bench: Bench::new(config),
        phones,
        rng: Noise(number.into()),
        honest: HashSet::new(),
        asked: HashSet::new(),
        established: false,
        cool_until: 0,
        kept: Vec::new(),
    };
    // SRP-6a is slow; what is found is found in few steps.
    let mut steps = if phone::is_authenticated(number) {
        40
    } else {
        200
    };
    while let Some(step) = script.byte()
        && steps > 0
    {
        steps -= 1;
        play.step(step, &mut script);
        play.check();
    }
    if flags & 8 != 0 || !phone::is_authenticated(number) {
        play.end();
    }
});

impl Play {
    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        let index = usize::from(step >> 4) % CONNECTIONS;
        let session = SessionId(index as u32);
        match step & 0xF {
            0 | 1 => {
                let endpoint = ENDPOINTS[usize::from(script.byte_or_0()) % ENDPOINTS.len()];
                let request = script.string().to_vec();
                self.send(index, endpoint, &request);
            }
            2 | 3 => self.begin(index, script),
            4 => self.answer(index, script),
            5..=7 => self.request(index, script),
            8 => self.bench.device.disconnected(session),
            9 => {
                let step = Duration::from_millis(u64::from(script.short()) * 10);
                self.bench.now = self.bench.now + step;
            }
            10 => self
                .bench
                .device
                .scan_finished(phone::air(script.byte_or_0())),
            11 => self.bench.device.scan_failed(),
            12 => self.station(script),
            13 => {
                let number = usize::from(script.byte_or_0());
                if let Some((endpoint, message)) = self.kept.get(number % KEPT).cloned() {
                    self.send(index, endpoint, &message);
                }
            }
            14 => drop(self.bench.device.connected(self.bench.now, session)),
            _ => {
                let now = self.bench.now;
                self.bench.device.handle_timeout(now);
                let next = self.bench.device.next_deadline();
                assert!(next.is_none_or(|at| at > now), "a deadline that stays due");
            }
        }
    }

    fn send(&mut self, index: usize, endpoint: Endpoint, request: &[u8]) {
        let honest = proof(request).is_some_and(|proof| self.honest.contains(proof));
        let cooling = self.bench.now.as_millis() < self.cool_until;
        let result = self.bench.send(SessionId(index as u32), endpoint, request);
        while let Some(event) = self.bench.device.poll_event() {
            match event {
                Event::SessionEstablished(id) => {
                    assert_eq!((id.0 as usize, endpoint), (index, Endpoint::Session));
                    assert!(
                        honest || !phone::needs_proof(self.number),
                        "without a proof"
                    );
                    assert!(!cooling, "while cooling down");
                    self.established = true;
                }
                Event::ProofFailed { .. } => assert!(!cooling, "a guess while cooling down"),
                Event::CoolDown(time) => {
                    let now = self.bench.now.as_millis();
                    self.cool_until = now + time.as_millis() as u64;
                }
                _ => {}
            }
        }
        if endpoint == Endpoint::Version {
            let reply = result.clone().expect("everybody may ask").expect("at once");
            assert!(Version::decode(&reply).is_ok());
        }
        if let Err(Refusal::CoolingDown { remaining }) = result {
            assert!(remaining <= Duration::from_secs(60) && !remaining.is_zero());
        }
        if self.kept.len() < KEPT {
            self.kept.push((endpoint, request.to_vec()));
        }
        if let Ok(Some(reply)) = result {
            self.phones[index].inbox = reply;
        }
    }

    /// A client begins a handshake, with the proof or a guess; the message may be changed.
    fn begin(&mut self, index: usize, script: &mut Script<'_>) {
        let kind = script.byte_or_0();
        // Now and then a client of another scheme.
        let number = if kind & 0x70 == 0x70 {
            kind
        } else {
            self.number
        };
        let proof = if kind & 1 == 0 {
            phone::PROOF
        } else {
            phone::GUESS
        };
        let mut message = [0; 512];
        let login = phone::login(number, proof);
        let (client, length) =
            Client::start(login, &mut self.rng, &mut message).expect("there is room");
        self.phones[index].client = Some(client);
        self.phones[index].knows = proof == phone::PROOF;
        let mut message = message[..length].to_vec();
        script.mutate(&mut message);
        self.send(index, Endpoint::Session, &message);
    }

    /// The client goes on with the handshake, having received what the device sent, or a change of
    /// that; its message may be changed in turn.
    fn answer(&mut self, index: usize, script: &mut Script<'_>) {
        let phone = &mut self.phones[index];
        let mut reply = phone.inbox.clone();
        script.mutate(&mut reply);
        let mut message = [0; 512];
        let Some(client) = &mut phone.client else {
            return;
        };
        let Ok(Progress::Send(length)) = client.handshake(&reply, &mut message) else {
            return;
        };
        let mut message = message[..length].to_vec();
        match proof(&message) {
            Some(proof) if phone.knows => drop(self.honest.insert(proof.to_vec())),
            _ => {}
        }
        script.mutate(&mut message);
        self.send(index, Endpoint::Session, &message);
    }

    /// A client that believes to have a session makes a request: one of the protocol's, or any
    /// plain text. It may be changed before and after it is encrypted.
    fn request(&mut self, index: usize, script: &mut Script<'_>) {
        let kind = script.byte_or_0();
        let mut plain = [0; 512];
        let (endpoint, length) = match kind & 0xF {
            0 | 1 => {
                let set = config::SetConfig {
                    ssid: script.short_string(),
                    passphrase: script.short_string(),
                    ..config::SetConfig::default()
                };
                (
                    Endpoint::Config,
                    config::Request::Set(set).encode(&mut plain),
                )
            }
            2 | 3 => (Endpoint::Config, config::Request::Apply.encode(&mut plain)),
            4 => (Endpoint::Config, config::Request::Status.encode(&mut plain)),
            5 | 6 => {
                let start = scan::Start {
                    blocking: kind & 0x10 != 0,
                    passive: kind & 0x20 != 0,
                    group_channels: 0,
                    period_ms: 120,
                };
                (
                    Endpoint::Scan,
                    scan::Request::Start(start).encode(&mut plain),
                )
            }
            7 => (Endpoint::Scan, scan::Request::Status.encode(&mut plain)),
            8 => {
                let request = scan::Request::Results {
                    start_index: script.byte_or_0().into(),
                    count: script.byte_or_0().into(),
                };
                (Endpoint::Scan, request.encode(&mut plain))
            }
            9 => (
                Endpoint::Control,
                control::Request::Reset.encode(&mut plain),
            ),
            10 => (
                Endpoint::Control,
                control::Request::Reprovision.encode(&mut plain),
            ),
            _ => {
                let text = script.string();
                let text = &text[..text.len().min(plain.len() - 64)];
                plain[..text.len()].copy_from_slice(text);
                let endpoint = ENDPOINTS[usize::from(kind >> 4) % ENDPOINTS.len()];
                (endpoint, Ok(text.len()))
            }
        };
        let Ok(length) = length else { return };
        let mut plain = plain[..length].to_vec();
        script.mutate(&mut plain);
        if let Ok(config::Request::Set(set)) = config::Request::decode(&plain) {
            self.asked
                .insert((set.ssid.to_vec(), set.passphrase.to_vec()));
        }
        let Some(client) = &mut self.phones[index].client else {
            return;
        };
        let mut message = [0; 1200];
        let data = Request::Custom {
            index: 0,
            data: &plain,
        };
        let Ok(length) = client.request(&data, &mut message) else {
            return;
        };
        let mut message = message[..length].to_vec();
        script.mutate(&mut message);
        self.phones[index].inbox.clear();
        self.send(index, endpoint, &message);
        if let Some(late) = self.bench.late() {
            self.phones[index].inbox = late;
        }
        let phone = &mut self.phones[index];
        if let Some(client) = &mut phone.client {
            let _ = client.reply(&mut phone.inbox.clone());
        }
    }

    fn station(&mut self, script: &mut Script<'_>) {
        let kind = script.byte_or_0();
        let news = match kind % 4 {
            0 => Station::Connected(Connected {
                ip4: Ipv4Addr::new(10, 0, 0, kind),
                ssid: Ssid::new(b"home").expect("it is short"),
                bssid: Bssid([1; 6]),
                channel: kind,
                auth: AuthMode::Wpa2Psk,
            }),
            1 => Station::Connecting {
                attempts_remaining: (kind > 99).then_some(kind.into()),
            },
            2 => Station::Failed(FailReason::AuthError),
            _ => Station::Failed(FailReason::NetworkNotFound),
        };
        self.bench.device.station(self.bench.now, news);
    }

    /// What the device asks of its platform has to have been asked of it.
    fn check(&mut self) {
        let mut commands = 0;
        while let Some(command) = self.bench.device.poll_command() {
            commands += 1;
            assert!(commands <= 6, "there is one of each");
            match command {
                Command::Join(credentials) => {
                    self.assert_allowed();
                    let asked = (
                        credentials.ssid.as_bytes().to_vec(),
                        credentials.passphrase.as_bytes().to_vec(),
                    );
                    if phone::is_authenticated(self.number) {
                        assert!(self.asked.contains(&asked), "nobody asked for this network");
                    }
                }
                Command::StartScan(_) | Command::Forget | Command::Reprovision => {
                    self.assert_allowed();
                }
                Command::Disconnect(_) | Command::Finish => {}
            }
        }
        while self.bench.late().is_some() {}
    }

    fn assert_allowed(&self) {
        let free = self.number % phone::SECURITIES == 0;
        assert!(free || self.established, "nobody has a session");
    }

    /// All have left, and it is a while later: who knows the proof is let in, who does not is not.
    fn end(&mut self) {
        for index in 0..CONNECTIONS {
            self.bench.device.disconnected(SessionId(index as u32));
        }
        self.bench.now = self.bench.now + Duration::from_secs(61);
        if phone::needs_proof(self.number) {
            let guess = phone::login(self.number, phone::GUESS);
            assert!(!self.bench.admits(SessionId(77), guess));
            self.bench.device.disconnected(SessionId(77));
            // It may have been the guess that brings the next pause.
            self.bench.now = self.bench.now + Duration::from_secs(61);
        }
        let login = phone::login(self.number, phone::PROOF);
        assert!(
            self.bench.admits(SessionId(78), login),
            "an honest client is let in"
        );
    }
}

/// The client's proof in a message of the handshake.
fn proof(message: &[u8]) -> Option<&[u8]> {
    match Handshake::decode(message) {
        Ok(Handshake::Sec1Command1 { client_verify }) => Some(client_verify),
        Ok(Handshake::Sec2Command1 { client_proof }) => Some(client_proof),
        _ => None,
    }
}
