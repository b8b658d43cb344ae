//! Security 2: SRP-6a, AES-256-GCM.
//!
//! ```text
//! client                                                     device
//!   command 0   username, A                         ->
//!                                                   <-   response 0   B, salt
//!   command 1   M1                                  ->
//!                                                   <-   response 1   M2, nonce
//!   all that follows, both ways, AES-256-GCM under the first 32 bytes of K, tag at the end
//! ```
//!
//! The nonce is 12 bytes: 8 random ones, and a counter of 4 bytes that starts at 1, most
//! significant first. With [`IvMode::Fixed`] it is 16 random bytes.
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `components/protocomm/src/security/security2.c`,
//! `tools/esp_prov/security/security2.py`; for the fixed nonce v5.3.2 (9d7f2d6).

use heapless::Vec;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::channel::{Nonce, Sealed};
use super::srp::{self, Ahead, SrpVerifier, VERIFIER_LEN};
use super::{Channel, IvMode, Rejected};

pub(crate) const PROOF_LEN: usize = 64;
const COUNTER_START: [u8; 4] = 1_u32.to_be_bytes();

fn channel(key: &[u8; 64], nonce: Nonce) -> Channel {
    let mut half = Zeroizing::new([0; 32]);
    half.copy_from_slice(&key[..32]);
    Channel::Sealed(Sealed::new(&half, nonce))
}

/// A session's first nonce, by the device.
fn first_nonce<R: CryptoRng + ?Sized>(iv_mode: IvMode, rng: &mut R) -> Nonce {
    match iv_mode {
        IvMode::Counter => {
            let mut nonce = [0; 12];
            rng.fill_bytes(&mut nonce[..8]);
            nonce[8..].copy_from_slice(&COUNTER_START);
            Nonce::Counting(nonce)
        }
        IvMode::Fixed => {
            let mut nonce = [0; 16];
            rng.fill_bytes(&mut nonce);
            Nonce::Fixed16(nonce)
        }
    }
}

/// The device between response 0 and command 1.
pub(crate) struct DeviceHandshake(srp::Device);

impl DeviceHandshake {
    /// Takes command 0, and writes B, for response 0, to `device_key`. The username is not compared
    /// with anything: it is part of the proof.
    pub(crate) fn new<R: CryptoRng + ?Sized>(
        verifier: &SrpVerifier,
        ahead: &mut Ahead,
        username: &[u8],
        client_key: &[u8],
        device_key: &mut [u8; VERIFIER_LEN],
        rng: &mut R,
    ) -> Result<Self, Rejected> {
        if username.is_empty() {
            return Err(Rejected::Invalid);
        }
        srp::Device::new(verifier, ahead, username, client_key, device_key, rng).map(Self)
    }

    /// Takes command 1; gives the proof and the nonce for response 1, and the session.
    pub(crate) fn finish<R: CryptoRng + ?Sized>(
        self,
        client_proof: &[u8],
        iv_mode: IvMode,
        rng: &mut R,
    ) -> Result<([u8; PROOF_LEN], Nonce, Channel), Rejected> {
        let (device_proof, key) = self.0.finish(client_proof)?;
        let nonce = first_nonce(iv_mode, rng);
        Ok((device_proof, nonce, channel(&key, nonce)))
    }
}

/// The longest username that the client takes, in bytes.
pub(crate) const MAX_USERNAME_LEN: usize = 64;

/// What a client says to be: the username, and the hash of it and the proof of possession.
#[derive(Clone, ZeroizeOnDrop)]
pub(crate) struct Identity {
    #[zeroize(skip)]
    username: Vec<u8, MAX_USERNAME_LEN>,
    hash: [u8; 64],
}

impl Identity {
    /// `None` if the username is empty or longer than 64 bytes.
    pub(crate) fn new(username: &[u8], proof_of_possession: &[u8]) -> Option<Self> {
        if username.is_empty() {
            return None;
        }
        Some(Self {
            username: Vec::from_slice(username).ok()?,
            hash: *srp::identity(username, proof_of_possession),
        })
    }

    pub(crate) fn username(&self) -> &[u8] {
        &self.username
    }
}

/// The client between command 0 and response 0.
pub(crate) struct ClientStart {
    identity: Identity,
    iv_mode: IvMode,
    srp: srp::Client,
}

/// The client between command 1 and response 1.
pub(crate) struct ClientProof {
    proof: srp::ClientProof,
    iv_mode: IvMode,
}

impl ClientStart {
    pub(crate) fn new<R: CryptoRng + ?Sized>(
        identity: Identity,
        iv_mode: IvMode,
        rng: &mut R,
    ) -> Result<Self, Rejected> {
        Ok(Self {
            identity,
            iv_mode,
            srp: srp::Client::new(rng)?,
        })
    }

    pub(crate) fn username(&self) -> &[u8] {
        self.identity.username()
    }

    /// For command 0: A.
    pub(crate) fn client_key(&self) -> &[u8; VERIFIER_LEN] {
        self.srp.public()
    }

    /// Takes response 0.
    pub(crate) fn answer(&self, device_key: &[u8], salt: &[u8]) -> Result<ClientProof, Rejected> {
        let proof = self.srp.answer(
            self.identity.username(),
            &self.identity.hash,
            salt,
            device_key,
        )?;
        Ok(ClientProof {
            proof,
            iv_mode: self.iv_mode,
        })
    }
}

impl ClientProof {
    /// For command 1: M1.
    pub(crate) fn client_proof(&self) -> &[u8; PROOF_LEN] {
        &self.proof.client_proof
    }

    /// Takes response 1; gives the session.
    pub(crate) fn finish(self, device_proof: &[u8], nonce: &[u8]) -> Result<Channel, Rejected> {
        let nonce = Nonce::new(nonce, self.iv_mode).ok_or(Rejected::Invalid)?;
        if bool::from(device_proof.ct_eq(&self.proof.device_proof)) {
            Ok(channel(&self.proof.key, nonce))
        } else {
            Err(Rejected::Mismatch)
        }
    }
}
