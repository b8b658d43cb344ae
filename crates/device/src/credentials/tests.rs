//! Every kind of key, and everything that can be wrong, on certificates that OpenSSL made.

mod field;

use super::*;
use alloc::format;
use alloc::string::ToString;
use certfile::Oid;

use crate::testing::Zeros;

macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!("../../tests/vectors/credentials/", $name))
    };
}

const ED25519: &[u8] = b"\x2b\x65\x70";
const NOW: u64 = 1_800_000_000;
const ROOT: &str = vector!("root.crt");
const INTERMEDIATE: &str = vector!("intermediate.crt");
const P256: &str = vector!("p256.crt");
const P256_CHAIN: &str = concat!(vector!("p256.crt"), vector!("intermediate.crt"));
const P256_KEY: &str = vector!("p256.key");

fn prove(certificate: &str, key: &str, server_chain: &str) -> Result<Bundle, CredentialsError> {
    let files = Files {
        certificate: certificate.as_bytes(),
        key: key.as_bytes(),
        server_chain: server_chain.as_bytes(),
    };
    Bundle::prove(files, &mut Zeros)
}

fn refused(certificate: &str, key: &str, server_chain: &str) -> (File, Fault) {
    match prove(certificate, key, server_chain) {
        Ok(_) => panic!("proven"),
        Err(CredentialsError { file, fault }) => (file, fault),
    }
}

fn dated(leaf: &str, server_chain: &str, now_unix_s: u64) -> Option<CredentialsError> {
    let chain = format!("{leaf}{INTERMEDIATE}");
    let bundle = prove(&chain, P256_KEY, server_chain).unwrap();
    bundle.at(now_unix_s).err()
}

#[test]
fn by_a_lower_bound_on_the_time_nothing_is_too_early_and_what_expired_did() {
    let chain = format!("{P256}{INTERMEDIATE}");
    let bundle = prove(&chain, P256_KEY, ROOT).unwrap();
    let floor = |unix_s| Moment {
        unix_s,
        is_floor: true,
    };
    assert!(matches!(
        bundle.at(0).err().unwrap().fault,
        Fault::NotYetValid { .. }
    ));
    assert!(bundle.at(floor(0)).is_ok());
    assert!(bundle.at(floor(bundle.valid_from_unix_s())).is_ok());
    let expired = bundle.at(floor(bundle.expires_unix_s())).err().unwrap();
    assert!(matches!(expired.fault, Fault::Expired { .. }));
    // It is the latest date, and all are good from then on.
    assert!(bundle.at(bundle.valid_from_unix_s()).is_ok());
    assert!(bundle.at(bundle.valid_from_unix_s() - 1).is_err());
}

#[test]
fn every_kind_of_key_and_encoding_is_proven() {
    for (name, leaf, issuer, key) in [
        ("SN-0001", P256, INTERMEDIATE, P256_KEY),
        ("SN-0001", P256, INTERMEDIATE, vector!("p256.sec1.key")),
        (
            "SN-0384",
            vector!("p384.crt"),
            INTERMEDIATE,
            vector!("p384.key"),
        ),
        (
            "SN-0384",
            vector!("p384.crt"),
            INTERMEDIATE,
            vector!("p384.sec1.key"),
        ),
        (
            "SN-2048",
            vector!("rsa2048.crt"),
            INTERMEDIATE,
            vector!("rsa2048.key"),
        ),
        (
            "SN-2048",
            vector!("rsa2048.crt"),
            INTERMEDIATE,
            vector!("rsa2048.pkcs1.key"),
        ),
        (
            "SN-4096",
            vector!("rsapss.crt"),
            vector!("rsaca.crt"),
            vector!("rsapss.key"),
        ),
    ] {
        for chain in [format!("{leaf}{issuer}"), format!("{leaf}\n{issuer}{ROOT}")] {
            let bundle = prove(&chain, key, ROOT).unwrap();
            assert_eq!(bundle.common_name(), name);
            // 2099-12-31 23:59:59 is the last good second.
            assert_eq!(bundle.expires_unix_s(), 4_102_444_800);
            assert!(bundle.at(NOW).is_ok());
        }
    }
}

#[test]
fn windows_line_ends_and_text_around_do_not_matter() {
    let chain = format!("subject=/CN=x\n{P256_CHAIN}\ntrailing").replace('\n', "\r\n");
    assert!(prove(&chain, &P256_KEY.replace('\n', "\r\n"), ROOT).is_ok());
}

#[test]
fn a_key_that_cannot_be_used_is_told_apart() {
    for (key, fault) in [
        ("", Fault::Empty),
        ("hello", Fault::NotPem),
        (P256_CHAIN, Fault::NotPem),
        (&P256_KEY[..120], Fault::Damaged { number: 1 }),
        (vector!("undernotca.key"), Fault::Mismatch),
        (vector!("p384.key"), Fault::Mismatch),
        (vector!("rsa2048.key"), Fault::Mismatch),
        (
            vector!("ed25519.key"),
            Fault::KeyKind {
                number: 1,
                kind: Oid::new(ED25519),
            },
        ),
        ("\u{0}0\u{0}", Fault::NotPem),
        ("-\0-\0-\0-\0", Fault::Utf16),
        ("0\u{1}", Fault::NotPem),
        (
            "text\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
            Fault::Form {
                form: Form::OpenSsh,
                line: 2,
            },
        ),
        (vector!("p256.encrypted.key"), Fault::Encrypted),
        (vector!("p256.sec1-encrypted.key"), Fault::Encrypted),
    ] {
        assert_eq!(refused(P256_CHAIN, key, ROOT), (File::Key, fault));
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_apart() {
    let chain = |leaf: &str| format!("{leaf}{INTERMEDIATE}");
    let damaged = P256.replacen("MII", "AAA", 1);
    for (certificate, fault) in [
        (String::<1>::new().to_string(), Fault::Empty),
        ("\0\x01\x02".to_string(), Fault::NotPem),
        (P256_KEY.to_string(), Fault::NotPem),
        (chain(&damaged), Fault::Damaged { number: 1 }),
        (format!("{P256}{damaged}"), Fault::Damaged { number: 2 }),
        (
            P256_CHAIN[..P256_CHAIN.len() - 40].to_string(),
            Fault::Damaged { number: 2 },
        ),
        (P256.repeat(11), Fault::TooMany),
        // The order reversed, the wrong issuer, and one of the same name but another key.
        (
            format!("{INTERMEDIATE}{P256}"),
            Fault::OutOfOrder { number: 1 },
        ),
        (format!("{P256}{ROOT}"), Fault::OutOfOrder { number: 1 }),
        (
            format!("{P256}{}", vector!("notca.crt")),
            Fault::OutOfOrder { number: 1 },
        ),
        (
            format!("{P256_CHAIN}{INTERMEDIATE}"),
            Fault::OutOfOrder { number: 2 },
        ),
        (
            format!("{}{}", vector!("undernotca.crt"), vector!("notca.crt")),
            Fault::NotACa { number: 2 },
        ),
        (
            format!(
                "{}{}",
                vector!("underbig.crt"),
                vector!("bigca.crt").repeat(7)
            ),
            Fault::ChainTooLong,
        ),
        (
            chain(vector!("rsa1024.crt")),
            Fault::RsaSize {
                number: 1,
                bits: 1024,
            },
        ),
        (
            chain(vector!("ed25519.crt")),
            Fault::KeyKind {
                number: 1,
                kind: Oid::new(ED25519),
            },
        ),
        (chain(vector!("nocn.crt")), Fault::NoCommonName),
        (chain(vector!("blankcn.crt")), Fault::CommonNameUnusable),
        (chain(vector!("serveronly.crt")), Fault::NotForClients),
    ] {
        assert_eq!(
            refused(&certificate, P256_KEY, ROOT),
            (File::Certificate, fault)
        );
    }
}

#[test]
fn a_server_chain_that_cannot_be_used_is_told_apart() {
    for (server_chain, fault) in [
        ("", Fault::Empty),
        (P256_KEY, Fault::NotPem),
        (&INTERMEDIATE[..200], Fault::Damaged { number: 1 }),
        // A device's certificate, which signs nothing.
        (P256, Fault::NotAnAnchor { number: 1 }),
    ] {
        assert_eq!(
            refused(P256_CHAIN, P256_KEY, server_chain),
            (File::ServerChain, fault)
        );
    }
}

#[test]
fn dates_are_checked_to_the_second() {
    // 2020-01-01 to 2099-12-31, and until 2021-01-01 00:00:00.
    assert!(dated(P256, ROOT, 1_577_836_800).is_none());
    assert!(dated(P256, ROOT, 4_102_444_799).is_none());
    assert_eq!(
        dated(P256, ROOT, 1_577_836_799).unwrap().to_string(),
        "device.crt: certificate 1 is not valid before 2020-01-01 00:00:00, and it is 2019-12-31 \
         23:59:59: check the time server, or the clock of the CA"
    );
    let expired = vector!("expired.crt");
    assert!(dated(expired, ROOT, 1_609_459_200).is_none());
    assert_eq!(
        dated(expired, ROOT, 1_609_459_201).unwrap().to_string(),
        "device.crt: certificate 1 expired on 2021-01-01 00:00:00, and it is 2021-01-01 00:00:01: \
         renew it"
    );
    let future = dated(vector!("future.crt"), ROOT, NOW).unwrap();
    assert!(matches!(future.fault, Fault::NotYetValid { number: 1, .. }));
    // One good certificate is enough to trust; which the server needs, only the server knows.
    assert!(dated(P256, &format!("{expired}{ROOT}"), NOW).is_none());
    let mut bundle = prove(P256_CHAIN, P256_KEY, ROOT).unwrap();
    bundle.trusted[0].validity.to_unix_s = NOW - 1;
    let error = bundle.at(NOW).err().unwrap();
    assert_eq!(error.file, File::ServerChain);
    assert!(matches!(error.fault, Fault::Expired { number: 1, .. }));
}

#[test]
fn no_bytes_panic() {
    let mut spoilt = P256_CHAIN.to_string().into_bytes();
    // Whole certificates are parsed each time; every 7th byte will do.
    for at in (0..spoilt.len()).step_by(7) {
        let byte = core::mem::replace(&mut spoilt[at], b'B');
        let files = Files {
            certificate: &spoilt,
            key: &P256_KEY.as_bytes()[..at % P256_KEY.len()],
            server_chain: &ROOT.as_bytes()[..at % ROOT.len()],
        };
        let _ = Bundle::prove(files, &mut Zeros);
        spoilt[at] = byte;
    }
}
