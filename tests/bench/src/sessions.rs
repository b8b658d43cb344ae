//! Whole sessions of the provisioning protocol, of which one end is counted.

use protocomm::client::{Client, Login, Progress, Request};
use protocomm::device::{Config, Device, Outcome, RESPONSE_CAPACITY, SessionId};
use protocomm::endpoint::Endpoint;
use protocomm::security::{IvMode, ProofDigest, Salt, Security, SrpVerifier};
use protocomm::time::Instant;
use protocomm::wire::config;
use rand::{SeedableRng, rngs::StdRng};

use crate::measured_region;

const USERNAME: &[u8] = b"wifiprov";
const PROOF: &[u8] = b"abcd1234efgh";

/// The end that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The device.
    Device,
    /// The phone.
    Client,
}

impl End {
    fn count<T>(self, end: Self, work: impl FnOnce() -> T) -> T {
        if self == end {
            measured_region(work)
        } else {
            work()
        }
    }
}

/// What the device computes once for security 2, from the proof of possession.
#[must_use]
pub fn verifier() -> SrpVerifier {
    let salt = Salt::new(&[7; 16]).expect("a salt");
    SrpVerifier::generate(USERNAME, PROOF, salt)
}

/// Opens a session of security 1 or 2 and makes requests in it.
///
/// # Panics
///
/// If one of the ends refuses the other.
pub fn session(counted: End, security: u8, requests: u32) {
    let mode = IvMode::Counter;
    let (security, login) = match security {
        1 => (
            Security::Security1(ProofDigest::new(PROOF)),
            Login::security1(PROOF),
        ),
        _ => {
            let verifier = verifier();
            let login = Login::security2(USERNAME, PROOF, mode).expect("a login");
            let iv_mode = mode;
            (Security::Security2 { verifier, iv_mode }, login)
        }
    };
    let mut device = Device::new(Config::new(security));
    let (mut of_device, mut of_client) = (StdRng::seed_from_u64(1), StdRng::seed_from_u64(2));
    // As it does while nobody has come.
    while device.work_ahead(&mut of_device) {}
    let mut answer = |endpoint: Endpoint, request: &mut [u8]| {
        let mut response = [0; RESPONSE_CAPACITY];
        let outcome = counted.count(End::Device, || {
            let now = Instant::from_millis(0);
            let from = SessionId(1);
            device.handle(now, from, endpoint, request, &mut response, &mut of_device)
        });
        match outcome {
            Ok(Outcome::Reply(length)) => response[..length].to_vec(),
            _ => panic!("the device replies"),
        }
    };
    let mut message = [0; 512];
    let started = counted.count(End::Client, || {
        Client::start(login, &mut of_client, &mut message)
    });
    let (mut client, mut length) = started.expect("a first message");
    loop {
        let reply = answer(Endpoint::Session, &mut message[..length]);
        let progress = counted.count(End::Client, || client.handshake(&reply, &mut message));
        match progress.expect("a session") {
            Progress::Send(next) => length = next,
            Progress::Established => break,
        }
    }
    for _ in 0..requests {
        let request = Request::Config(config::Request::Status);
        let length = counted.count(End::Client, || client.request(&request, &mut message));
        let length = length.expect("a request");
        let mut reply = answer(request.endpoint(), &mut message[..length]);
        counted.count(End::Client, || {
            client.reply(&mut reply).expect("a reply");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_both_securities_get_on() {
        for end in [End::Device, End::Client] {
            session(end, 1, 3);
            session(end, 2, 3);
        }
    }
}
