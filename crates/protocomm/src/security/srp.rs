//! SRP-6a as ESP-IDF speaks it.
//!
//! ```text
//! N, g   the 3072-bit group of RFC 5054, g = 5        H  SHA-512
//! I, P   username, proof of possession                s  salt
//!
//! x  = H(s | H(I ":" P))              v = g^x         what the device stores: s, v
//! k  = H(N | PAD(g))                  u = H(PAD(A) | PAD(B))
//! A  = g^a          from the client
//! B  = k v + g^b    from the device
//! S  = (A v^u)^b  =  (B - k g^x)^(a + u x)
//! K  = H(S)                           S without leading zero bytes
//! M1 = H(H(N) ^ H(PAD(g)) | H(I) | s | A | B | K)     the client's proof
//! M2 = H(A | M1 | K)                                  the device's proof
//! ```
//!
//! PAD fills up to 384 bytes with leading zeros; elsewhere A and B are hashed as they were sent.
//! ESP-IDF's device refuses an A shorter than 384 bytes and its clients drop leading zeros, so an A
//! or B with a leading zero byte, one in 256, is read differently by different peers. Both ends
//! here draw again in that case. The device takes a shorter A all the same.
//!
//! Espressif's Android app (library 6ced55a, `srp6a/BigIntegerUtils.java`) drops the leading zeros of
//! K and M1, too, which one handshake in 128 has. So the device computes both before it sends B, and
//! draws again if there are any. A client cannot choose its A so that there always are: what comes of
//! it depends on B, which it does not know yet.
//!
//! ESP-IDF's device does not refuse an A that is a multiple of N, which would make S zero for
//! everybody; this one does, as RFC 5054 demands.
//!
//! The device computes S as `A^b (v^b)^u`, with the squares of both powers in common; v^b, powers of it and B are worked
//! out before a client comes ([`Ahead`]).
//!
//! In constant time, and without a heap. The crate `srp` (0.6) has neither
//! this M1 nor constant time; its 0.7 release candidates agree with ESP-IDF, but keep secrets in
//! heap memory that they do not wipe.
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `components/protocomm/src/crypto/srp6a/esp_srp.c`,
//! `tools/esp_prov/security/srp6a.py`.

mod ahead;
mod group;
mod words;

use core::fmt;

use heapless::Vec;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Rejected;
pub(crate) use ahead::Ahead;
pub use group::VERIFIER_LEN;
use group::{Element, Number, modulus, multiply_add, padded_generator};

/// The length of the exponents a and b, in bytes: ESP-IDF's.
const SECRET_LEN: usize = 32;
const HASH_LEN: usize = 64;
const MAX_SALT_LEN: usize = 32;
/// At most one draw in 85 has to be repeated; a generator that fails this often is broken.
const MAX_DRAWS: usize = 16;

type Hash = [u8; HASH_LEN];
type Secret = [u8; SECRET_LEN];

fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// k
fn multiplier() -> Element {
    let mut padded = [0; VERIFIER_LEN];
    padded[VERIFIER_LEN - HASH_LEN..].copy_from_slice(&hash(&[&modulus(), &padded_generator()]));
    Element::new(&padded)
}

/// A public value of the other end, padded: 1 to 384 bytes, not zero, and smaller than N.
fn public_value(bytes: &[u8]) -> Result<Number, Rejected> {
    let mut padded = [0; VERIFIER_LEN];
    let start = VERIFIER_LEN
        .checked_sub(bytes.len())
        .ok_or(Rejected::Invalid)?;
    padded[start..].copy_from_slice(bytes);
    // Both are public, so comparing may take its time from them.
    if padded == [0; VERIFIER_LEN] || padded >= modulus() {
        return Err(Rejected::Invalid);
    }
    Ok(padded)
}

/// Draws exponents at random until `accept` makes something of one.
fn draw<R: CryptoRng + ?Sized, T>(
    rng: &mut R,
    mut accept: impl FnMut(&Secret) -> Option<T>,
) -> Result<T, Rejected> {
    for _ in 0..MAX_DRAWS {
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        rng.fill_bytes(&mut *secret);
        if let Some(accepted) = accept(&secret) {
            return Ok(accepted);
        }
    }
    Err(Rejected::NoRandomness)
}

/// B = k v + g^b. Not inlined: its numbers of 384 bytes are not on the stack beside those of what
/// follows.
#[inline(never)]
fn public_of_device(power_of_g: &Element, v: &Element) -> Number {
    power_of_g.add(&multiplier().mul(v)).number()
}

/// u, which must not be zero.
fn scrambler(a: &Number, b: &Number) -> Result<Hash, Rejected> {
    let u = hash(&[a, b]);
    if u == [0; HASH_LEN] {
        return Err(Rejected::Invalid);
    }
    Ok(u)
}

/// K
fn session_key(secret: &mut Element) -> Zeroizing<Hash> {
    let bytes = Zeroizing::new(secret.number());
    secret.zeroize();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
    Zeroizing::new(hash(&[&bytes[start..]]))
}

/// H(I ":" P)
pub(super) fn identity(username: &[u8], proof_of_possession: &[u8]) -> Zeroizing<Hash> {
    Zeroizing::new(hash(&[username, b":", proof_of_possession]))
}

/// x
fn private_key(salt: &[u8], identity: &Hash) -> Zeroizing<Hash> {
    Zeroizing::new(hash(&[salt, identity]))
}

/// What both ends hash into their proofs. `a` and `b` are as they were sent.
struct Transcript<'a> {
    username_hash: &'a Hash,
    salt: &'a [u8],
    a: &'a [u8],
    b: &'a [u8],
}

impl Transcript<'_> {
    /// M1 and M2
    #[inline(never)]
    fn proofs(&self, key: &[u8]) -> (Hash, Hash) {
        let mut group = hash(&[&modulus()]);
        for (byte, mask) in group.iter_mut().zip(hash(&[&padded_generator()])) {
            *byte ^= mask;
        }
        let client = hash(&[&group, self.username_hash, self.salt, self.a, self.b, key]);
        let device = hash(&[self.a, &client, key]);
        (client, device)
    }
}

/// The salt is empty, too long, or begins with a zero byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSalt;

impl fmt::Display for InvalidSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the salt has to have 1 to 32 bytes, and the first must not be zero")
    }
}

impl core::error::Error for InvalidSalt {}

/// The bytes are no verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidVerifier;

impl fmt::Display for InvalidVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the verifier has to be a number of 1 to 384 bytes within the SRP-6a group")
    }
}

impl core::error::Error for InvalidVerifier {}

/// The salt of a verifier: 1 to 32 bytes, 16 by ESP-IDF's custom. It is no secret.
///
/// Its first byte is not zero: Espressif's tool takes the salt for a number and drops leading
/// zeros, so its proof would not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salt(Vec<u8, MAX_SALT_LEN>);

impl Salt {
    /// A salt of one's own choice.
    ///
    /// # Errors
    ///
    /// [`InvalidSalt`] if it is empty, longer than 32 bytes, or begins with a zero.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidSalt> {
        match bytes {
            [] | [0, ..] => Err(InvalidSalt),
            _ => Vec::from_slice(bytes).map(Self).map_err(|_| InvalidSalt),
        }
    }

    /// 16 random bytes.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        // Costs less than a bit of 128, and never fails.
        if salt[0] == 0 {
            salt[0] = 1;
        }
        Self(salt.iter().copied().collect())
    }

    /// The salt as it is sent and stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a device stores instead of its username and proof of possession: enough to check a client's
/// proof, not enough to make one.
///
/// Whoever reads it can test guesses of the proof at leisure, so keep it as a secret, and the proof
/// long. It is wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SrpVerifier {
    #[zeroize(skip)]
    salt: Salt,
    verifier: Number,
}

impl SrpVerifier {
    /// Computes the verifier: 88 million instructions on an ESP32-C3. Do it when the image is built
    /// and store the result where start-up time matters.
    pub fn generate(username: &[u8], proof_of_possession: &[u8], salt: Salt) -> Self {
        let x = private_key(salt.as_bytes(), &identity(username, proof_of_possession));
        let verifier = Element::power_of_g(&*x).number();
        Self { salt, verifier }
    }

    /// A verifier that was stored.
    ///
    /// # Errors
    ///
    /// [`InvalidVerifier`] if it is empty, zero, longer than 384 bytes, or not below the group's
    /// modulus.
    pub fn from_parts(salt: Salt, verifier: &[u8]) -> Result<Self, InvalidVerifier> {
        let verifier = public_value(verifier).map_err(|_| InvalidVerifier)?;
        Ok(Self { salt, verifier })
    }

    /// The salt.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The verifier itself, 384 bytes, most significant first. ESP-IDF's
    /// `protocomm_security2_params_t` takes it as it is.
    pub fn verifier(&self) -> &[u8; VERIFIER_LEN] {
        &self.verifier
    }
}

/// The device, once it has B. What the client has to prove is known by then.
#[derive(ZeroizeOnDrop)]
pub(super) struct Device {
    client_proof: Hash,
    device_proof: Hash,
    key: Hash,
}

impl Device {
    /// Writes B, which the client gets, to `b`.
    pub(super) fn new<R: CryptoRng + ?Sized>(
        verifier: &SrpVerifier,
        ahead: &mut Ahead,
        username: &[u8],
        a: &[u8],
        b: &mut Number,
        rng: &mut R,
    ) -> Result<Self, Rejected> {
        let padded = public_value(a)?;
        let username_hash = hash(&[username]);
        for _ in 0..MAX_DRAWS {
            let device = ahead.spend(verifier, rng, |once| {
                *b = *once.public;
                let u = scrambler(&padded, b).ok()?;
                let a_element = Element::new(&padded);
                let key = session_key(&mut a_element.power_and(once.secret, once.comb, &u));
                let (client_proof, device_proof) = Transcript {
                    username_hash: &username_hash,
                    salt: verifier.salt.as_bytes(),
                    a,
                    b,
                }
                .proofs(&*key);
                let device = Self {
                    client_proof,
                    device_proof,
                    key: *key,
                };
                (key[0] != 0 && client_proof[0] != 0).then_some(device)
            })?;
            if let Some(device) = device {
                return Ok(device);
            }
        }
        Err(Rejected::NoRandomness)
    }

    /// Checks the client's proof; gives the device's, and the session key.
    pub(super) fn finish(&self, client_proof: &[u8]) -> Result<(Hash, Zeroizing<Hash>), Rejected> {
        let client_proof: &Hash = client_proof.try_into().map_err(|_| Rejected::Invalid)?;
        if bool::from(client_proof.ct_eq(&self.client_proof)) {
            Ok((self.device_proof, Zeroizing::new(self.key)))
        } else {
            Err(Rejected::Mismatch)
        }
    }
}

/// The client, once it has A.
#[derive(ZeroizeOnDrop)]
pub(super) struct Client {
    secret: Secret,
    #[zeroize(skip)]
    a: Number,
}

/// What the client knows after the device's answer.
pub(super) struct ClientProof {
    pub(super) client_proof: Hash,
    pub(super) device_proof: Hash,
    pub(super) key: Zeroizing<Hash>,
}

impl Client {
    pub(super) fn new<R: CryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Rejected> {
        draw(rng, |secret| {
            let a = Element::power_of_g(secret).number();
            (a[0] != 0).then(|| Self { secret: *secret, a })
        })
    }

    /// A
    pub(super) fn public(&self) -> &[u8; VERIFIER_LEN] {
        &self.a
    }

    /// Takes the device's salt and B. `identity` is H(I ":" P).
    pub(super) fn answer(
        &self,
        username: &[u8],
        identity: &Hash,
        salt: &[u8],
        b: &[u8],
    ) -> Result<ClientProof, Rejected> {
        let padded = public_value(b)?;
        let u = scrambler(&self.a, &padded)?;
        let x = private_key(salt, identity);
        let gx = Element::power_of_g(&*x);
        let base = Element::new(&padded).sub(&multiplier().mul(&gx));
        let mut exponent = Zeroizing::new([0; 2 * HASH_LEN]);
        multiply_add(&u, &*x, &self.secret, &mut *exponent);
        let key = session_key(&mut base.power(&*exponent));
        let (client_proof, device_proof) = Transcript {
            username_hash: &hash(&[username]),
            salt,
            a: &self.a,
            b,
        }
        .proofs(&*key);
        Ok(ClientProof {
            client_proof,
            device_proof,
            key,
        })
    }
}

#[cfg(test)]
mod tests;
