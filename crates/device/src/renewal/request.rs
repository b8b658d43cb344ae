//! A new key, and the request for its certificate.

use alloc::string::String;

use ::renewal::request::Unsigned;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::KEY_BYTES;
use crate::credentials::Key;

/// How often a number is drawn that is no key, which none in 2^32 is.
const MOST_DRAWS: usize = 8;

/// A new private key on P-256. None if that failed: for want of memory, or of randomness.
pub(super) fn new_key(random: &mut dyn CryptoRng) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut scalar = Zeroizing::new([0; KEY_BYTES]);
    (0..MOST_DRAWS).find_map(|_| {
        random.fill_bytes(&mut *scalar);
        let is_key = Key::of_scalar(&*scalar, random).is_ok();
        is_key.then(|| scalar.clone())
    })
}

/// The request of this key for the name, as Base64. None if it cannot be made.
pub(super) fn request(name: &str, key: &[u8], random: &mut dyn CryptoRng) -> Option<String> {
    let key = Key::of_scalar(key, random).ok()?;
    let unsigned = Unsigned::new(name, &key.point()?)?;
    let signature = key.sign(&unsigned.digest(), random)?;
    Some(unsigned.signed(&signature))
}
