//! Security 1: X25519, a proof of possession, AES-256-CTR.
//!
//! ```text
//! client                                                     device
//!   command 0   client key                          ->
//!                                                   <-   response 0   device key, random
//!   key = X25519(own secret, other's key) ^ SHA-256(proof of possession)
//!   stream = AES-256-CTR(key, first counter block = random)
//!   command 1   device key ^ stream                 ->
//!                                                   <-   response 1   client key ^ stream
//!   all that follows, both ways, ^ stream
//! ```
//!
//! The stream never restarts: command 1 takes its first 32 bytes, response 1 the next 32.
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `components/protocomm/src/security/security1.c`,
//! `tools/esp_prov/security/security1.py`.

use ctr::cipher::{KeyIvInit, StreamCipher};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret, X25519_BASEPOINT_BYTES};
use zeroize::{Zeroize, Zeroizing};

use super::channel::KeyStream;
use super::{Channel, ProofDigest, Rejected};

pub(crate) const KEY_LEN: usize = 32;
pub(crate) const RANDOM_LEN: usize = 16;

fn secret<R: CryptoRng + ?Sized>(rng: &mut R) -> StaticSecret {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    rng.fill_bytes(&mut *bytes);
    StaticSecret::from(*bytes)
}

/// The public key. As an exchange with the base point it needs no code of its own, where
/// `PublicKey::from` takes a way through the Edwards curve, 7 KB of it.
fn public_key(secret: &StaticSecret) -> [u8; KEY_LEN] {
    secret
        .diffie_hellman(&PublicKey::from(X25519_BASEPOINT_BYTES))
        .to_bytes()
}

fn key_stream(
    own: &StaticSecret,
    other: &[u8; KEY_LEN],
    proof: Option<&ProofDigest>,
    random: &[u8; RANDOM_LEN],
) -> Result<KeyStream, Rejected> {
    let shared = own.diffie_hellman(&PublicKey::from(*other));
    // A key of small order would make the secret known to all; mbedtls refuses it as well.
    if !shared.was_contributory() {
        return Err(Rejected::Invalid);
    }
    let mut key = Zeroizing::new(shared.to_bytes());
    if let Some(proof) = proof {
        for (byte, mask) in key.iter_mut().zip(proof.as_bytes()) {
            *byte ^= mask;
        }
    }
    Ok(KeyStream::new((&*key).into(), random.into()))
}

/// Decrypts `verify` and compares it with the key that it has to hold.
fn check(stream: &mut KeyStream, verify: &[u8], expected: &[u8; KEY_LEN]) -> Result<(), Rejected> {
    let mut verify: [u8; KEY_LEN] = verify.try_into().map_err(|_| Rejected::Invalid)?;
    stream.apply_keystream(&mut verify);
    if bool::from(verify.ct_eq(expected)) {
        Ok(())
    } else {
        Err(Rejected::Mismatch)
    }
}

/// The device between response 0 and command 1.
pub(crate) struct DeviceHandshake {
    device_key: [u8; KEY_LEN],
    client_key: [u8; KEY_LEN],
    random: [u8; RANDOM_LEN],
    stream: KeyStream,
}

impl DeviceHandshake {
    /// Takes command 0.
    pub(crate) fn new<R: CryptoRng + ?Sized>(
        proof: Option<&ProofDigest>,
        client_key: &[u8],
        rng: &mut R,
    ) -> Result<Self, Rejected> {
        let client_key = client_key.try_into().map_err(|_| Rejected::Invalid)?;
        let secret = secret(rng);
        let mut random = [0; RANDOM_LEN];
        rng.fill_bytes(&mut random);
        Ok(Self {
            device_key: public_key(&secret),
            stream: key_stream(&secret, &client_key, proof, &random)?,
            client_key,
            random,
        })
    }

    /// For response 0: the device's key.
    pub(crate) fn device_key(&self) -> &[u8; KEY_LEN] {
        &self.device_key
    }

    /// For response 0: the first counter block.
    pub(crate) fn random(&self) -> &[u8; RANDOM_LEN] {
        &self.random
    }

    /// Takes command 1; gives what response 1 holds, and the session.
    pub(crate) fn finish(
        mut self,
        client_verify: &[u8],
    ) -> Result<([u8; KEY_LEN], Channel), Rejected> {
        check(&mut self.stream, client_verify, &self.device_key)?;
        let mut device_verify = self.client_key;
        self.stream.apply_keystream(&mut device_verify);
        Ok((device_verify, Channel::Stream(self.stream)))
    }
}

/// The client between command 0 and response 0.
pub(crate) struct ClientStart {
    secret: StaticSecret,
    proof: Option<ProofDigest>,
}

/// The client between command 1 and response 1.
pub(crate) struct ClientProof {
    client_key: [u8; KEY_LEN],
    client_verify: [u8; KEY_LEN],
    stream: KeyStream,
}

impl ClientStart {
    pub(crate) fn new<R: CryptoRng + ?Sized>(proof: Option<ProofDigest>, rng: &mut R) -> Self {
        Self {
            secret: secret(rng),
            proof,
        }
    }

    /// For command 0: the client's key.
    pub(crate) fn client_key(&self) -> [u8; KEY_LEN] {
        public_key(&self.secret)
    }

    /// Takes response 0.
    pub(crate) fn answer(&self, device_key: &[u8], random: &[u8]) -> Result<ClientProof, Rejected> {
        let device_key = device_key.try_into().map_err(|_| Rejected::Invalid)?;
        let random = random.try_into().map_err(|_| Rejected::Invalid)?;
        let mut stream = key_stream(&self.secret, &device_key, self.proof.as_ref(), &random)?;
        let mut client_verify = device_key;
        stream.apply_keystream(&mut client_verify);
        Ok(ClientProof {
            client_key: self.client_key(),
            client_verify,
            stream,
        })
    }
}

impl ClientProof {
    /// For command 1: the client's proof.
    pub(crate) fn client_verify(&self) -> &[u8; KEY_LEN] {
        &self.client_verify
    }

    /// Takes response 1; gives the session.
    pub(crate) fn finish(mut self, device_verify: &[u8]) -> Result<Channel, Rejected> {
        check(&mut self.stream, device_verify, &self.client_key)?;
        self.client_verify.zeroize();
        Ok(Channel::Stream(self.stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    fn both(device_proof: &[u8], client_proof: &[u8]) -> (DeviceHandshake, ClientProof) {
        let client = ClientStart::new(ProofDigest::new(client_proof), &mut noise(1));
        let device = DeviceHandshake::new(
            ProofDigest::new(device_proof).as_ref(),
            &client.client_key(),
            &mut noise(2),
        )
        .unwrap();
        let proof = client.answer(device.device_key(), device.random()).unwrap();
        (device, proof)
    }

    #[test]
    fn the_public_key_is_the_librarys() {
        let secret = secret(&mut noise(5));
        assert_eq!(public_key(&secret), PublicKey::from(&secret).to_bytes());
    }

    #[test]
    fn both_ends_agree_with_and_without_a_proof() {
        for proof in [&b""[..], b"abcd1234"] {
            let (device, client) = both(proof, proof);
            let (verify, mut device) = device.finish(client.client_verify()).unwrap();
            let mut client = client.finish(&verify).unwrap();
            let mut text = *b"a message longer than a block of AES, and not aligned";
            let len = text.len();
            client.encrypt(&mut text, len).unwrap();
            assert_eq!(
                device.decrypt(&mut text).unwrap(),
                b"a message longer than a block of AES, and not aligned"
            );
        }
    }

    #[test]
    fn a_wrong_proof_is_told_by_both_ends() {
        let (device, client) = both(b"right", b"wrong");
        assert_eq!(
            device.finish(client.client_verify()).err(),
            Some(Rejected::Mismatch)
        );
        assert_eq!(client.finish(&[0; 32]).err(), Some(Rejected::Mismatch));
    }

    #[test]
    fn keys_of_small_order_and_odd_lengths_are_refused() {
        for key in [&[0; 32][..], &[0; 31], &[0; 33], &[]] {
            let device = DeviceHandshake::new(None, key, &mut noise(3));
            assert_eq!(device.err(), Some(Rejected::Invalid));
        }
        let (device, _) = both(b"x", b"x");
        assert_eq!(device.finish(&[0; 31]).err(), Some(Rejected::Invalid));
    }
}
