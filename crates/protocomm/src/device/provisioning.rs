//! `prov-config` and `prov-ctrl`: the way from credentials to a joined station.

use core::time::Duration;

use super::{Device, Event, Station};
use crate::refusal::Refusal;
use crate::time::Instant;
use crate::wifi::{Bssid, Connected, Credentials, FailReason, Passphrase, Ssid};
use crate::wire::config::{Request, Response, SetConfig, StationState};
use crate::wire::{Status, control};

/// How long the service stays up once a client knows that the station has joined. ESP-IDF v5.4.1
/// (4c2820d), `manager.c`, `cleanup_delay`; there it is counted from the request, which a client may
/// have written seconds before it reads the reply.
const FINISH_DELAY: Duration = Duration::from_secs(1);

/// How long it stays up if no client asks. ESP-IDF: `CONFIG_WIFI_PROV_AUTOSTOP_TIMEOUT`.
const FINISH_DELAY_UNASKED: Duration = Duration::from_secs(30);

/// Where provisioning stands.
#[derive(Default)]
enum Phase {
    #[default]
    Ready,
    Joining {
        attempts_remaining: Option<u32>,
    },
    Joined(Connected),
    Failed(FailReason),
}

/// The state of provisioning.
#[derive(Default)]
pub(super) struct Provisioning {
    phase: Phase,
    /// Set, not yet applied.
    credentials: Option<Credentials>,
    finish_at: Option<Instant>,
}

impl Provisioning {
    pub(super) fn finish_at(&self) -> Option<Instant> {
        self.finish_at
    }

    /// Whether the service is to be shut down now. Says so once.
    pub(super) fn finish_is_due(&mut self, now: Instant) -> bool {
        self.finish_at.take_if(|at| *at <= now).is_some()
    }

    pub(super) fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Joined(_))
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.phase, Phase::Joining { .. })
    }

    pub(super) fn station(&mut self, now: Instant, station: Station, auto_stop: bool) {
        if let Phase::Ready = self.phase {
            return;
        }
        self.finish_at = None;
        self.phase = match station {
            Station::Connecting { attempts_remaining } => Phase::Joining { attempts_remaining },
            Station::Connected(connected) => {
                self.finish_at = auto_stop.then_some(now + FINISH_DELAY_UNASKED);
                Phase::Joined(connected)
            }
            Station::Failed(reason) => Phase::Failed(reason),
        };
    }

    /// A client knows that the station has joined, which starts the end.
    pub(super) fn known(&mut self, now: Instant) {
        if let Some(at) = &mut self.finish_at {
            *at = (*at).min(now + FINISH_DELAY);
        }
    }

    /// What a client is told.
    fn state(&self) -> StationState {
        match &self.phase {
            Phase::Ready => StationState::Disconnected,
            Phase::Joining { attempts_remaining } => StationState::Connecting {
                attempts_remaining: *attempts_remaining,
            },
            Phase::Joined(connected) => StationState::Connected(connected.clone()),
            Phase::Failed(reason) => StationState::Failed(*reason),
        }
    }

    /// The credentials to join with, if this is the time for it. As in ESP-IDF, they have to be
    /// set anew after each attempt to apply them.
    fn apply(&mut self) -> Option<Credentials> {
        let credentials = self.credentials.take()?;
        match self.phase {
            Phase::Ready | Phase::Failed(_) => {
                self.phase = Phase::Joining {
                    attempts_remaining: None,
                };
                Some(credentials)
            }
            Phase::Joining { .. } | Phase::Joined(_) => None,
        }
    }
}

/// Checks credentials as ESP-IDF does (`wifi_config.c`, `cmd_set_config_handler`), and that there
/// is a name at all.
fn credentials(set: SetConfig<'_>) -> Option<Credentials> {
    let bssid = match set.bssid {
        [] => None,
        bytes => Some(Bssid(bytes.try_into().ok()?)),
    };
    Some(Credentials {
        ssid: Ssid::new(set.ssid).filter(|ssid| !ssid.as_bytes().is_empty())?,
        passphrase: Passphrase::new(set.passphrase)?,
        bssid,
        channel: u8::try_from(set.channel)
            .ok()
            .filter(|channel| *channel > 0),
    })
}

impl Device {
    /// Answers a request to `prov-config`.
    pub(super) fn configure(
        &mut self,
        request: &[u8],
        response: &mut [u8],
    ) -> Result<usize, Refusal> {
        let reply = match Request::decode(request)? {
            Request::Status => {
                if let Some(session) = &mut self.session {
                    session.telling = self.provisioning.is_joined();
                }
                Response::Status {
                    status: Status::Success,
                    station: self.provisioning.state(),
                }
            }
            Request::Set(set) => match credentials(set) {
                Some(credentials) => {
                    self.provisioning.credentials = Some(credentials);
                    self.report(Event::CredentialsReceived);
                    Response::Set(Status::Success)
                }
                None => Response::Set(Status::InvalidArgument),
            },
            Request::Apply => match self.provisioning.apply() {
                Some(credentials) => {
                    self.commands.join = Some(credentials);
                    Response::Apply(Status::Success)
                }
                None => Response::Apply(Status::InternalError),
            },
        };
        Ok(reply.encode(response)?)
    }

    /// Answers a request to `prov-ctrl`.
    pub(super) fn control(
        &mut self,
        request: &[u8],
        response: &mut [u8],
    ) -> Result<usize, Refusal> {
        let reply = match control::Request::decode(request)? {
            control::Request::Reset => {
                let failed = matches!(self.provisioning.phase, Phase::Failed(_));
                if failed {
                    self.provisioning = Provisioning::default();
                    self.commands.forget = true;
                }
                let nothing_tried = matches!(self.provisioning.phase, Phase::Ready);
                let early = nothing_tried && !self.config.refuse_early_reset;
                control::Response::Reset(done(failed || early))
            }
            control::Request::Reprovision => {
                let allowed = !self.config.auto_stop;
                if allowed {
                    self.provisioning = Provisioning::default();
                    self.commands.join = None;
                    self.commands.forget = false;
                    self.commands.reprovision = true;
                }
                control::Response::Reprovision(done(allowed))
            }
        };
        Ok(reply.encode(response)?)
    }
}

fn done(done: bool) -> Status {
    if done {
        Status::Success
    } else {
        Status::InternalError
    }
}
