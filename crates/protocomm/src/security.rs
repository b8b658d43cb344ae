//! Sessions: how the two ends prove who they are, and how they encrypt afterwards.
//!
//! | scheme | key agreement and proof | encryption |
//! |---|---|---|
//! | 0 | none | none |
//! | 1 | X25519, its secret XORed with SHA-256 of the proof of possession | AES-256-CTR, one key stream for both directions |
//! | 2 | SRP-6a, 3072-bit group, SHA-512, username and proof of possession | AES-256-GCM, one nonce for both directions, see [`IvMode`] |
//!
//! Both schemes 1 and 2 need a strict order of request and reply: each message moves the state
//! that the next one is decrypted with. [`crate::device`] and [`crate::client`] keep that order.
//!
//! The proof of possession ("PoP") is a secret that is printed on the device or its QR code. In
//! scheme 1 it is optional and what it adds is weak: whoever listens to one session and breaks in
//! as a man in the middle can test guesses without the device. In scheme 2 a guess takes a session
//! with the device, and the device stores a verifier and not the proof itself.
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `components/protocomm/src/security/security{0,1,2}.c`.

mod channel;
pub(crate) mod sec1;
pub(crate) mod sec2;
mod srp;

pub use channel::OVERHEAD_MAX;
pub(crate) use channel::{Channel, ChannelError};
pub(crate) use srp::Ahead;
pub use srp::{InvalidSalt, InvalidVerifier, Salt, SrpVerifier, VERIFIER_LEN};

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The username that Espressif's tools and apps use with security 2 unless told otherwise.
pub const DEFAULT_USERNAME: &[u8] = b"wifiprov";

/// What security 2 does with its nonce after each message: `sec_patch_ver` of `proto-ver`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IvMode {
    /// Patch version 0, before ESP-IDF 5.4.1 and 5.3.3: the nonce, 16 bytes then, is never changed. A nonce
    /// that is used twice gives away the XOR of the two messages and lets them be forged, so this
    /// is for old clients only.
    Fixed,
    /// Patch version 1, since ESP-IDF 5.4.1 and 5.3.3: the last four of the nonce's 12 bytes count messages,
    /// in both directions together, from 1.
    #[default]
    Counter,
}

impl IvMode {
    /// The mode of this `sec_patch_ver`; later patch versions are taken to count, too.
    pub const fn from_patch(patch: u8) -> Self {
        match patch {
            0 => Self::Fixed,
            _ => Self::Counter,
        }
    }

    /// `sec_patch_ver`.
    pub const fn patch(self) -> u8 {
        match self {
            Self::Fixed => 0,
            Self::Counter => 1,
        }
    }
}

/// SHA-256 of a proof of possession, which is all of it that security 1 needs. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ProofDigest([u8; 32]);

impl ProofDigest {
    /// `None` for an empty proof: ESP-IDF then leaves the step out.
    pub fn new(proof_of_possession: &[u8]) -> Option<Self> {
        if proof_of_possession.is_empty() {
            return None;
        }
        Some(Self(Sha256::digest(proof_of_possession).into()))
    }

    fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The security scheme of a device, with its secrets.
#[derive(Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it, and boxing needs a heap"
)]
pub enum Security {
    /// Scheme 0: everything in plain text, no handshake needed. For the desk only; iOS refuses it.
    Security0,
    /// Scheme 1. `None`: without a proof of possession, so anybody in reach may provision.
    Security1(Option<ProofDigest>),
    /// Scheme 2.
    Security2 {
        /// What the device knows of username and proof of possession.
        verifier: SrpVerifier,
        /// What to do with the nonce. [`IvMode::Counter`] unless a client is too old for it.
        iv_mode: IvMode,
    },
}

impl Security {
    /// The scheme's number: `sec_ver` of `proto-ver`.
    pub const fn scheme(&self) -> u8 {
        match self {
            Self::Security0 => 0,
            Self::Security1(_) => 1,
            Self::Security2 { .. } => 2,
        }
    }

    /// The scheme's patch version: `sec_patch_ver` of `proto-ver`.
    pub const fn patch(&self) -> u8 {
        match self {
            Self::Security2 { iv_mode, .. } => iv_mode.patch(),
            _ => 0,
        }
    }
}

/// Why a handshake step was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// A key, proof or salt of an impossible length or value.
    Invalid,
    /// The other end does not have the secret.
    Mismatch,
    /// The random number generator gives the same unusable number again and again.
    NoRandomness,
}
