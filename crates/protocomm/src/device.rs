//! The device end: requests in, replies and commands out.
//!
//! [`Device`] is a state machine without clock, radio or task. It knows the protocol and the
//! rules; it does not know how bytes travel, how a scan is made, or where credentials are stored.
//!
//! # How to drive it
//!
//! 1. [`Device::handle`] with every request. The answer is a [`Outcome`], or a [`Refusal`] that
//!    the transport reports.
//! 2. [`Device::reply_read`] when the client has read the reply; where that is not known, when the
//!    reply was sent.
//! 3. After each call of any method: [`Device::poll_command`] until it is empty, and do what it
//!    says; [`Device::poll_event`] likewise, if anybody wants to know.
//! 4. Tell it what happened: [`Device::scan_finished`], [`Device::scan_failed`],
//!    [`Device::station`], [`Device::connected`], [`Device::disconnected`].
//! 5. After each of these and of [`Device::handle_timeout`]: [`Device::poll_reply`], for a reply
//!    that had to wait.
//! 6. At [`Device::next_deadline`], [`Device::handle_timeout`].
//!
//! # States
//!
//! ```text
//!             set, apply                station: connected
//!    ready ───────────────► joining ────────────────────────► joined
//!      ▲ ▲                   │   ▲                              │ │
//!      │ │                   │   │ set, apply                   │ │ a client read it, or 30 s:
//!      │ │ ctrl-reset        ▼   │                              │ │ Command::Finish
//!      │ └──────────────── failed ◄─────────────────────────────┘ ▼
//!      │     station: failed        station: failed
//!      └───────────── ctrl-reprov, from any state, if `auto_stop` is off
//! ```
//!
//! After a wrong passphrase, the same session may set and apply others; ESP-IDF demands a
//! `ctrl-reset` in between, which works as well. Everything else is as ESP-IDF has it: applying
//! while joining or joined, applying nothing, resetting while joining or joined, and
//! re-provisioning with `auto_stop` on are all answered with `InternalError`. Resetting before
//! anything was tried succeeds, see [`Config::refuse_early_reset`].
//!
//! Before anything was applied the status is `Disconnected`. (ESP-IDF says `Connecting` then,
//! which is what its zeroed memory happens to mean.)
//!
//! # Sessions
//!
//! There is one session at a time, and its transport connection owns it. Another connection is
//! refused with [`Refusal::Busy`] until that one leaves, was idle for [`Limits::idle`] or has lasted
//! for [`Limits::session`], or takes over at once, see [`SecondSession`]. Only requests that the
//! session decrypts count as activity, so a client has that long to finish its handshake, too. A new
//! handshake on the same connection starts over. After [`Limits::failed_proofs`] wrong proofs in a
//! row, by whomever, no handshake is taken for [`Limits::cool_down`]. Of the first steps of security 2,
//! which cost the device much, [`Limits::handshakes`] are taken at once and then one for each
//! [`Limits::handshake_pace`], until a client proves itself. Both outlive the device end, with its
//! [`History`].
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `components/protocomm/src/common/protocomm.c`,
//! `components/wifi_provisioning/src/{manager,handlers,wifi_config,wifi_scan,wifi_ctrl}.c`.

mod config;
mod history;
mod provisioning;
mod scan;
mod session;
#[cfg(test)]
mod tests;

use core::time::Duration;

use heapless::Deque;
use rand_core::CryptoRng;
use zeroize::Zeroize;

use crate::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::security::{Ahead, OVERHEAD_MAX, Security};
use crate::time::Instant;
use crate::wifi::{AccessPoint, Connected, Credentials, FailReason};
use crate::wire::version;
use crate::wire::{self, scan::MAX_ENTRY_LEN};
pub use config::{Config, Limits, SecondSession};
pub use history::History;
use provisioning::Provisioning;
pub use scan::MAX_SCAN_RESULTS;
use scan::Scan;
use session::{Owed, Session};

/// Room for every request of the protocol, in bytes: the longest is the first of security 2.
/// Requests to custom endpoints are as long as the application lets them be.
pub const REQUEST_CAPACITY: usize = 512;

/// Room for every reply of the protocol, in bytes: the longest has all scan results.
/// With less, scan results come in smaller pages; 512 is the least, and over Bluetooth the most
/// ([`gatt::MAX_VALUE_LEN`](crate::gatt::MAX_VALUE_LEN)).
pub const RESPONSE_CAPACITY: usize = 16 + MAX_SCAN_RESULTS * MAX_ENTRY_LEN + OVERHEAD_MAX;

/// A connection of the transport, by a number of the transport's choice: the connection's handle,
/// or the number in the session's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub u32);

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The reply is in the response buffer and has this length.
    Reply(usize),
    /// The reply has to wait for a scan; [`Device::poll_reply`] will have it. The transport holds its
    /// answer back until then. Where a Bluetooth stack takes what a callback returns for its answer,
    /// the callback waits, with the device free for others: do what [`Device::poll_command`] says,
    /// report the scan, and return once `poll_reply` has the reply. ESP-IDF does so (`manager.c`,
    /// `wifi_prov_mgr_wifi_scan_start`).
    Pending,
    /// A request to a custom endpoint, decrypted. The application makes a reply and gives it to
    /// [`Device::finish_custom`].
    Custom(&'a mut [u8]),
}

/// What the device's platform has to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Look for networks, and report with [`Device::scan_finished`] or [`Device::scan_failed`].
    StartScan(wire::scan::Start),
    /// Join this network, and report with [`Device::station`]. Send the reply to the client first:
    /// where the client's link shares the radio, as with SoftAP, wait a second (ESP-IDF does).
    /// Store the credentials when they have worked, not before.
    Join(Credentials),
    /// Forget the credentials that failed.
    Forget,
    /// Leave the network and forget its credentials.
    Reprovision,
    /// Drop this connection: its session has ended.
    Disconnect(SessionId),
    /// Provisioning is done and a client knows it: shut the service down.
    Finish,
}

/// What an observer may want to know. The device acts on it by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client has proven itself, or needs not to with security 0.
    SessionEstablished(SessionId),
    /// Another connection has taken the session over.
    SessionReplaced(SessionId),
    /// A session was silent for too long, or has lasted too long.
    SessionExpired(SessionId),
    /// A client has not proven itself.
    ProofFailed {
        /// How many more attempts there are before a cool-down.
        attempts_left: u8,
    },
    /// No handshake is taken for so long.
    CoolDown(Duration),
    /// A client has set credentials.
    CredentialsReceived,
}

/// How the station is doing, as the platform tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Station {
    /// Another attempt to join is under way; so many remain after it.
    Connecting {
        /// `None` if attempts are not counted.
        attempts_remaining: Option<u32>,
    },
    /// It has joined and has an address.
    Connected(Connected),
    /// It has given up, or was thrown out.
    Failed(FailReason),
}

/// A reply that had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateReply {
    /// For which connection.
    pub session: SessionId,
    /// At which endpoint.
    pub endpoint: Endpoint,
    /// Its length in the response buffer, or why there is none.
    pub result: Result<usize, Refusal>,
}

const MAX_EVENTS: usize = 8;

/// Commands that wait for the platform. There is at most one of each: a later one replaces or
/// includes the earlier.
#[derive(Default)]
struct Commands {
    disconnect: Option<SessionId>,
    reprovision: bool,
    forget: bool,
    scan: Option<wire::scan::Start>,
    join: Option<Credentials>,
    finish: bool,
}

/// The device end of a provisioning service. See the [module](self).
pub struct Device {
    config: Config,
    session: Option<Session>,
    /// What security 2 is spared when a client comes.
    ahead: Ahead,
    history: History,
    scan: Scan,
    provisioning: Provisioning,
    commands: Commands,
    events: Deque<Event, MAX_EVENTS>,
}

impl Device {
    /// A device that is not provisioned, and nobody is connected.
    pub fn new(config: Config) -> Self {
        Self::resume(config, History::default())
    }

    /// As [`new`](Self::new), after another one with this history.
    pub fn resume(config: Config, history: History) -> Self {
        Self {
            config,
            session: None,
            ahead: Ahead::new(),
            history,
            scan: Scan::default(),
            provisioning: Provisioning::default(),
            commands: Commands::default(),
            events: Deque::new(),
        }
    }

    /// What the next device end is to know of what clients did.
    pub fn history(&self) -> History {
        self.history
    }

    /// Works on what the next session of security 2 can be spared: a million instructions on a core of 32 bits, of 150.
    /// Returns whether there is more to do; nothing while somebody has proven himself.
    ///
    /// Calling it is optional: what is missing when a client comes is worked out then. The secret exponent, which is
    /// good for one session, is drawn from `rng` here.
    pub fn work_ahead<R: CryptoRng + ?Sized>(&mut self, rng: &mut R) -> bool {
        let proven = self.session.as_ref().is_some_and(Session::is_proven);
        match &self.config.security {
            Security::Security2 { verifier, .. } if !proven => self.ahead.work(verifier, rng),
            _ => false,
        }
    }

    /// Handles a request to `endpoint` that came over the connection `session`.
    ///
    /// The request is decrypted in place, and wiped unless it is for a custom endpoint. A reply is
    /// written to `response`, which should have [`RESPONSE_CAPACITY`]; over Bluetooth,
    /// [`gatt::MAX_VALUE_LEN`](crate::gatt::MAX_VALUE_LEN), for a longer value cannot be read.
    ///
    /// With security 2, the first step of the handshake takes 80 million instructions on an ESP32-C3 after
    /// [`work_ahead`](Self::work_ahead), which has 161 million, and 14 KB of stack; one in 128 takes both once more.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] for the transport to report.
    pub fn handle<'a, R: CryptoRng + ?Sized>(
        &mut self,
        now: Instant,
        session: SessionId,
        endpoint: Endpoint,
        request: &'a mut [u8],
        response: &mut [u8],
        rng: &mut R,
    ) -> Result<Outcome<'a>, Refusal> {
        self.handle_timeout(now);
        if let Some(owner) = self.session_of(session) {
            // The reply before is gone.
            owner.telling = false;
        }
        match endpoint {
            Endpoint::Version => self.version(response).map(Outcome::Reply),
            Endpoint::Session => {
                self.claim(now, session)?;
                self.handshake(now, request, response, rng)
                    .map(Outcome::Reply)
            }
            Endpoint::Custom(index) if index >= self.config.custom_endpoints => {
                Err(Refusal::UnknownEndpoint)
            }
            Endpoint::Control | Endpoint::Scan | Endpoint::Config | Endpoint::Custom(_) => {
                self.claim(now, session)?;
                let request = self.decrypt(now, request)?;
                if let Endpoint::Custom(_) = endpoint {
                    self.owe(Owed::Custom(endpoint));
                    return Ok(Outcome::Custom(request));
                }
                let result = self.dispatch(now, endpoint, request, response);
                request.zeroize();
                match result? {
                    Some(len) => self.encrypt(response, len).map(Outcome::Reply),
                    None => Ok(Outcome::Pending),
                }
            }
        }
    }

    /// Answers a request in plain text. `None` if the reply has to wait.
    fn dispatch(
        &mut self,
        now: Instant,
        endpoint: Endpoint,
        request: &[u8],
        response: &mut [u8],
    ) -> Result<Option<usize>, Refusal> {
        match endpoint {
            Endpoint::Config => self.configure(request, response).map(Some),
            Endpoint::Control => self.control(request, response).map(Some),
            Endpoint::Scan => self.handle_scan(now, request, response),
            Endpoint::Session | Endpoint::Version | Endpoint::Custom(_) => {
                Err(Refusal::UnknownEndpoint)
            }
        }
    }

    /// The reply of `proto-ver`.
    fn version(&self, response: &mut [u8]) -> Result<usize, Refusal> {
        let security = &self.config.security;
        let capabilities: &[&str] = match security {
            Security::Security0 => &[version::NO_SECURITY, version::WIFI_SCAN],
            Security::Security1(None) => &[version::NO_PROOF, version::WIFI_SCAN],
            Security::Security1(Some(_)) | Security::Security2 { .. } => &[version::WIFI_SCAN],
        };
        Ok(version::encode(
            security.scheme(),
            security.patch(),
            capabilities,
            self.config.app,
            response,
        )?)
    }

    /// Takes the application's reply to the request that [`Outcome::Custom`] gave, or `None` if it
    /// refuses, and encrypts it into `response`.
    ///
    /// # Errors
    ///
    /// [`Refusal::CustomRefused`] if the application refused; [`Refusal::NoSession`] if the session
    /// has ended meanwhile or no such request is open; [`Refusal::ResponseBuffer`].
    pub fn finish_custom(
        &mut self,
        session: SessionId,
        reply: Option<&[u8]>,
        response: &mut [u8],
    ) -> Result<usize, Refusal> {
        let owned = self.session_of(session);
        let owed = owned.ok_or(Refusal::NoSession)?.take_custom();
        owed.ok_or(Refusal::NoSession)?;
        let reply = reply.ok_or(Refusal::CustomRefused)?;
        match response.get_mut(..reply.len()) {
            Some(target) => target.copy_from_slice(reply),
            None => {
                let needed = reply.len() + OVERHEAD_MAX;
                return Err(wire::BufferTooSmall { needed }.into());
            }
        }
        self.encrypt(response, reply.len())
    }

    /// The client of this connection has read the last reply, all of it. A transport that cannot tell
    /// says so when it has sent it; one that never does has provisioning end 30 seconds after
    /// joining, rather than a second after the client knows.
    pub fn reply_read(&mut self, now: Instant, session: SessionId) {
        if let Some(owner) = self.session_of(session)
            && core::mem::take(&mut owner.telling)
        {
            self.provisioning.known(now);
        }
    }

    /// The reply that had to wait, if it is due. It is written to `response`.
    pub fn poll_reply(&mut self, response: &mut [u8]) -> Option<LateReply> {
        let session = self.session.as_mut()?;
        let id = session.id;
        let status = session.take_scanned()?;
        let result = wire::scan::Response::Start(status)
            .encode(response)
            .map_err(Refusal::from)
            .and_then(|len| self.encrypt(response, len));
        Some(LateReply {
            session: id,
            endpoint: Endpoint::Scan,
            result,
        })
    }

    /// The next thing that the platform has to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        let commands = &mut self.commands;
        if let Some(session) = commands.disconnect.take() {
            return Some(Command::Disconnect(session));
        }
        if core::mem::take(&mut commands.reprovision) {
            return Some(Command::Reprovision);
        }
        if core::mem::take(&mut commands.forget) {
            return Some(Command::Forget);
        }
        if let Some(start) = commands.scan.take() {
            return Some(Command::StartScan(start));
        }
        if let Some(credentials) = commands.join.take() {
            return Some(Command::Join(credentials));
        }
        core::mem::take(&mut commands.finish).then_some(Command::Finish)
    }

    /// The next thing that an observer may want to know. Eight are kept; then the oldest goes.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn report(&mut self, event: Event) {
        if self.events.is_full() {
            self.events.pop_front();
        }
        // There is room now.
        let _ = self.events.push_back(event);
    }

    /// When to call [`Device::handle_timeout`]; `None` if only after another event.
    pub fn next_deadline(&self) -> Option<Instant> {
        let session = self.session.as_ref();
        let end = session.map(|session| session.ends_at(&self.config.limits));
        let scan = session.and_then(Session::scan_deadline);
        [end, scan, self.provisioning.finish_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due at `now`: ends a silent or an old session, gives up on a scan, finishes.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_session(now);
        if self.provisioning.finish_is_due(now) {
            self.commands.finish = true;
        }
    }

    /// The scan is done; it found these. The strongest [`MAX_SCAN_RESULTS`] are kept.
    pub fn scan_finished(&mut self, found: impl IntoIterator<Item = AccessPoint>) {
        self.scan.finish(found);
        self.scanned(wire::Status::Success);
    }

    /// The scan could not be made.
    pub fn scan_failed(&mut self) {
        self.scan.finish([]);
        self.scanned(wire::Status::InternalError);
    }

    fn scanned(&mut self, status: wire::Status) {
        if let Some(session) = &mut self.session {
            session.scanned(status);
        }
    }

    /// The station has news. They only count after credentials were applied.
    pub fn station(&mut self, now: Instant, station: Station) {
        self.provisioning
            .station(now, station, self.config.auto_stop);
    }

    /// Whether this is a bad moment to shut the service down: a client has the session, or a network
    /// is being joined, or a client has yet to learn that it was.
    pub fn is_in_use(&self) -> bool {
        let provisioning = &self.provisioning;
        self.session.is_some() || provisioning.is_joining() || provisioning.finish_at().is_some()
    }

    /// Whether the station has joined with credentials that a client applied.
    pub fn is_provisioned(&self) -> bool {
        self.provisioning.is_joined()
    }
}
