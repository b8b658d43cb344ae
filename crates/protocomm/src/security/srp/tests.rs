use super::*;
use crate::testing::{hex, noise};
use rand_core::Rng;

fn verifier() -> SrpVerifier {
    SrpVerifier::generate(b"wifiprov", b"abcd1234", Salt::new(&[9; 16]).unwrap())
}

fn client(seed: u64) -> Client {
    Client::new(&mut noise(seed)).unwrap()
}

/// A device that takes A, and B.
fn answering<R: CryptoRng>(
    verifier: &SrpVerifier,
    username: &[u8],
    a: &[u8],
    rng: &mut R,
) -> Result<(Device, Number), Rejected> {
    let mut b = [0; VERIFIER_LEN];
    Device::new(verifier, &mut Ahead::new(), username, a, &mut b, rng).map(|device| (device, b))
}

fn identity_of(proof_of_possession: &[u8]) -> Zeroizing<Hash> {
    identity(b"wifiprov", proof_of_possession)
}

#[test]
fn both_ends_agree() {
    let verifier = verifier();
    let client = client(1);
    let (device, b) = answering(&verifier, b"wifiprov", client.public(), &mut noise(2)).unwrap();
    let answer = client
        .answer(
            b"wifiprov",
            &identity_of(b"abcd1234"),
            verifier.salt().as_bytes(),
            &b,
        )
        .unwrap();
    let (device_proof, key) = device.finish(&answer.client_proof).unwrap();
    assert_eq!(device_proof, answer.device_proof);
    assert_eq!(*key, *answer.key);
}

#[test]
fn a_wrong_name_or_proof_is_a_mismatch() {
    let verifier = verifier();
    let client = client(1);
    for (username, pop) in [(&b"wifiprov"[..], b"abcd1235"), (b"wifiproV", b"abcd1234")] {
        let (device, b) = answering(&verifier, username, client.public(), &mut noise(2)).unwrap();
        let answer = client
            .answer(
                username,
                &identity(username, pop),
                verifier.salt().as_bytes(),
                &b,
            )
            .unwrap();
        assert_eq!(
            device.finish(&answer.client_proof).err(),
            Some(Rejected::Mismatch)
        );
    }
}

/// Espressif's Android app (library 6ced55a, `srp6a/BigIntegerUtils.java`, `bigIntegerToBytes`)
/// takes K and M1 for numbers: it hashes, sends and encrypts with them without leading zero bytes.
#[test]
fn a_client_that_drops_leading_zeros_gets_in() {
    fn number(bytes: &[u8]) -> &[u8] {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap();
        &bytes[start..]
    }
    let verifier = verifier();
    let client = client(1);
    // With the first b of these seeds, M1 or K would begin with a zero byte; with that of the last,
    // neither.
    for (seed, redrawn) in [(339, true), (854, true), (1, false)] {
        let mut rng = noise(seed);
        let (device, b) = answering(&verifier, b"wifiprov", client.public(), &mut rng).unwrap();
        let mut rest = noise(seed);
        rest.fill_bytes(&mut [0; SECRET_LEN]);
        assert_eq!(rng.next_u64() != rest.next_u64(), redrawn, "seed {seed}");
        let answer = client
            .answer(
                b"wifiprov",
                &identity_of(b"abcd1234"),
                verifier.salt().as_bytes(),
                &b,
            )
            .unwrap();
        let key = number(&*answer.key);
        let (client_proof, _) = Transcript {
            username_hash: &hash(&[b"wifiprov"]),
            salt: verifier.salt().as_bytes(),
            a: client.public(),
            b: &b,
        }
        .proofs(key);
        let client_proof = number(&client_proof);
        let (device_proof, device_key) = device.finish(client_proof).unwrap();
        assert_eq!(device_proof, hash(&[client.public(), client_proof, key]));
        assert_eq!(device_key[..32], key[..32]);
    }
}

#[test]
fn public_values_that_betray_the_secret_are_refused() {
    let verifier = verifier();
    let n = modulus();
    for a in [&[][..], &[0], &[0; 384], &n, &[0xFF; 384], &[1; 385]] {
        assert_eq!(
            answering(&verifier, b"x", a, &mut noise(1)).err(),
            Some(Rejected::Invalid),
            "{a:?}"
        );
        assert_eq!(
            client(1).answer(b"x", &[0; 64], &[1], a).err(),
            Some(Rejected::Invalid)
        );
    }
    assert!(public_value(&[1]).is_ok());
}

#[test]
fn a_short_public_value_is_hashed_as_it_was_sent() {
    // A = g = 5, a = 1: the client's computation is done by hand here.
    let verifier = verifier();
    let (device, b) = answering(&verifier, b"wifiprov", &[5], &mut noise(2)).unwrap();
    let mut a = [0; 384];
    a[383] = 5;
    let u = scrambler(&a, &b).unwrap();
    let x = private_key(verifier.salt().as_bytes(), &identity_of(b"abcd1234"));
    let gx = Element::power_of_g(&*x);
    let base = Element::new(&b).sub(&multiplier().mul(&gx));
    let mut secret = base.mul(&base.power(&u).power(&*x));
    let key = session_key(&mut secret);
    let (proof, _) = Transcript {
        username_hash: &hash(&[b"wifiprov"]),
        salt: verifier.salt().as_bytes(),
        a: &[5],
        b: &b,
    }
    .proofs(&*key);
    assert!(device.finish(&proof).is_ok());
}

#[test]
fn proofs_of_odd_lengths_are_refused() {
    let verifier = verifier();
    let (device, _) = answering(&verifier, b"x", client(1).public(), &mut noise(2)).unwrap();
    for proof in [&[][..], &[0; 63], &[0; 65]] {
        assert_eq!(device.finish(proof).err(), Some(Rejected::Invalid));
    }
}

#[test]
fn public_values_are_full_length() {
    for seed in 0..16 {
        assert_ne!(client(seed).public()[0], 0);
    }
}

#[test]
fn a_generator_that_is_stuck_is_an_error() {
    // Exponent 0 gives A = 1, whose first byte is zero, for ever.
    struct Stuck;
    impl rand_core::TryRng for Stuck {
        type Error = core::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.fill(0);
            Ok(())
        }
    }
    impl rand_core::TryCryptoRng for Stuck {}
    assert_eq!(Client::new(&mut Stuck).err(), Some(Rejected::NoRandomness));
}

#[test]
fn salts() {
    assert_eq!(Salt::new(&[]), Err(InvalidSalt));
    assert_eq!(Salt::new(&[0, 1]), Err(InvalidSalt));
    assert_eq!(Salt::new(&[1; 33]), Err(InvalidSalt));
    assert_eq!(Salt::new(&[1; 32]).unwrap().as_bytes(), [1; 32]);
    assert_eq!(Salt::random(&mut noise(1)).as_bytes().len(), 16);
}

/// The salt and the verifier of Espressif's example, for `wifiprov` and `abcd1234`.
///
/// ESP-IDF v5.4.1 (4c2820d), `examples/provisioning/wifi_prov_mgr/main/app_main.c`.
#[test]
fn the_verifier_of_espressifs_example() {
    let salt = Salt::new(&hex::<16>("036ee0c7bcb9eda84c9eac97d93decf4")).unwrap();
    let verifier = SrpVerifier::generate(b"wifiprov", b"abcd1234", salt.clone());
    assert_eq!(
        verifier.verifier()[..16],
        hex::<16>("7c7c85476508946dd636af37d7e89143")
    );
    assert_eq!(
        verifier.verifier()[368..],
        hex::<16>("e6f653c831a878de5040f762de36b2ba")
    );
    let again = SrpVerifier::from_parts(salt, verifier.verifier()).unwrap();
    assert_eq!(again.verifier(), verifier.verifier());
}

/// The shape of RFC 5054's appendix B, whose vectors are of the 1024-bit group and SHA-1 and do not
/// fit here: k is a fact of the group and the hash alone.
#[test]
fn the_multiplier_is_not_reduced() {
    let k = hash(&[&modulus(), &padded_generator()]);
    assert_eq!(&multiplier().number()[VERIFIER_LEN - HASH_LEN..], &k);
}
