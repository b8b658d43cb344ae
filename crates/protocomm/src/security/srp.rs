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
//! ESP-IDF's device does not refuse an A that is a multiple of N, which would make S zero for
//! everybody; this one does, as RFC 5054 demands.
//!
//! On `crypto-bigint`, in constant time, and without a heap. The crate `srp` (0.6) has neither
//! this M1 nor constant time; its 0.7 release candidates agree with ESP-IDF, but keep secrets in
//! heap memory that they do not wipe.
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `components/protocomm/src/crypto/srp6a/esp_srp.c`,
//! `tools/esp_prov/security/srp6a.py`.

use core::fmt;

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{U512, U3072, const_monty_params};
use heapless::Vec;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Rejected;

const_monty_params!(
    N3072,
    U3072,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
     98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
     9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
     E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
     3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33\
     A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
     ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864\
     D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2\
     08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    "The modulus of RFC 5054's 3072-bit group."
);

const GENERATOR: u8 = 5;
/// The length of N, and so of A, B and v, in bytes.
pub const VERIFIER_LEN: usize = 384;
/// The length of the exponents a and b, in bits: ESP-IDF's.
const SECRET_BITS: u32 = 256;
const HASH_LEN: usize = 64;
const MAX_SALT_LEN: usize = 32;
/// One draw in 256 has to be repeated; a generator that fails this often is broken.
const MAX_DRAWS: usize = 16;

type Element = ConstMontyForm<N3072, { U3072::LIMBS }>;
type Hash = [u8; HASH_LEN];
type Number = [u8; VERIFIER_LEN];

fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// `base ^ exponent`, where the exponent has at most `bits` bits. One width of exponents for all
/// uses, so that there is one copy of the code.
fn power(base: &Element, exponent: &U512, bits: u32) -> Element {
    base.pow_bounded_exp(exponent, bits)
}

fn exponent(hash: &Hash) -> U512 {
    U512::from_be_slice(hash)
}

fn element(number: &Number) -> Element {
    Element::new(&U3072::from_be_slice(number))
}

fn number(element: &Element) -> Number {
    let mut number = [0; VERIFIER_LEN];
    number.copy_from_slice(element.retrieve().to_be_bytes().as_ref());
    number
}

fn generator() -> Element {
    Element::new(&U3072::from_u8(GENERATOR))
}

/// PAD(g)
fn padded_generator() -> Number {
    let mut padded = [0; VERIFIER_LEN];
    padded[VERIFIER_LEN - 1] = GENERATOR;
    padded
}

fn modulus() -> Number {
    let mut number = [0; VERIFIER_LEN];
    let modulus = <N3072 as ConstMontyParams<{ U3072::LIMBS }>>::PARAMS.modulus();
    number.copy_from_slice(modulus.as_ref().to_be_bytes().as_ref());
    number
}

/// k
fn multiplier() -> Element {
    let mut padded = [0; VERIFIER_LEN];
    padded[VERIFIER_LEN - HASH_LEN..].copy_from_slice(&hash(&[&modulus(), &padded_generator()]));
    element(&padded)
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

/// An exponent drawn at random, and the public value that `public` makes of it. The value's first
/// byte is not zero.
fn draw<R: CryptoRng + ?Sized>(
    rng: &mut R,
    public: impl Fn(Element) -> Element,
) -> Result<(Zeroizing<U512>, Number), Rejected> {
    for _ in 0..MAX_DRAWS {
        let mut bytes = Zeroizing::new([0; HASH_LEN]);
        rng.fill_bytes(&mut bytes[HASH_LEN - SECRET_BITS as usize / 8..]);
        let secret = Zeroizing::new(exponent(&bytes));
        let value = number(&public(power(&generator(), &secret, SECRET_BITS)));
        if value[0] != 0 {
            return Ok((secret, value));
        }
    }
    Err(Rejected::NoRandomness)
}

/// u, which must not be zero.
fn scrambler(a: &Number, b: &Number) -> Result<U512, Rejected> {
    let hash = hash(&[a, b]);
    if hash == [0; HASH_LEN] {
        return Err(Rejected::Invalid);
    }
    Ok(exponent(&hash))
}

/// K
fn session_key(secret: &mut Element) -> Zeroizing<Hash> {
    let bytes = Zeroizing::new(number(secret));
    secret.zeroize();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
    Zeroizing::new(hash(&[&bytes[start..]]))
}

/// H(I ":" P)
pub(super) fn identity(username: &[u8], proof_of_possession: &[u8]) -> Zeroizing<Hash> {
    Zeroizing::new(hash(&[username, b":", proof_of_possession]))
}

/// x
fn private_key(salt: &[u8], identity: &Hash) -> Zeroizing<U512> {
    let hash = Zeroizing::new(hash(&[salt, identity]));
    Zeroizing::new(exponent(&hash))
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
    fn proofs(&self, key: &Hash) -> (Hash, Hash) {
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
    /// Computes the verifier: one long exponentiation, half a second on an ESP32-C3. Do it when
    /// the image is built and store the result where start-up time matters.
    pub fn generate(username: &[u8], proof_of_possession: &[u8], salt: Salt) -> Self {
        let x = private_key(salt.as_bytes(), &identity(username, proof_of_possession));
        let verifier = number(&power(&generator(), &x, U512::BITS));
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

/// The device, after it sent B.
#[derive(ZeroizeOnDrop)]
pub(super) struct Device {
    secret: U512,
    b: Number,
    #[zeroize(skip)]
    a: Number,
    /// Leading zeros of `a` that the client did not send.
    #[zeroize(skip)]
    a_padding: usize,
    #[zeroize(skip)]
    username_hash: Hash,
}

impl Device {
    pub(super) fn new<R: CryptoRng + ?Sized>(
        verifier: &SrpVerifier,
        username: &[u8],
        a: &[u8],
        rng: &mut R,
    ) -> Result<Self, Rejected> {
        let padded = public_value(a)?;
        let kv = multiplier().mul(&element(&verifier.verifier));
        let (secret, b) = draw(rng, |gb| gb.add(&kv))?;
        Ok(Self {
            secret: *secret,
            b,
            a: padded,
            a_padding: VERIFIER_LEN - a.len(),
            username_hash: hash(&[username]),
        })
    }

    /// B
    pub(super) fn public(&self) -> &[u8; VERIFIER_LEN] {
        &self.b
    }

    /// Checks the client's proof; gives the device's, and the session key.
    pub(super) fn finish(
        &self,
        verifier: &SrpVerifier,
        client_proof: &[u8],
    ) -> Result<(Hash, Zeroizing<Hash>), Rejected> {
        let client_proof: &Hash = client_proof.try_into().map_err(|_| Rejected::Invalid)?;
        let u = scrambler(&self.a, &self.b)?;
        let vu = power(&element(&verifier.verifier), &u, U512::BITS);
        let base = element(&self.a).mul(&vu);
        let key = session_key(&mut power(&base, &self.secret, SECRET_BITS));
        let (expected, device_proof) = Transcript {
            username_hash: &self.username_hash,
            salt: verifier.salt.as_bytes(),
            a: &self.a[self.a_padding..],
            b: &self.b,
        }
        .proofs(&key);
        if bool::from(client_proof.ct_eq(&expected)) {
            Ok((device_proof, key))
        } else {
            Err(Rejected::Mismatch)
        }
    }
}

/// The client, once it has A.
#[derive(ZeroizeOnDrop)]
pub(super) struct Client {
    secret: U512,
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
        let (secret, a) = draw(rng, |ga| ga)?;
        Ok(Self { secret: *secret, a })
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
        let gx = power(&generator(), &x, U512::BITS);
        let base = element(&padded).sub(&multiplier().mul(&gx));
        // (B - k g^x)^(a + u x), with exponents no wider than 512 bits.
        let upper = power(&power(&base, &u, U512::BITS), &x, U512::BITS);
        let mut secret = upper.mul(&power(&base, &self.secret, SECRET_BITS));
        let key = session_key(&mut secret);
        let (client_proof, device_proof) = Transcript {
            username_hash: &hash(&[username]),
            salt,
            a: &self.a,
            b,
        }
        .proofs(&key);
        Ok(ClientProof {
            client_proof,
            device_proof,
            key,
        })
    }
}

#[cfg(test)]
mod tests;
