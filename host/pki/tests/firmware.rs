//! Keys that sign firmware, and OpenSSL's opinion of what they sign.

use std::fs;
use std::path::Path;
use std::process::Command;

use pki::{Error, Existing, FirmwareKey, is_firmware_signature, load_firmware_keys};

const MESSAGE: &[u8] = b"an image, and what is signed along with it";

fn openssl(folder: &Path, arguments: &[&str]) -> (bool, Vec<u8>) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("openssl starts: apt-get install openssl");
    (output.status.success(), output.stdout)
}

/// Whether OpenSSL finds the signature good that is r and s.
fn is_good_to_openssl(folder: &Path, signature: &[u8; 64], message: &[u8]) -> bool {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02X}")).collect() };
    let (r, s) = signature.split_at(32);
    let der = format!(
        "asn1=SEQUENCE:sig\n[sig]\nr=INTEGER:0x{}\ns=INTEGER:0x{}\n",
        hex(r),
        hex(s)
    );
    fs::write(folder.join("der.cnf"), der).expect("writes");
    fs::write(folder.join("message"), message).expect("writes");
    let make = "asn1parse -genconf der.cnf -noout -out signature.der";
    let verify = "dgst -sha256 -verify firmware_key.pem -signature signature.der message";
    let run = |line: &str| openssl(folder, &line.split(' ').collect::<Vec<_>>());
    assert!(run(make).0);
    run(verify).0
}

/// SHA-256, by OpenSSL.
fn digest(folder: &Path, message: &[u8]) -> [u8; 32] {
    fs::write(folder.join("message"), message).expect("writes");
    let (made, digest) = openssl(folder, &["dgst", "-sha256", "-binary", "message"]);
    assert!(made);
    digest.try_into().expect("32 bytes")
}

fn point(der: &[u8]) -> [u8; 64] {
    assert_eq!(der.len(), 91);
    der[27..].try_into().expect("a point")
}

#[test]
fn what_is_signed_is_good_to_openssl_until_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let key = FirmwareKey::generate().expect("a key");
    let [secret, public] = key.write_to(path, Existing::Refuse).expect("writes");
    let loaded = FirmwareKey::load(&secret).expect("a key");
    assert_eq!(
        load_firmware_keys(&public).expect("keys"),
        [loaded.public_der()]
    );
    let signature = loaded.sign(MESSAGE).expect("a signature");
    assert!(is_good_to_openssl(path, &signature, MESSAGE));
    assert!(!is_good_to_openssl(path, &signature, &MESSAGE[1..]));
    let (point, right) = (point(&key.public_der()), digest(path, MESSAGE));
    assert!(is_firmware_signature(&point, &right, &signature));
    let wrong = digest(path, &MESSAGE[1..]);
    assert!(!is_firmware_signature(&point, &wrong, &signature));
    assert!(!is_firmware_signature(&[1; 64], &right, &signature));
}

#[test]
fn keys_of_openssl_sign_and_others_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let run = |line: &str| {
        let (made, _) = openssl(path, &line.split(' ').collect::<Vec<_>>());
        assert!(made, "{line}");
    };
    run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out pkcs8.key");
    run("ec -in pkcs8.key -out sec1.key");
    run("pkey -in pkcs8.key -pubout -out firmware_key.pem");
    for name in ["pkcs8.key", "sec1.key"] {
        let key = FirmwareKey::load(&path.join(name)).expect("a key");
        let signature = key.sign(MESSAGE).expect("a signature");
        assert!(is_good_to_openssl(path, &signature, MESSAGE), "{name}");
    }
    run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key");
    run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key");
    run("pkcs8 -topk8 -in pkcs8.key -passout pass:secret -out locked.key");
    for name in ["p384.key", "rsa.key", "locked.key", "firmware_key.pem"] {
        let refused = FirmwareKey::load(&path.join(name)).err();
        assert!(matches!(refused, Some(Error::Unusable { .. })), "{name}");
    }
    let refused = load_firmware_keys(&path.join("pkcs8.key"));
    assert!(matches!(refused, Err(Error::Unusable { .. })));
}

#[test]
fn a_key_is_for_its_owner_and_is_not_replaced_by_chance() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let key = FirmwareKey::generate().expect("a key");
    let [secret, _] = key.write_to(path, Existing::Refuse).expect("writes");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&secret).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let before = fs::read(&secret).expect("a key");
    let other = FirmwareKey::generate().expect("a key");
    let refused = other.write_to(path, Existing::Refuse);
    assert!(matches!(refused, Err(Error::Exists(_))));
    assert_eq!(fs::read(&secret).expect("a key"), before);
    other.write_to(path, Existing::Replace).expect("writes");
    assert_ne!(fs::read(&secret).expect("a key"), before);
}
