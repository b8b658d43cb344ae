//! Who has the session, how it comes about, and when it ends.

use rand_core::CryptoRng;

use super::{Device, Event, Limits, SecondSession, SessionId};
use crate::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::security::{Channel, ChannelError, Rejected, Security, VERIFIER_LEN, sec1, sec2};
use crate::time::Instant;
use crate::wire::Status;
use crate::wire::session::Handshake;

/// A reply that is owed to the client.
#[derive(Clone, Copy)]
pub(super) enum Owed {
    /// When the scan is done, or at the deadline.
    Scan { deadline: Instant },
    /// Now: the scan is done.
    Scanned(Status),
    /// When the application has made it.
    Custom(Endpoint),
}

/// How far the handshake is.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it, and boxing needs a heap"
)]
enum State {
    Start,
    Security1(sec1::DeviceHandshake),
    Security2(sec2::DeviceHandshake),
    Established(Channel),
}

/// The session, and the connection that owns it.
pub(super) struct Session {
    pub(super) id: SessionId,
    /// When this connection got the session.
    began: Instant,
    /// When the connection was made, the handshake ended, or a request was decrypted: what anybody
    /// can send for ever does not keep a session.
    last_activity: Instant,
    state: State,
    owed: Option<Owed>,
    /// The last reply says that the station has joined, and was not read yet.
    pub(super) telling: bool,
}

impl Session {
    pub(super) fn ends_at(&self, limits: &Limits) -> Instant {
        (self.last_activity + limits.idle).min(self.began + limits.session)
    }

    pub(super) fn is_proven(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// The status for the reply that a finished scan allows.
    pub(super) fn take_scanned(&mut self) -> Option<Status> {
        let Some(Owed::Scanned(status)) = self.owed else {
            return None;
        };
        self.owed = None;
        Some(status)
    }

    /// The custom endpoint that owes a reply.
    pub(super) fn take_custom(&mut self) -> Option<Endpoint> {
        let Some(Owed::Custom(endpoint)) = self.owed else {
            return None;
        };
        self.owed = None;
        Some(endpoint)
    }

    pub(super) fn scan_deadline(&self) -> Option<Instant> {
        match self.owed {
            Some(Owed::Scan { deadline }) => Some(deadline),
            _ => None,
        }
    }

    pub(super) fn scanned(&mut self, status: Status) {
        if let Some(owed @ Owed::Scan { .. }) = &mut self.owed {
            *owed = Owed::Scanned(status);
        }
    }
}

impl From<ChannelError> for Refusal {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::Undecryptable => Self::Undecryptable,
            ChannelError::Exhausted => Self::SessionExhausted,
            ChannelError::Buffer(error) => Self::ResponseBuffer(error),
        }
    }
}

impl Device {
    /// A connection was made. Telling it is optional: its first request does the same.
    ///
    /// # Errors
    ///
    /// [`Refusal::Busy`] if another connection has the session.
    pub fn connected(&mut self, now: Instant, session: SessionId) -> Result<(), Refusal> {
        self.handle_timeout(now);
        self.claim(now, session)
    }

    /// A connection is gone, and with it its session. Provisioning itself goes on.
    pub fn disconnected(&mut self, session: SessionId) {
        self.session.take_if(|owner| owner.id == session);
    }

    /// Whether this connection has the session, proven or not.
    pub fn has_session(&self, session: SessionId) -> bool {
        self.session
            .as_ref()
            .is_some_and(|owner| owner.id == session)
    }

    /// The session, if this connection has it.
    pub(super) fn session_of(&mut self, session: SessionId) -> Option<&mut Session> {
        self.session.as_mut().filter(|owner| owner.id == session)
    }

    /// Makes sure that this connection has the session.
    pub(super) fn claim(&mut self, now: Instant, id: SessionId) -> Result<(), Refusal> {
        if let Some(session) = &self.session {
            if session.id == id {
                return Ok(());
            }
            if self.config.second_session == SecondSession::Refuse {
                return Err(Refusal::Busy);
            }
            let replaced = session.id;
            self.report(Event::SessionReplaced(replaced));
            self.commands.disconnect = Some(replaced);
        }
        self.session = Some(Session {
            id,
            began: now,
            last_activity: now,
            // Security 0 has no secret to agree on, so ESP-IDF does not wait for its handshake.
            state: match self.config.security {
                Security::Security0 => State::Established(Channel::Plain),
                _ => State::Start,
            },
            owed: None,
            telling: false,
        });
        Ok(())
    }

    /// Ends a session that was silent for too long or has lasted too long, and a wait for a scan.
    pub(super) fn expire_session(&mut self, now: Instant) {
        let limits = &self.config.limits;
        let expired = self
            .session
            .take_if(|session| session.ends_at(limits) <= now);
        if let Some(session) = expired {
            self.report(Event::SessionExpired(session.id));
            self.commands.disconnect = Some(session.id);
        }
        if let Some(session) = &mut self.session
            && session.scan_deadline().is_some_and(|at| at <= now)
        {
            session.scanned(Status::InternalError);
        }
    }

    /// Notes that a reply will follow.
    pub(super) fn owe(&mut self, owed: Owed) {
        if let Some(session) = &mut self.session {
            session.owed = Some(owed);
        }
    }

    fn channel(&mut self) -> Result<&mut Channel, Refusal> {
        match &mut self.session {
            Some(Session {
                state: State::Established(channel),
                ..
            }) => Ok(channel),
            _ => Err(Refusal::NoSession),
        }
    }

    /// What encryption adds to a reply.
    pub(super) fn overhead(&self) -> usize {
        match &self.session {
            Some(Session {
                state: State::Established(channel),
                ..
            }) => channel.overhead(),
            _ => 0,
        }
    }

    /// Decrypts a request in place. While a reply is owed, the next request would be decrypted with
    /// the wrong part of the key stream, so it is refused and changes nothing.
    pub(super) fn decrypt<'a>(
        &mut self,
        now: Instant,
        request: &'a mut [u8],
    ) -> Result<&'a mut [u8], Refusal> {
        let session = self.session.as_mut().ok_or(Refusal::NoSession)?;
        if session.owed.is_some() {
            return Err(Refusal::ReplyOwed);
        }
        let State::Established(channel) = &mut session.state else {
            return Err(Refusal::NoSession);
        };
        let request = channel.decrypt(request)?;
        session.last_activity = now;
        Ok(request)
    }

    /// Encrypts the first `len` bytes of a reply in place.
    pub(super) fn encrypt(&mut self, response: &mut [u8], len: usize) -> Result<usize, Refusal> {
        Ok(self.channel()?.encrypt(response, len)?)
    }

    /// Takes a message of the handshake.
    pub(super) fn handshake<R: CryptoRng + ?Sized>(
        &mut self,
        now: Instant,
        request: &[u8],
        response: &mut [u8],
        rng: &mut R,
    ) -> Result<usize, Refusal> {
        self.history.check_cool_down(now)?;
        let message = Handshake::decode(request)?;
        let expected = self.config.security.scheme();
        if message.scheme() != expected {
            return Err(Refusal::WrongScheme { expected });
        }
        let Some(session) = &mut self.session else {
            return Err(Refusal::NoSession);
        };
        let status = Status::Success;
        let (next, len) = match (&self.config.security, message) {
            (Security::Security0, Handshake::Sec0Command) => {
                let len = Handshake::Sec0Response { status }.encode(response)?;
                (State::Established(Channel::Plain), len)
            }
            (Security::Security1(proof), Handshake::Sec1Command0 { client_key }) => {
                restart(session);
                let handshake = sec1::DeviceHandshake::new(proof.as_ref(), client_key, rng)
                    .map_err(unusable)?;
                let reply = Handshake::Sec1Response0 {
                    status,
                    device_key: handshake.device_key(),
                    device_random: handshake.random(),
                };
                let len = reply.encode(response)?;
                (State::Security1(handshake), len)
            }
            (Security::Security1(_), Handshake::Sec1Command1 { client_verify }) => {
                let handshake = match restart_if(session, |s| matches!(s, State::Security1(_))) {
                    Some(State::Security1(handshake)) => handshake,
                    _ => return Err(Refusal::NoSession),
                };
                let (device_verify, channel) = match handshake.finish(client_verify) {
                    Ok(finished) => finished,
                    Err(rejected) => return Err(self.proof_rejected(now, rejected)),
                };
                let reply = Handshake::Sec1Response1 {
                    status,
                    device_verify: &device_verify,
                };
                (State::Established(channel), reply.encode(response)?)
            }
            (
                Security::Security2 { verifier, .. },
                Handshake::Sec2Command0 {
                    username,
                    client_key,
                },
            ) => {
                self.history.begin_handshake(now, &self.config.limits)?;
                restart(session);
                let mut device_key = [0; VERIFIER_LEN];
                let handshake = sec2::DeviceHandshake::new(
                    verifier,
                    &mut self.ahead,
                    username,
                    client_key,
                    &mut device_key,
                    rng,
                )
                .map_err(unusable)?;
                let reply = Handshake::Sec2Response0 {
                    status,
                    device_key: &device_key,
                    salt: verifier.salt().as_bytes(),
                };
                let len = reply.encode(response)?;
                (State::Security2(handshake), len)
            }
            (Security::Security2 { iv_mode, .. }, Handshake::Sec2Command1 { client_proof }) => {
                let handshake = match restart_if(session, |s| matches!(s, State::Security2(_))) {
                    Some(State::Security2(handshake)) => handshake,
                    _ => return Err(Refusal::NoSession),
                };
                let finished = handshake.finish(client_proof, *iv_mode, rng);
                let (device_proof, nonce, channel) = match finished {
                    Ok(finished) => finished,
                    Err(rejected) => return Err(self.proof_rejected(now, rejected)),
                };
                let reply = Handshake::Sec2Response1 {
                    status,
                    device_proof: &device_proof,
                    nonce: nonce.as_bytes(),
                };
                (State::Established(channel), reply.encode(response)?)
            }
            // A response, from a peer that takes itself for the device.
            _ => return Err(Refusal::Malformed),
        };
        let established = matches!(next, State::Established(_));
        session.state = next;
        let id = session.id;
        if established {
            session.last_activity = now;
            self.history.proven();
            self.report(Event::SessionEstablished(id));
        }
        Ok(len)
    }

    /// Counts a wrong proof.
    fn proof_rejected(&mut self, now: Instant, rejected: Rejected) -> Refusal {
        if rejected != Rejected::Mismatch {
            return unusable(rejected);
        }
        let limits = self.config.limits;
        let attempts_left = self.history.failed(now, &limits);
        self.report(Event::ProofFailed { attempts_left });
        if attempts_left == 0 {
            self.report(Event::CoolDown(limits.cool_down));
        }
        Refusal::ProofMismatch { attempts_left }
    }
}

/// Puts the session back before its handshake.
fn restart(session: &mut Session) {
    session.state = State::Start;
    session.owed = None;
}

/// Takes the state out if it is the expected one, and leaves all as it is if not.
fn restart_if(session: &mut Session, expected: impl Fn(&State) -> bool) -> Option<State> {
    expected(&session.state).then(|| core::mem::replace(&mut session.state, State::Start))
}

/// The refusal of a step that says nothing about the client's secret.
fn unusable(rejected: Rejected) -> Refusal {
    match rejected {
        Rejected::Invalid | Rejected::Mismatch => Refusal::Malformed,
        Rejected::NoRandomness => Refusal::NoRandomness,
    }
}
