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

    /// Takes a secret from a file of its own: text, in one line, which may end in a line feed, a
    /// carriage return before it, or a zero as C leaves it. None if it is empty or too long.
    #[must_use]
    pub fn from_file(file: &[u8]) -> Option<Self> {
        let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
        let end = file
            .iter()
            .rposition(|byte| !matches!(byte, b'\n' | b'\r' | 0));
        let secret = &file[..end.map_or(0, |last| last + 1)];
        let is_text =
            core::str::from_utf8(secret).is_ok_and(|text| !text.chars().any(char::is_control));
        is_text.then(|| Self::new(secret)).flatten()
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
    /// By the secret in `provisioning.pop`, if there is that file; or else by one that the device
    /// makes at random and keeps.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_the_proof_alone_is_taken_as_editors_and_c_write_it() {
        let proof = |file: &[u8]| ProofOfPossession::from_file(file).map(|p| p.expose().to_vec());
        for file in [
            &b"abcd1234"[..],
            b"abcd1234\n",
            b"abcd1234\r\n",
            b"abcd1234\0",
        ] {
            assert_eq!(proof(file).as_deref(), Some(&b"abcd1234"[..]));
        }
        assert_eq!(proof(b"\xEF\xBB\xBFa b\n").as_deref(), Some(&b"a b"[..]));
        assert_eq!(proof(&[b'x'; 64]).map(|proof| proof.len()), Some(64));
        for file in [&b""[..], b"\n", b"a\nb", b"\xff\xfe", &[b'x'; 65]] {
            assert_eq!(proof(file), None, "{file:?}");
        }
    }
}
