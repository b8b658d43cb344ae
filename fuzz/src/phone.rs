//! Provisioning's two ends for the targets: devices of every security, and clients that know the
//! proof of possession or not.

use std::sync::OnceLock;

use protocomm::client::{Client, Login, Progress};
use protocomm::device::{Config, Device, Outcome, RESPONSE_CAPACITY, SessionId};
use protocomm::endpoint::Endpoint;
use protocomm::refusal::Refusal;
use protocomm::security::{IvMode, ProofDigest, Salt, Security, SrpVerifier};
use protocomm::time::Instant;
use protocomm::wifi::{AccessPoint, AuthMode, Bssid, Ssid};

use crate::Noise;

/// The device's proof of possession.
pub const PROOF: &[u8] = b"abcd1234";
/// What somebody without it may guess.
pub const GUESS: &[u8] = b"abcd1235";
/// The user name of security 2.
pub const USERNAME: &[u8] = b"wifiprov";
/// Securities to choose from: 0, 1 without and with proof, 2 with either nonce.
pub const SECURITIES: u8 = 5;

/// A way to be secure, by number.
pub fn security(number: u8) -> Security {
    static VERIFIER: OnceLock<SrpVerifier> = OnceLock::new();
    let security2 = |iv_mode| Security::Security2 {
        verifier: VERIFIER
            .get_or_init(|| {
                let salt = Salt::new(&[7; 16]).expect("16 bytes are a salt");
                SrpVerifier::generate(USERNAME, PROOF, salt)
            })
            .clone(),
        iv_mode,
    };
    match number % SECURITIES {
        0 => Security::Security0,
        1 => Security::Security1(None),
        2 => Security::Security1(ProofDigest::new(PROOF)),
        3 => security2(IvMode::Fixed),
        _ => security2(IvMode::Counter),
    }
}

/// The login for it, with this proof.
pub fn login(number: u8, proof: &[u8]) -> Login {
    let security2 = |mode| Login::security2(USERNAME, proof, mode).expect("the name is short");
    match number % SECURITIES {
        0 => Login::security0(),
        1 => Login::security1(b""),
        2 => Login::security1(proof),
        3 => security2(IvMode::Fixed),
        _ => security2(IvMode::Counter),
    }
}

/// Whether a client has to know the proof.
pub fn needs_proof(number: u8) -> bool {
    number % SECURITIES >= 2
}

/// Whether what was changed on its way is always noticed.
pub fn is_authenticated(number: u8) -> bool {
    number % SECURITIES >= 3
}

/// A device with its clock and its randomness.
pub struct Bench {
    /// The device.
    pub device: Device,
    /// Its time.
    pub now: Instant,
    rng: Noise,
    response: [u8; RESPONSE_CAPACITY],
}

impl Bench {
    /// A device that was just switched on.
    pub fn new(config: Config) -> Self {
        Self {
            device: Device::new(config),
            now: Instant::from_millis(0),
            rng: Noise(99),
            response: [0; RESPONSE_CAPACITY],
        }
    }

    /// Sends bytes; gives the reply, or none if it has to wait. The custom endpoint answers with
    /// what it got, backwards.
    ///
    /// # Errors
    ///
    /// The device's refusal.
    pub fn send(
        &mut self,
        session: SessionId,
        endpoint: Endpoint,
        request: &[u8],
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let mut request = request.to_vec();
        let response = &mut self.response;
        let rng = &mut self.rng;
        let outcome =
            self.device
                .handle(self.now, session, endpoint, &mut request, response, rng)?;
        let length = match outcome {
            Outcome::Reply(length) => length,
            Outcome::Custom(data) => {
                let reply: Vec<u8> = data.iter().rev().copied().collect();
                self.device.finish_custom(session, Some(&reply), response)?
            }
            Outcome::Pending => return Ok(None),
        };
        Ok(Some(self.response[..length].to_vec()))
    }

    /// The reply that had to wait, if there is one.
    pub fn late(&mut self) -> Option<Vec<u8>> {
        let late = self.device.poll_reply(&mut self.response)?;
        let length = late.result.ok()?;
        Some(self.response[..length].to_vec())
    }

    /// Whether a client with this login gets a session.
    pub fn admits(&mut self, session: SessionId, login: Login) -> bool {
        let mut message = [0; 512];
        let mut rng = Noise(7);
        let Ok((mut client, mut length)) = Client::start(login, &mut rng, &mut message) else {
            return false;
        };
        loop {
            let reply = match self.send(session, Endpoint::Session, &message[..length]) {
                Ok(Some(reply)) => reply,
                _ => return false,
            };
            match client.handshake(&reply, &mut message) {
                Ok(Progress::Send(next)) => length = next,
                Ok(Progress::Established) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// Networks in the air.
pub fn air(count: u8) -> impl Iterator<Item = AccessPoint> {
    (0..count).map(|n| AccessPoint {
        ssid: Ssid::new(format!("net {n}").as_bytes()).expect("it is short"),
        bssid: Bssid([n, 1, 2, 3, 4, 5]),
        channel: 1 + n % 13,
        rssi: -40 - (n % 60) as i8,
        auth: AuthMode::Wpa2Psk,
    })
}
