//! Public keys of makers, and who checks a signature with one.
//!
//! A device knows up to a handful of keys and a package names the one that it was signed with, so a
//! maker who loses a key signs with the next one. Where keys come from is the caller's affair.

use core::fmt;

use sha2::{Digest, Sha256};

/// What comes before the point in the DER of a P-256 key (RFC 5480: `id-ecPublicKey`,
/// `secp256r1`, an uncompressed point).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
    0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const UNCOMPRESSED: u8 = 4;

/// Which key: the first bytes of the SHA-256 of its point.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key on P-256. That it is on the curve is for the [`Verifier`] to see.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    /// x, then y, most significant byte first.
    point: [u8; 64],
}

impl PublicKey {
    /// The key with these coordinates: x, then y.
    pub const fn new(point: [u8; 64]) -> Self {
        Self { point }
    }

    /// Reads what a `PUBLIC KEY` block of PEM holds. None if it is not a key on P-256 in the
    /// uncompressed form, which OpenSSL and `esptb` write.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let point = der.strip_prefix(&SPKI)?.strip_prefix(&[UNCOMPRESSED])?;
        point.try_into().ok().map(Self::new)
    }

    /// Writes what a `PUBLIC KEY` block of PEM holds.
    pub fn to_der(&self) -> [u8; 91] {
        let mut der = [UNCOMPRESSED; 91];
        der[..26].copy_from_slice(&SPKI);
        der[27..].copy_from_slice(&self.point);
        der
    }

    /// x, then y.
    pub fn point(&self) -> &[u8; 64] {
        &self.point
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.point);
        let mut id = KeyId([0; 8]);
        id.0.iter_mut()
            .zip(digest)
            .for_each(|(id, byte)| *id = byte);
        id
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

/// Checks signatures: the device's MbedTLS, a computer's library.
pub trait Verifier {
    /// Whether `signature` (r, then s) is this key's of a message with this SHA-256. A key that is
    /// not on the curve has signed nothing.
    fn is_signed(&self, key: &PublicKey, digest: &[u8; 32], signature: &[u8; 64]) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = PublicKey::new(core::array::from_fn(|at| at as u8));
        let der = key.to_der();
        assert_eq!(PublicKey::from_der(&der), Some(key));
        assert_eq!(PublicKey::from_der(&der[..90]), None);
        for at in 0..27 {
            let mut other = der;
            other[at] ^= 1;
            assert_eq!(PublicKey::from_der(&other), None, "{at}");
        }
        // sha256sum of the bytes 00 to 3f.
        assert_eq!(std::format!("{}", key.id()), "fdeab9acf3710362");
    }
}
