//! Bytes that nobody should send. The device and the client must not panic, and must not do what
//! was not asked for by a client that has proven itself.

use crate::bench::{self, Bench, PHONE, USERNAME, securities};
use protocomm::client::{Client, Login, Reply, Request};
use protocomm::device::{Command, Config, SessionId, Station};
use protocomm::endpoint::Endpoint;
use protocomm::qr::Payload;
use protocomm::refusal::Refusal;
use protocomm::security::Security;
use protocomm::wifi::{AuthMode, Bssid, Connected};
use protocomm::wire::session::Handshake;
use protocomm::wire::version::Version;
use protocomm::wire::{Status, config, control, scan};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

const ENDPOINTS: [Endpoint; 7] = [
    Endpoint::Control,
    Endpoint::Scan,
    Endpoint::Session,
    Endpoint::Config,
    Endpoint::Version,
    Endpoint::Custom(0),
    Endpoint::Custom(255),
];

/// Messages of all kinds, to make worse ones of.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        Vec::new(),
        br#"{"prov":{"ver":"v1.1","cap":["wifi_scan"]}}"#.to_vec(),
    ];
    for text in [
        include_str!("../vectors/security0.txt"),
        include_str!("../vectors/security1.txt"),
        include_str!("../vectors/security2_wrong_proof.txt"),
    ] {
        for line in text.lines().filter(|line| line.starts_with(['>', '<'])) {
            for word in line.split(' ').skip(1).filter(|word| word.len() % 2 == 0) {
                let bytes: Result<Vec<u8>, _> = (0..word.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&word[at..at + 2], 16))
                    .collect();
                seeds.extend(bytes);
            }
        }
    }
    seeds
}

/// A seed, changed a little or a lot.
fn mutate(noise: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[noise.random_range(0..seeds.len())].clone();
    for _ in 0..1 + noise.random_range(0..4) {
        let at = noise.random_range(0..=bytes.len());
        match noise.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << noise.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = noise.random(),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, [0, 1, 0x7F, 0x80, 0xFF][noise.random_range(0..5)]),
            4 => {
                let other = &seeds[noise.random_range(0..seeds.len())];
                let from = noise.random_range(0..=other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => bytes.extend((0..noise.random_range(0..40)).map(|n| (n * 7) as u8)),
        }
    }
    // As much as a transport lets through.
    bytes.truncate(4096);
    bytes
}

#[test]
fn decoders_take_anything() {
    let seeds = seeds();
    let mut noise = bench::noise(1);
    let mut understood = 0;
    for _ in 0..60_000 {
        let bytes = mutate(&mut noise, &seeds);
        let mut buffer = [0; 4200];
        // What is understood can be written, and means the same again.
        if let Ok(message) = Handshake::decode(&bytes) {
            let len = message.encode(&mut buffer).unwrap();
            assert_eq!(Handshake::decode(&buffer[..len]), Ok(message));
            understood += 1;
        }
        if let Ok(message) = config::Request::decode(&bytes) {
            let len = message.encode(&mut buffer).unwrap();
            assert!(config::Request::decode(&buffer[..len]) == Ok(message));
            understood += 1;
        }
        if let Ok(message) = config::Response::decode(&bytes) {
            let len = message.encode(&mut buffer).unwrap();
            assert_eq!(config::Response::decode(&buffer[..len]), Ok(message));
            understood += 1;
        }
        if let Ok(message) = scan::Request::decode(&bytes) {
            let len = message.encode(&mut buffer).unwrap();
            assert_eq!(scan::Request::decode(&buffer[..len]), Ok(message));
            understood += 1;
        }
        if let Ok(message) = scan::Response::decode(&bytes) {
            // Entries may be longer written out than they were.
            if let Ok(len) = message.encode(&mut buffer) {
                assert_eq!(scan::Response::decode(&buffer[..len]), Ok(message));
            }
            understood += 1;
        }
        if let Ok(message) = control::Request::decode(&bytes) {
            let len = message.encode(&mut buffer).unwrap();
            assert_eq!(control::Request::decode(&buffer[..len]), Ok(message));
        }
        let _ = control::Response::decode(&bytes);
        if let Ok(version) = Version::decode(&bytes) {
            understood += version.capabilities().count();
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = Payload::decode(text);
        }
    }
    assert!(
        understood > 10_000,
        "the seeds were of no use: {understood}"
    );
}

#[test]
fn deep_nesting_is_no_recursion() {
    let text = "[".repeat(1_000_000);
    assert!(Version::decode(text.as_bytes()).is_err());
    let text = format!("{{\"a\":{}", "{\"b\":".repeat(300_000));
    assert!(Version::decode(text.as_bytes()).is_err());
}

#[test]
fn a_device_takes_anything_in_any_state() {
    let seeds = seeds();
    for (security, login) in securities() {
        let rounds = match security.scheme() {
            2 => 1_500,
            _ => 6_000,
        };
        let mut bench = Bench::new(Config {
            custom_endpoints: 1,
            ..Config::new(security.clone())
        });
        let mut noise = bench::noise(2);
        for round in 0..rounds {
            // Now and then a real client, so that all states are visited.
            if round % 100 == 50 {
                let _ = bench.login(PHONE, login.clone());
            }
            let session = SessionId(noise.random_range(0..3));
            let endpoint = ENDPOINTS[noise.random_range(0..ENDPOINTS.len())];
            let bytes = mutate(&mut noise, &seeds);
            let result = bench.send(session, endpoint, &bytes);
            if let (Endpoint::Version, Ok(reply)) = (endpoint, &result) {
                assert!(Version::decode(reply).is_ok());
            }
            match noise.random_range(0..20) {
                0 => bench.device.disconnected(session),
                1 => bench.now = bench.now + std::time::Duration::from_secs(400),
                _ => {}
            }
            let commands = bench.commands();
            // With a secret, bytes without a proof make the platform do nothing. (Security 1
            // cannot tell garbage from a client's message once a session stands.)
            if security.scheme() == 2 {
                let harmless = |command: &Command| matches!(command, Command::Disconnect(_));
                assert!(commands.iter().all(harmless), "{commands:?}");
            }
        }
        // Once they have gone, an honest client gets in.
        for session in 0..3 {
            bench.device.disconnected(SessionId(session));
        }
        bench.now = bench.now + std::time::Duration::from_secs(60);
        let mut client = bench.login(PHONE, login).unwrap();
        let status = Request::Config(config::Request::Status);
        let reply = bench.request(&mut client, &status, |reply| reply.status());
        assert_eq!(reply, Ok(Some(Status::Success)));
    }
}

#[test]
fn a_changed_message_is_never_taken_by_security_2() {
    let (security, login) = securities().remove(4);
    let mut bench = Bench::new(Config::new(security));
    let mut client = bench.login(PHONE, login).unwrap();
    let mut message = [0; 64];
    let request = Request::Config(config::Request::Apply);
    let len = client.request(&request, &mut message).unwrap();
    for bit in 0..len * 8 {
        let mut changed = message;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            bench.send(PHONE, Endpoint::Config, &changed[..len]),
            Err(Refusal::Undecryptable)
        );
    }
    for short in 0..len {
        assert_eq!(
            bench.send(PHONE, Endpoint::Config, &message[..short]),
            Err(Refusal::Undecryptable)
        );
    }
    // None of them moved the nonce.
    let mut reply = bench
        .send(PHONE, Endpoint::Config, &message[..len])
        .unwrap();
    assert!(client.reply(&mut reply).is_ok());
}

/// Security 1 has no integrity: whoever is on the way may flip bits. What that can come to is what
/// the threat model says: a refusal, another passphrase, with which joining fails, or another name,
/// which the client is told when it asks what the device has joined.
#[test]
fn a_changed_message_of_security_1_is_refused_or_seen_by_the_client() {
    let is_1 = |(security, _): &(Security, Login)| security.scheme() == 1;
    let (security, login) = securities().into_iter().rfind(is_1).unwrap();
    let (ssid, passphrase) = (b"home", b"correct horse");
    let set = Request::Config(config::Request::Set(config::SetConfig {
        ssid,
        passphrase,
        ..Default::default()
    }));
    let apply = Request::Config(config::Request::Apply);
    let (mut refused, mut names, mut passphrases) = (0, 0, 0);
    let mut bits = 0..;
    loop {
        let bit: usize = bits.next().unwrap();
        let mut bench = Bench::new(Config::new(security.clone()));
        let mut client = bench.login(PHONE, login.clone()).unwrap();
        let mut message = [0; 512];
        let len = client.request(&set, &mut message).unwrap();
        if bit == len * 8 {
            break;
        }
        message[bit / 8] ^= 1 << (bit % 8);
        let taken = bench.send(PHONE, Endpoint::Config, &message[..len]);
        let taken = taken.map(|mut reply| {
            let taken = client.reply(&mut reply).map(|reply| {
                matches!(reply, Reply::Config(config::Response::Set(Status::Success)))
            });
            taken.unwrap_or(false)
        });
        if taken != Ok(true) {
            refused += 1;
            continue;
        }
        let _ = bench.request(&mut client, &apply, |_| ());
        let Some(Command::Join(joined)) = bench.commands().pop() else {
            refused += 1;
            continue;
        };
        if joined.passphrase.as_bytes() != passphrase {
            passphrases += 1;
        }
        if joined.ssid.as_bytes() != ssid {
            names += 1;
            let connected = Connected {
                ssid: joined.ssid.clone(),
                bssid: Bssid([1; 6]),
                channel: 1,
                auth: AuthMode::Wpa2Psk,
                ip4: [10, 0, 0, 2].into(),
            };
            let now = bench.now;
            bench.device.station(now, Station::Connected(connected));
            let status = Request::Config(config::Request::Status);
            let told = bench.request(&mut client, &status, |reply| match reply {
                Reply::Config(config::Response::Status {
                    station: config::StationState::Connected(connected),
                    ..
                }) => connected.ssid,
                other => panic!("{other:?}"),
            });
            assert_ne!(told.unwrap().as_bytes(), ssid, "bit {bit}");
        }
    }
    assert!(refused > 0 && names > 0 && passphrases > 0);
}

#[test]
fn a_client_takes_anything() {
    let seeds = seeds();
    let mut noise = bench::noise(3);
    let mut rng = bench::noise(4);
    let mut message = [0; 512];
    for (_, login) in securities() {
        for _ in 0..150 {
            let start = Client::start(login.clone(), &mut rng, &mut message);
            let (mut client, _) = start.unwrap();
            for _ in 0..4 {
                let _ = client.handshake(&mutate(&mut noise, &seeds), &mut message);
            }
        }
    }
    // A device that went mad after the handshake, over a channel that cannot tell.
    for (security, login) in securities().into_iter().take(3) {
        let mut bench = Bench::new(Config::new(security));
        let mut client = bench.login(PHONE, login).unwrap();
        let requests = [
            Request::Config(config::Request::Status),
            Request::Scan(scan::Request::Status),
            Request::Control(control::Request::Reset),
            Request::Custom {
                index: 0,
                data: b"",
            },
        ];
        for _ in 0..5_000 {
            let request = &requests[noise.random_range(0..requests.len())];
            client.request(request, &mut message).unwrap();
            let mut reply = mutate(&mut noise, &seeds);
            if let Ok(Reply::Scan(scan::Response::Results { entries, .. })) =
                client.reply(&mut reply)
            {
                let _ = entries.iter().count();
            }
        }
    }
}

#[test]
fn random_public_keys_open_nothing() {
    let (security, _) = securities().remove(4);
    let mut bench = Bench::new(Config::new(security));
    let mut noise = bench::noise(5);
    let mut message = [0; 512];
    for _ in 0..4 {
        let mut client_key = [0; 384];
        noise.fill_bytes(&mut client_key);
        client_key[0] &= 0x7F;
        let command = Handshake::Sec2Command0 {
            username: USERNAME,
            client_key: &client_key,
        };
        let len = command.encode(&mut message).unwrap();
        bench
            .send(PHONE, Endpoint::Session, &message[..len])
            .unwrap();
        let command = Handshake::Sec2Command1 {
            client_proof: &[0; 64],
        };
        let len = command.encode(&mut message).unwrap();
        assert!(matches!(
            bench.send(PHONE, Endpoint::Session, &message[..len]),
            Err(Refusal::ProofMismatch { .. })
        ));
    }
}
