//! The secret by which the owner of a device claims it at a server, derived from its proof of possession.
//!
//! Whoever has the label has the proof in its code, and from that this secret: one code lets a phone into
//! the device and its owner into the server. The server learns the secret and not the proof, which nobody
//! finds from it, if it is a random one.

use heapless::String;
use sha2::{Digest, Sha256};

/// Letters and digits that nobody mistakes for one another, 32 of them: five bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Keeps what is hashed here from what is hashed elsewhere.
const PURPOSE: &[u8] = b"claim secret 1\0";

/// How many letters a secret has: 100 bits.
pub const LETTERS: usize = 20;

/// The secret of a device with this proof of possession.
#[must_use]
pub fn secret(proof: &str) -> String<LETTERS> {
    let mut hash = Sha256::new();
    hash.update(PURPOSE);
    hash.update(proof);
    let digest = hash.finalize();
    let letters = digest.iter().take(LETTERS);
    letters
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_that_of_one_proof() {
        // By Python's hashlib.
        assert_eq!(secret("abcdefghijkm"), "tzrm4yvtgmdqibfq2ibd");
        assert_eq!(secret(""), "k6wix3wgt6dq443rm3gz");
        assert_ne!(secret("abcdefghijkm"), secret("abcdefghijkn"));
    }
}
