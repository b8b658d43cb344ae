//! Both ends of this crate, joined without a transport.

use protocomm::client::{Client, Error, Login, Progress, Reply, Request};
use protocomm::device::{Command, Config, Device, Outcome, RESPONSE_CAPACITY, SessionId};
use protocomm::endpoint::Endpoint;
use protocomm::refusal::{Refusal, Refused};
use protocomm::security::{IvMode, ProofDigest, Salt, Security, SrpVerifier};
use protocomm::time::Instant;
use protocomm::wifi::{AccessPoint, AuthMode, Bssid, Ssid};
use rand::{SeedableRng, rngs::StdRng};

pub(crate) const USERNAME: &[u8] = b"wifiprov";
pub(crate) const PROOF: &[u8] = b"abcd1234";
pub(crate) const PHONE: SessionId = SessionId(1);

/// Numbers from a seed: the same in every run.
pub(crate) fn noise(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Every way to be secure, and the login that fits.
pub(crate) fn securities() -> Vec<(Security, Login)> {
    let verifier = SrpVerifier::generate(USERNAME, PROOF, Salt::new(&[7; 16]).unwrap());
    let security2 = |iv_mode| {
        let security = Security::Security2 {
            verifier: verifier.clone(),
            iv_mode,
        };
        let login = Login::security2(USERNAME, PROOF, iv_mode).unwrap();
        (security, login)
    };
    vec![
        (Security::Security0, Login::security0()),
        (Security::Security1(None), Login::security1(b"")),
        (
            Security::Security1(ProofDigest::new(PROOF)),
            Login::security1(PROOF),
        ),
        security2(IvMode::Fixed),
        security2(IvMode::Counter),
    ]
}

/// A device, its platform's part played by the test, and the time.
pub(crate) struct Bench {
    pub(crate) device: Device,
    pub(crate) now: Instant,
    pub(crate) rng: StdRng,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            device: Device::new(config),
            now: Instant::from_millis(0),
            rng: noise(99),
        }
    }

    /// Sends raw bytes, and reads the reply. Scans end at once.
    pub(crate) fn send(
        &mut self,
        session: SessionId,
        endpoint: Endpoint,
        request: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let mut request = request.to_vec();
        let mut response = [0; RESPONSE_CAPACITY];
        let outcome = self.device.handle(
            self.now,
            session,
            endpoint,
            &mut request,
            &mut response,
            &mut self.rng,
        )?;
        let len = match outcome {
            Outcome::Reply(len) => len,
            Outcome::Custom(data) => {
                let echo: Vec<u8> = data.iter().rev().copied().collect();
                self.device
                    .finish_custom(session, Some(&echo), &mut response)?
            }
            Outcome::Pending => {
                self.device.scan_finished(air());
                self.device.poll_reply(&mut response).unwrap().result?
            }
        };
        self.device.reply_read(self.now, session);
        Ok(response[..len].to_vec())
    }

    /// Opens a session.
    pub(crate) fn login(&mut self, session: SessionId, login: Login) -> Result<Client, Error> {
        let mut message = [0; 512];
        let (mut client, mut len) = Client::start(login, &mut self.rng, &mut message)?;
        loop {
            match self.send(session, Endpoint::Session, &message[..len]) {
                Ok(reply) => match client.handshake(&reply, &mut message)? {
                    Progress::Send(next) => len = next,
                    Progress::Established => return Ok(client),
                },
                Err(refusal) => return Err(client.refused(over_the_air(refusal))),
            }
        }
    }

    /// Makes a request, and hands its reply to `check`.
    pub(crate) fn request<T>(
        &mut self,
        client: &mut Client,
        request: &Request<'_>,
        check: impl FnOnce(Reply<'_>) -> T,
    ) -> Result<T, Error> {
        let mut message = [0; 512];
        let len = client.request(request, &mut message)?;
        match self.send(PHONE, request.endpoint(), &message[..len]) {
            Ok(mut reply) => client.reply(&mut reply).map(check),
            Err(refusal) => Err(client.refused(over_the_air(refusal))),
        }
    }

    pub(crate) fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.device.poll_command()).collect()
    }
}

/// What a client gets to see of a refusal.
pub(crate) fn over_the_air(refusal: Refusal) -> Refused {
    Refused::from_att_error(refusal.att_error())
}

/// Twenty networks.
pub(crate) fn air() -> impl Iterator<Item = AccessPoint> {
    (0..20).map(|n| AccessPoint {
        ssid: Ssid::new(format!("net {n}").as_bytes()).unwrap(),
        bssid: Bssid([n, 1, 2, 3, 4, 5]),
        channel: 1 + n % 13,
        rssi: -40 - n as i8,
        auth: AuthMode::Wpa2Psk,
    })
}
