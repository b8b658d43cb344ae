//! The verifier of security 2: worked out once for a proof of possession and a username, which takes a chip half a
//! second, and kept with both, so that other ones have another.
//!
//! Kept in NVS as one byte of length and the username, one byte of length and the proof, 16 bytes of salt, then 384 of
//! verifier. The proof is in flash in any case, and whoever reads either gets in.

use alloc::vec::Vec;

use protocomm::security::{Salt, SrpVerifier, VERIFIER_LEN};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::platform::Platform;

/// The length of a salt that this device makes, in bytes.
const SALT_LEN: usize = 16;

/// The verifier of this proof.
pub(crate) fn verifier<P: Platform>(context: &Context<'_, P>, proof: &str) -> SrpVerifier {
    let username = context.settings.provisioning.username.as_bytes();
    let bound = bound_to(username, proof.as_bytes());
    let kept = context.storage.verifier();
    if let Some(verifier) = kept.and_then(|kept| read(&kept, &bound)) {
        return verifier;
    }
    let salt = Salt::random(&mut context.entropy());
    let verifier = SrpVerifier::generate(username, proof.as_bytes(), salt);
    context.storage.keep_verifier(&write(&bound, &verifier));
    verifier
}

/// What a verifier is worked out from, as it is kept. Neither has more than 64 bytes.
fn bound_to(username: &[u8], proof: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = 2 + username.len() + proof.len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    for part in [username, proof] {
        bytes.push(part.len() as u8);
        bytes.extend_from_slice(part);
    }
    bytes
}

fn write(bound: &[u8], verifier: &SrpVerifier) -> Zeroizing<Vec<u8>> {
    let salt = verifier.salt().as_bytes();
    let length = bound.len() + salt.len() + VERIFIER_LEN;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    for part in [bound, salt, verifier.verifier()] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A kept verifier, if it is of this username and proof.
fn read(kept: &[u8], bound: &[u8]) -> Option<SrpVerifier> {
    let rest = kept.strip_prefix(bound)?;
    let (salt, verifier) = rest.split_first_chunk::<SALT_LEN>()?;
    let verifier: &[u8; VERIFIER_LEN] = verifier.try_into().ok()?;
    SrpVerifier::from_parts(Salt::new(salt).ok()?, verifier).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_of_its_name_and_its_proof_alone() {
        let salt = Salt::new(&[7; SALT_LEN]).unwrap();
        let verifier = SrpVerifier::generate(b"wifiprov", b"abcd1234", salt);
        let bound = bound_to(b"wifiprov", b"abcd1234");
        let kept = write(&bound, &verifier);
        let again = read(&kept, &bound).expect("the same");
        assert_eq!(again.verifier(), verifier.verifier());
        assert_eq!(again.salt(), verifier.salt());
        for (username, proof) in [
            (&b"wifiprov"[..], &b"abcd1235"[..]),
            (b"wifiprov", b"abcd123"),
            (b"wifipro", b"abcd1234"),
            (b"wifiprova", b"bcd1234"),
        ] {
            assert!(read(&kept, &bound_to(username, proof)).is_none());
        }
        // Cut off, too long, or no verifier.
        assert!(read(&kept[..kept.len() - 1], &bound).is_none());
        assert!(read(&[&kept[..], &[0]].concat(), &bound).is_none());
        let nothing = [&bound[..], &[7; SALT_LEN], &[0; VERIFIER_LEN]].concat();
        assert!(read(&nothing, &bound).is_none());
    }
}
