//! What is said over the link: the session, the networks, the credentials.

use std::fmt;
use std::time::Duration;

use embassy_time::{Instant, Timer};
use protocomm::client::{Client, Login, Progress as Handshake, Reply, Request};
use protocomm::endpoint::Endpoint;
use protocomm::online;
use protocomm::security::DEFAULT_USERNAME;
use protocomm::wifi::{AccessPoint, Connected, FailReason, MAX_SSID_LEN, Passphrase};
use protocomm::wire::config::{self, SetConfig, StationState};
use protocomm::wire::scan::{self, Start};
use protocomm::wire::version::{self, Version};
use protocomm::wire::{Status, control};
use zeroize::Zeroizing;

use crate::Provisioner;
use crate::error::Error;
use crate::progress::Progress;

/// Room for any request of ours.
const MESSAGE: usize = 1024;
/// Networks that are asked for at once: four entries are under ESP-IDF's page of 512 bytes.
const PAGE: u32 = 4;
/// How often the device is asked how joining goes.
const POLL: embassy_time::Duration = embassy_time::Duration::from_millis(500);
/// How long joining may take: scanning, associating and DHCP, with a try or two to spare.
const JOIN: Duration = Duration::from_secs(90);

/// What proves that the user may provision the device.
#[derive(Clone)]
pub struct Secrets {
    /// The user name of security 2.
    pub username: String,
    /// The proof of possession; empty if the device demands none.
    pub proof: Zeroizing<String>,
    /// Insist on this scheme. Otherwise the device's own is used.
    pub security: Option<u8>,
}

impl Secrets {
    /// A proof of possession, for whatever scheme the device has, and the usual user name.
    pub fn proof(proof: &str) -> Self {
        Self {
            username: String::from_utf8_lossy(DEFAULT_USERNAME).into_owned(),
            proof: Zeroizing::new(proof.to_owned()),
            security: None,
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What became of the credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The device has joined the network.
    Joined(Connected),
    /// It has not. Other credentials may be tried in the same session.
    Refused(FailReason),
}

impl Provisioner {
    /// Proves to the device that the user may provision it, and the device to the user that it
    /// knows the proof. Returns the scheme: 0, 1 or 2.
    ///
    /// # Errors
    ///
    /// [`Error::ProofNeeded`], [`Error::Session`] with a wrong proof or a device that is busy or
    /// locked, [`Error::Version`], [`Error::Link`].
    pub async fn open_session(&mut self, secrets: &Secrets) -> Result<u8, Error> {
        self.client = None;
        let reply = self
            .link
            .exchange(&name(Endpoint::Version), version::REQUEST)
            .await?;
        let version = Version::decode(&reply).map_err(|_| Error::Version)?;
        let ours = Version::decode_application(&reply, online::APP.label);
        let endpoint = |name: &&str| ours.as_ref().is_ok_and(|ours| ours.has(name));
        self.tells_online = online::APP.capabilities.iter().all(endpoint);
        let scheme = secrets.security.unwrap_or(version.scheme);
        let proof = secrets.proof.as_bytes();
        let proof_is_optional = scheme == 0 || (scheme == 1 && version.has(version::NO_PROOF));
        if proof.is_empty() && !proof_is_optional {
            return Err(Error::ProofNeeded);
        }
        let mut forced = version.clone();
        forced.scheme = scheme;
        let login = Login::for_device(&forced, secrets.username.as_bytes(), proof)?;

        let mut message = Zeroizing::new([0; MESSAGE]);
        let (mut client, mut length) =
            Client::start(login, &mut rand::rng(), message.as_mut_slice())?;
        loop {
            let request = message.get(..length).unwrap_or_default();
            let reply = match self.link.exchange(&name(Endpoint::Session), request).await {
                Ok(reply) => reply,
                Err(e) => {
                    return Err(match e.refused() {
                        Some(refused) => Error::Session(client.refused(refused)),
                        None => e.into(),
                    });
                }
            };
            match client.handshake(&reply, message.as_mut_slice())? {
                Handshake::Send(next) => length = next,
                Handshake::Established => break,
            }
        }
        self.client = Some(client);
        self.tell(&Progress::SessionOpened { security: scheme });
        Ok(scheme)
    }

    /// Has the device list the networks that it hears, strongest first.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] if it cannot scan now, [`Error::NoSession`], [`Error::Session`],
    /// [`Error::Link`].
    pub async fn scan_networks(&mut self) -> Result<Vec<AccessPoint>, Error> {
        self.tell(&Progress::Scanning);
        let start = scan::Request::Start(Start {
            blocking: true,
            passive: false,
            group_channels: 0,
            period_ms: 120,
        });
        self.scan_step(start, |reply| match reply {
            scan::Response::Start(status) => done(status, "scan"),
            _ => Err(Error::Unexpected),
        })
        .await?;
        let count = self
            .scan_step(scan::Request::Status, |reply| match reply {
                scan::Response::Status { status, count, .. } => {
                    done(status, "count networks").map(|()| count)
                }
                _ => Err(Error::Unexpected),
            })
            .await?;
        let mut networks = Vec::new();
        while (networks.len() as u32) < count {
            let start_index = networks.len() as u32;
            let request = scan::Request::Results {
                start_index,
                count: PAGE.min(count - start_index),
            };
            let page = self
                .scan_step(request, |reply| match reply {
                    scan::Response::Results { status, entries } => {
                        done(status, "list networks").map(|()| entries.iter().collect::<Vec<_>>())
                    }
                    _ => Err(Error::Unexpected),
                })
                .await?;
            if page.is_empty() {
                break; // a page without an entry would never end
            }
            networks.extend(page);
        }
        self.tell(&Progress::NetworksListed {
            count: networks.len(),
        });
        Ok(networks)
    }

    async fn scan_step<R>(
        &mut self,
        request: scan::Request,
        read: impl FnOnce(scan::Response<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.ask(&Request::Scan(request), |reply| match reply {
            Reply::Scan(reply) => read(reply),
            _ => Err(Error::Unexpected),
        })
        .await
    }

    /// Gives the device a network's name and passphrase (empty for an open network), and waits
    /// until it has joined or given up. After a refusal it can be called again in this session.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::Device`], [`Error::StillJoining`], [`Error::NoSession`],
    /// [`Error::Session`], [`Error::Link`].
    pub async fn provision(&mut self, ssid: &str, passphrase: &str) -> Result<Outcome, Error> {
        if ssid.len() > MAX_SSID_LEN {
            return Err(Error::TooLong("the network's name"));
        }
        if Passphrase::new(passphrase.as_bytes()).is_none() {
            return Err(Error::TooLong("the passphrase"));
        }
        if self.failed {
            // ESP-IDF takes no other credentials before it is told to forget the failure.
            let reset = Request::Control(control::Request::Reset);
            self.ask(&reset, |_| Ok(())).await?;
            self.failed = false;
        }
        let set = SetConfig {
            ssid: ssid.as_bytes(),
            passphrase: passphrase.as_bytes(),
            ..SetConfig::default()
        };
        self.config(config::Request::Set(set), |reply| match reply {
            config::Response::Set(status) => done(status, "take the credentials"),
            _ => Err(Error::Unexpected),
        })
        .await?;
        self.config(config::Request::Apply, |reply| match reply {
            config::Response::Apply(status) => done(status, "apply the credentials"),
            _ => Err(Error::Unexpected),
        })
        .await?;
        self.tell(&Progress::CredentialsSent);
        let outcome = self.follow().await?;
        as_told(ssid.as_bytes(), outcome)
    }

    /// Asks how joining goes until it is over.
    pub(crate) async fn follow(&mut self) -> Result<Outcome, Error> {
        let give_up = Instant::now() + embassy_time::Duration::from_secs(JOIN.as_secs());
        let mut told = None;
        let mut attempt = 0;
        while Instant::now() < give_up {
            Timer::after(POLL).await;
            let station = self
                .config(config::Request::Status, |reply| match reply {
                    config::Response::Status { status, station } => {
                        done(status, "tell its state").map(|()| station)
                    }
                    _ => Err(Error::Unexpected),
                })
                .await?;
            match station {
                StationState::Connected(connected) => {
                    self.tell(&Progress::Joined {
                        address: connected.ip4,
                    });
                    return Ok(Outcome::Joined(connected));
                }
                StationState::Failed(reason) => {
                    self.failed = true;
                    self.tell(&Progress::Refused(reason));
                    return Ok(Outcome::Refused(reason));
                }
                StationState::Connecting { attempts_remaining } => {
                    if told != Some(attempts_remaining) {
                        told = Some(attempts_remaining);
                        attempt += 1;
                        self.tell(&Progress::Joining {
                            attempt,
                            attempts_remaining,
                        });
                    }
                }
                StationState::Disconnected | StationState::Unknown(_) => {}
            }
        }
        Err(Error::StillJoining(JOIN))
    }

    pub(crate) async fn config<R>(
        &mut self,
        request: config::Request<'_>,
        read: impl FnOnce(config::Response) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.ask(&Request::Config(request), |reply| match reply {
            Reply::Config(reply) => read(reply),
            _ => Err(Error::Unexpected),
        })
        .await
    }

    /// Sends bytes of the application's own to one of its endpoints, encrypted, and returns the
    /// reply.
    ///
    /// # Errors
    ///
    /// [`Error::NoSession`], [`Error::Session`], [`Error::Link`].
    pub async fn custom(&mut self, endpoint: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
        // The name decides where it goes; the index is the device's own affair.
        let request = Request::Custom { index: 0, data };
        self.exchange(endpoint, &request, |reply| match reply {
            Reply::Custom(bytes) => Ok(bytes.to_vec()),
            _ => Err(Error::Unexpected),
        })
        .await
    }

    pub(crate) async fn ask<R>(
        &mut self,
        request: &Request<'_>,
        read: impl FnOnce(Reply<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.exchange(&name(request.endpoint()), request, read)
            .await
    }

    async fn exchange<R>(
        &mut self,
        endpoint: &str,
        request: &Request<'_>,
        read: impl FnOnce(Reply<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        // Taken out, so that an exchange that is cancelled half-way ends the session: the two
        // ends would no longer agree on how far it is.
        let mut client = self.client.take().ok_or(Error::NoSession)?;
        let mut message = Zeroizing::new(vec![0; MESSAGE]);
        let length = client.request(request, &mut message)?;
        let request = message.get(..length).unwrap_or_default();
        let mut reply = match self.link.exchange(endpoint, request).await {
            Ok(reply) => Zeroizing::new(reply),
            Err(e) => {
                return Err(match e {
                    crate::LinkError::Refused { refused, .. } => {
                        Error::Session(client.refused(refused))
                    }
                    e => e.into(),
                });
            }
        };
        let result = match client.reply(&mut reply) {
            Ok(reply) => read(reply),
            Err(e) => Err(e.into()),
        };
        if client.is_established() {
            self.client = Some(client);
        }
        result
    }
}

fn name(endpoint: Endpoint) -> String {
    endpoint.name(&[]).unwrap_or_default().to_owned()
}

fn done(status: Status, step: &'static str) -> Result<(), Error> {
    match status {
        Status::Success => Ok(()),
        status => Err(Error::Device { step, status }),
    }
}

/// With security 1 a name can be changed on its way without anybody noticing; what the device says
/// that it joined is then another.
fn as_told(ssid: &[u8], outcome: Outcome) -> Result<Outcome, Error> {
    match outcome {
        Outcome::Joined(connected) if connected.ssid.as_bytes() != ssid => {
            Err(Error::OtherNetwork(connected.ssid))
        }
        outcome => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use protocomm::wifi::{AuthMode, Bssid, Ssid};

    use super::*;

    #[test]
    fn a_device_that_joined_another_network_is_told_of() {
        let joined = |name: &str| {
            Outcome::Joined(Connected {
                ssid: Ssid::new(name.as_bytes()).unwrap(),
                bssid: Bssid([0; 6]),
                channel: 1,
                auth: AuthMode::Wpa2Psk,
                ip4: [10, 0, 0, 2].into(),
            })
        };
        assert!(as_told(b"home", joined("home")).is_ok());
        assert!(as_told(b"home", Outcome::Refused(FailReason::NetworkNotFound)).is_ok());
        let told = as_told(b"home", joined("hole")).unwrap_err();
        assert!(told.to_string().contains("hole"), "{told}");
    }
}
