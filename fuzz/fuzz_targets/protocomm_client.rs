//! The client end of provisioning against a misbehaving device: honest replies that were changed on
//! their way, replies to something else, any bytes.
//!
//! The client believes only a device that has proven itself, and with security 2 only what that
//! device said.
#![no_main]

use fuzz::phone::{self, Bench};
use fuzz::{Noise, Script};
use libfuzzer_sys::fuzz_target;
use protocomm::client::{Client, Progress, Reply, Request};
use protocomm::device::{Config, SessionId};
use protocomm::endpoint::Endpoint;
use protocomm::qr::Payload;
use protocomm::refusal::Refused;
use protocomm::wire::session::Handshake;
use protocomm::wire::version::Version;
use protocomm::wire::{config, control, scan};

const SESSION: SessionId = SessionId(1);

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let number = script.byte_or_0();
    match number {
        250.. => texts(script.rest()),
        _ => session(number, script),
    }
});

/// What a device or its label says in JSON.
fn texts(text: &[u8]) {
    if let Ok(version) = Version::decode(text) {
        let capabilities = version.capabilities().count();
        assert!(capabilities > 0 || !version.has("wifi_scan"));
        let _ = protocomm::client::Login::for_device(&version, b"wifiprov", b"x");
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if let Ok(payload) = Payload::decode(text) {
        let mut buffer = vec![0; 4 * text.len() + 256];
        let length = payload.encode(&mut buffer).expect("there is room");
        let written = std::str::from_utf8(&buffer[..length]).expect("text");
        assert!(Payload::decode(written).expect("what we write, we read") == payload);
    }
}

fn session(number: u8, mut script: Script<'_>) {
    let mut bench = Bench::new(Config::new(phone::security(number)));
    let mut rng = Noise(number.into());
    let mut message = [0; 1200];
    let login = phone::login(number, phone::PROOF);
    let (mut client, mut length) =
        Client::start(login, &mut rng, &mut message).expect("there is room");
    let mut steps = 40;
    while !client.is_established() && steps > 0 {
        steps -= 1;
        let honest = bench.send(SESSION, Endpoint::Session, &message[..length]);
        let honest = honest.ok().flatten().unwrap_or_default();
        let reply = changed(&mut script, &honest);
        match client.handshake(&reply, &mut message) {
            Ok(Progress::Send(next)) => length = next,
            Ok(Progress::Established) => {
                if phone::needs_proof(number) {
                    assert!(proof(&reply).is_some() && proof(&reply) == proof(&honest));
                }
            }
            Err(_) => return refused(client, &mut script),
        }
    }
    while !script.is_over() && steps > 0 {
        steps -= 1;
        let request = match script.byte_or_0() % 8 {
            0 => Request::Config(config::Request::Status),
            1 => Request::Config(config::Request::Apply),
            2 => Request::Scan(scan::Request::Status),
            3 => Request::Scan(scan::Request::Start(scan::Start::default())),
            4 => Request::Scan(scan::Request::Results {
                start_index: 0,
                count: 4,
            }),
            5 => Request::Control(control::Request::Reset),
            6 => Request::Config(config::Request::Set(config::SetConfig {
                ssid: b"home",
                passphrase: b"secret",
                ..config::SetConfig::default()
            })),
            _ => Request::Custom {
                index: 0,
                data: script.short_string(),
            },
        };
        let Ok(length) = client.request(&request, &mut message) else {
            return refused(client, &mut script);
        };
        let honest = bench.send(SESSION, request.endpoint(), &message[..length]);
        bench.device.scan_finished(phone::air(9));
        let honest = honest.ok().flatten().unwrap_or_default();
        let mut reply = changed(&mut script, &honest);
        let sent = reply.clone();
        match client.reply(&mut reply) {
            Ok(read) => {
                if let Reply::Scan(scan::Response::Results { entries, .. }) = read {
                    assert!(entries.iter().count() <= sent.len());
                }
                assert!(
                    !phone::is_authenticated(number) || sent == honest,
                    "a forgery"
                );
            }
            Err(error) => drop(error.to_string()),
        }
    }
}

/// A reply as it arrives.
fn changed(script: &mut Script<'_>, honest: &[u8]) -> Vec<u8> {
    let mut reply = match script.byte_or_0() {
        kind @ 0xF0.. => script.take(usize::from(kind & 0xF) * 32).to_vec(),
        _ => honest.to_vec(),
    };
    script.mutate(&mut reply);
    reply
}

/// The device's proof in a message of the handshake.
fn proof(message: &[u8]) -> Option<&[u8]> {
    match Handshake::decode(message) {
        Ok(Handshake::Sec1Response1 { device_verify, .. }) => Some(device_verify),
        Ok(Handshake::Sec2Response1 { device_proof, .. }) => Some(device_proof),
        _ => None,
    }
}

/// The transport tells something instead; nothing goes on after that.
fn refused(mut client: Client, script: &mut Script<'_>) {
    let refused = match script.byte_or_0() {
        0 => Refused::from_http(script.short(), Some(script.short().into())),
        code => Refused::from_att_error(code),
    };
    drop(client.refused(refused).to_string());
    let mut message = [0; 64];
    let status = Request::Config(config::Request::Status);
    assert!(client.request(&status, &mut message).is_err() && !client.is_established());
}
