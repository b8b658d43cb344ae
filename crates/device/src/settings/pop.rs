//! The proof of possession: never printed, and wiped when dropped.

use core::fmt;

use heapless::Vec;
use thingsboard::json::Text;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Fault;

/// What a provisioning client must know to be let in, 1 to 64 bytes: as a rule printed on the
/// device, or in its QR code.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ProofOfPossession(Vec<u8, 64>);

impl ProofOfPossession {
    /// Takes a secret; none if it is empty or longer than 64 bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        let secret = Vec::from_slice(secret).ok()?;
        (!secret.is_empty()).then_some(Self(secret))
    }

    /// The secret itself, for the session and for NVS.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a client has to prove that it possesses the device, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By a secret that the device makes at random and keeps.
    MadeByDevice,
    /// By this secret.
    Given(ProofOfPossession),
    /// It has not: whoever is near may provision the device. Securities 0 and 1 only.
    None,
}

impl Proof {
    pub(super) fn unescape(text: Text<'_>) -> Result<Self, Fault> {
        let mut buffer = [0; 64];
        let proof = match text.unescape(&mut buffer) {
            Ok("") => Ok(Self::None),
            Ok(secret) => ProofOfPossession::new(secret.as_bytes())
                .map(Self::Given)
                .ok_or(()),
            Err(_) => Err(()),
        };
        buffer.zeroize();
        proof.map_err(|()| Fault::Length { least: 0, most: 64 })
    }
}

impl fmt::Debug for ProofOfPossession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofOfPossession(..)")
    }
}
