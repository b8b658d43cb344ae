//! The client end: what a phone or a tool does to provision a device.
//!
//! [`Client`] is a state machine without a transport: it makes the bytes to send to an endpoint,
//! and takes the bytes of the reply.
//!
//! # How to drive it
//!
//! 1. Send [`version::REQUEST`](crate::wire::version::REQUEST) to
//!    [`Endpoint::Version`], read the reply with [`Version::decode`], and choose the [`Login`].
//! 2. [`Client::start`] makes the first message for [`Endpoint::Session`]. Give each reply to
//!    [`Client::handshake`], and send what it makes, until it says [`Progress::Established`].
//! 3. [`Client::request`] makes a request and names its endpoint; [`Client::reply`] reads the
//!    reply. One at a time: the next request only after the reply.
//! 4. If the transport reports a refusal instead of a reply, [`Client::refused`] says what it
//!    means.
//!
//! After an error the session is over, unless the error says otherwise: start again with a new
//! client. A device answers "I could not do that" with a status inside a reply, which is no error
//! here; see [`Reply::status`].

mod error;

use rand_core::CryptoRng;

use crate::endpoint::Endpoint;
use crate::refusal::Refused;
use crate::security::{Channel, IvMode, ProofDigest, sec1, sec2};
use crate::wire::session::Handshake;
use crate::wire::version::Version;
use crate::wire::{BufferTooSmall, Status, config, control, scan};
pub use error::Error;

/// How to log in: a security scheme, and the secrets for it.
#[derive(Clone)]
pub struct Login(Scheme);

#[derive(Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it, and boxing needs a heap"
)]
enum Scheme {
    Security0,
    Security1(Option<ProofDigest>),
    Security2 {
        identity: sec2::Identity,
        iv_mode: IvMode,
    },
}

impl Login {
    /// The login that suits this device. The username only matters with security 2, the proof of
    /// possession from security 1 on; it may be empty with security 1.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownScheme`] for a scheme above 2, [`Error::InvalidUsername`].
    pub fn for_device(
        version: &Version<'_>,
        username: &[u8],
        proof_of_possession: &[u8],
    ) -> Result<Self, Error> {
        match version.scheme {
            0 => Ok(Self::security0()),
            1 => Ok(Self::security1(proof_of_possession)),
            2 => Self::security2(
                username,
                proof_of_possession,
                IvMode::from_patch(version.patch),
            ),
            other => Err(Error::UnknownScheme(other)),
        }
    }

    /// Scheme 0.
    pub const fn security0() -> Self {
        Self(Scheme::Security0)
    }

    /// Scheme 1, with a proof of possession unless it is empty.
    pub fn security1(proof_of_possession: &[u8]) -> Self {
        Self(Scheme::Security1(ProofDigest::new(proof_of_possession)))
    }

    /// Scheme 2. The device says in `sec_patch_ver` what it does with the nonce.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUsername`] if the username is empty or longer than 64 bytes.
    pub fn security2(
        username: &[u8],
        proof_of_possession: &[u8],
        iv_mode: IvMode,
    ) -> Result<Self, Error> {
        let identity =
            sec2::Identity::new(username, proof_of_possession).ok_or(Error::InvalidUsername)?;
        Ok(Self(Scheme::Security2 { identity, iv_mode }))
    }
}

/// How far the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Send this many bytes to [`Endpoint::Session`], and give the reply to [`Client::handshake`].
    Send(usize),
    /// The session stands.
    Established,
}

/// A request to a protected endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// To [`Endpoint::Config`].
    Config(config::Request<'a>),
    /// To [`Endpoint::Scan`].
    Scan(scan::Request),
    /// To [`Endpoint::Control`].
    Control(control::Request),
    /// To a custom endpoint, in the application's own format.
    Custom {
        /// The index of the endpoint in the application's list of names.
        index: u8,
        /// The application's bytes.
        data: &'a [u8],
    },
}

impl Request<'_> {
    /// Where this request goes.
    pub const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Config(_) => Endpoint::Config,
            Self::Scan(_) => Endpoint::Scan,
            Self::Control(_) => Endpoint::Control,
            Self::Custom { index, .. } => Endpoint::Custom(*index),
        }
    }
}

/// The reply to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// From [`Endpoint::Config`].
    Config(config::Response),
    /// From [`Endpoint::Scan`].
    Scan(scan::Response<'a>),
    /// From [`Endpoint::Control`].
    Control(control::Response),
    /// From a custom endpoint.
    Custom(&'a [u8]),
}

impl Reply<'_> {
    /// Whether the device did what it was asked; `None` from a custom endpoint.
    pub const fn status(&self) -> Option<Status> {
        match *self {
            Self::Config(config::Response::Status { status, .. })
            | Self::Config(config::Response::Set(status))
            | Self::Config(config::Response::Apply(status))
            | Self::Scan(scan::Response::Start(status))
            | Self::Scan(scan::Response::Status { status, .. })
            | Self::Scan(scan::Response::Results { status, .. })
            | Self::Control(control::Response::Reset(status))
            | Self::Control(control::Response::Reprovision(status)) => Some(status),
            Self::Custom(_) => None,
        }
    }
}

/// How far the client is.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it, and boxing needs a heap"
)]
enum State {
    Security0,
    Security1Start(sec1::ClientStart),
    Security1Proof(sec1::ClientProof),
    Security2Start(sec2::ClientStart),
    Security2Proof(sec2::ClientProof),
    Established {
        channel: Channel,
        awaited: Option<Endpoint>,
    },
    Over,
}

/// The client end of a session. See the [module](self).
pub struct Client(State);

impl Client {
    /// Begins a session: writes the first message for [`Endpoint::Session`] to `message`, and
    /// returns its length. 512 bytes are enough for every message of the handshake.
    ///
    /// # Errors
    ///
    /// [`Error::Buffer`], [`Error::NoRandomness`].
    pub fn start<R: CryptoRng + ?Sized>(
        login: Login,
        rng: &mut R,
        message: &mut [u8],
    ) -> Result<(Self, usize), Error> {
        Ok(match login.0 {
            Scheme::Security0 => {
                let len = Handshake::Sec0Command.encode(message)?;
                (Self(State::Security0), len)
            }
            Scheme::Security1(proof) => {
                let start = sec1::ClientStart::new(proof, rng);
                let client_key = &start.client_key();
                let len = Handshake::Sec1Command0 { client_key }.encode(message)?;
                (Self(State::Security1Start(start)), len)
            }
            Scheme::Security2 { identity, iv_mode } => {
                let start = sec2::ClientStart::new(identity, iv_mode, rng)?;
                let command = Handshake::Sec2Command0 {
                    username: start.username(),
                    client_key: start.client_key(),
                };
                let len = command.encode(message)?;
                (Self(State::Security2Start(start)), len)
            }
        })
    }

    /// Whether the session stands.
    pub fn is_established(&self) -> bool {
        matches!(self.0, State::Established { .. })
    }

    /// Takes a reply of [`Endpoint::Session`], and writes the next message, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceNotProven`], [`Error::Malformed`], [`Error::HandshakeStatus`],
    /// [`Error::Buffer`], [`Error::OutOfOrder`]. All but the last end the session.
    pub fn handshake(&mut self, reply: &[u8], message: &mut [u8]) -> Result<Progress, Error> {
        if let State::Established { .. } | State::Over = self.0 {
            return Err(Error::OutOfOrder);
        }
        // An error on the way leaves the session over.
        let state = core::mem::replace(&mut self.0, State::Over);
        let reply = Handshake::decode(reply)?;
        let (next, progress) = match (state, reply) {
            (State::Security0, Handshake::Sec0Response { status }) => {
                successful(status)?;
                (established(Channel::Plain), Progress::Established)
            }
            (
                State::Security1Start(start),
                Handshake::Sec1Response0 {
                    status,
                    device_key,
                    device_random,
                },
            ) => {
                successful(status)?;
                let proof = start.answer(device_key, device_random)?;
                let client_verify = proof.client_verify();
                let len = Handshake::Sec1Command1 { client_verify }.encode(message)?;
                (State::Security1Proof(proof), Progress::Send(len))
            }
            (
                State::Security1Proof(proof),
                Handshake::Sec1Response1 {
                    status,
                    device_verify,
                },
            ) => {
                successful(status)?;
                (
                    established(proof.finish(device_verify)?),
                    Progress::Established,
                )
            }
            (
                State::Security2Start(start),
                Handshake::Sec2Response0 {
                    status,
                    device_key,
                    salt,
                },
            ) => {
                successful(status)?;
                let proof = start.answer(device_key, salt)?;
                let client_proof = proof.client_proof();
                let len = Handshake::Sec2Command1 { client_proof }.encode(message)?;
                (State::Security2Proof(proof), Progress::Send(len))
            }
            (
                State::Security2Proof(proof),
                Handshake::Sec2Response1 {
                    status,
                    device_proof,
                    nonce,
                },
            ) => {
                successful(status)?;
                (
                    established(proof.finish(device_proof, nonce)?),
                    Progress::Established,
                )
            }
            _ => return Err(Error::Malformed),
        };
        self.0 = next;
        Ok(progress)
    }

    /// Writes a request to `message`, encrypted, and returns its length. It goes to
    /// [`Request::endpoint`].
    ///
    /// # Errors
    ///
    /// [`Error::OutOfOrder`], [`Error::Buffer`], [`Error::SessionExhausted`]. Nothing has changed then.
    pub fn request(&mut self, request: &Request<'_>, message: &mut [u8]) -> Result<usize, Error> {
        let State::Established {
            channel,
            awaited: awaited @ None,
        } = &mut self.0
        else {
            return Err(Error::OutOfOrder);
        };
        let len = match request {
            Request::Config(request) => request.encode(message)?,
            Request::Scan(request) => request.encode(message)?,
            Request::Control(request) => request.encode(message)?,
            Request::Custom { data, .. } => {
                let needed = data.len().saturating_add(channel.overhead());
                message
                    .get_mut(..data.len())
                    .ok_or(BufferTooSmall { needed })?
                    .copy_from_slice(data);
                data.len()
            }
        };
        let len = channel.encrypt(message, len)?;
        *awaited = Some(request.endpoint());
        Ok(len)
    }

    /// Reads the reply to the last request, decrypting it in place.
    ///
    /// # Errors
    ///
    /// [`Error::Undecryptable`] and [`Error::SessionExhausted`] end the session.
    /// [`Error::Malformed`] does not: the reply was the device's, but makes no sense.
    /// [`Error::OutOfOrder`] if no reply is awaited.
    pub fn reply<'a>(&mut self, message: &'a mut [u8]) -> Result<Reply<'a>, Error> {
        let State::Established { channel, awaited } = &mut self.0 else {
            return Err(Error::OutOfOrder);
        };
        let endpoint = awaited.take().ok_or(Error::OutOfOrder)?;
        let text = match channel.decrypt(message) {
            Ok(text) => &*text,
            Err(error) => {
                self.0 = State::Over;
                return Err(error.into());
            }
        };
        Ok(match endpoint {
            Endpoint::Config => Reply::Config(config::Response::decode(text)?),
            Endpoint::Scan => Reply::Scan(scan::Response::decode(text)?),
            Endpoint::Control => Reply::Control(control::Response::decode(text)?),
            Endpoint::Custom(_) | Endpoint::Session | Endpoint::Version => Reply::Custom(text),
        })
    }

    /// The transport reported that the device refused the last message. Says what that means, and
    /// ends the session: the two ends no longer agree on how far it was.
    pub fn refused(&mut self, refused: Refused) -> Error {
        let state = core::mem::replace(&mut self.0, State::Over);
        match (refused, state) {
            (Refused::CoolingDown(duration), _) => Error::CoolingDown(duration),
            (Refused::Busy, _) => Error::Busy,
            (Refused::Other, State::Security1Proof(_) | State::Security2Proof(_)) => {
                Error::WrongProof
            }
            (Refused::Other, State::Established { .. } | State::Over) => Error::SessionLost,
            (Refused::Other, _) => Error::HandshakeRefused,
        }
    }
}

fn established(channel: Channel) -> State {
    State::Established {
        channel,
        awaited: None,
    }
}

fn successful(status: Status) -> Result<(), Error> {
    match status {
        Status::Success => Ok(()),
        other => Err(Error::HandshakeStatus(other)),
    }
}
