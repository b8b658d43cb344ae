//! Firmware signed, verified and shown, and OpenSSL's opinion of the signature.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::app::{app_bytes, chip};
use crate::program::{done, err, esptb, failed, out};

const SIGNATURE_LEN: usize = 64;

/// A folder with a key, and an app that is signed with it.
fn with_package() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    done(&esptb(path, &["firmware", "key"]));
    fs::write(path.join("app.bin"), app_bytes(0x3010)).expect("writes");
    let signed = done(&esptb(path, &["firmware", "sign", "app.bin"]));
    assert!(signed.contains("esptb 1.2.3, signed with "), "{signed}");
    folder
}

fn openssl(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("openssl starts: apt-get install openssl");
    (output.status.success(), out(&output) + &err(&output))
}

/// r and s as DER, by OpenSSL's own means.
fn der(folder: &Path, signature: &[u8]) {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02X}")).collect() };
    let (r, s) = signature.split_at(32);
    let config = format!(
        "asn1=SEQUENCE:sig\n[sig]\nr=INTEGER:0x{}\ns=INTEGER:0x{}\n",
        hex(r),
        hex(s)
    );
    fs::write(folder.join("sig.cnf"), config).expect("writes");
    let (made, told) = openssl(
        folder,
        &[
            "asn1parse",
            "-genconf",
            "sig.cnf",
            "-noout",
            "-out",
            "sig.der",
        ],
    );
    assert!(made, "{told}");
}

/// What OpenSSL says of a package.
fn verified_by_openssl(folder: &Path, package: &[u8]) -> bool {
    let (signed, signature) = package.split_at(package.len() - SIGNATURE_LEN);
    fs::write(folder.join("signed"), signed).expect("writes");
    der(folder, signature);
    let (good, told) = openssl(
        folder,
        &[
            "dgst",
            "-sha256",
            "-verify",
            "maker/firmware_key.pem",
            "-signature",
            "sig.der",
            "signed",
        ],
    );
    assert_eq!(good, told.contains("Verified OK"), "{told}");
    good
}

#[test]
fn a_package_is_good_to_esptb_and_to_openssl_until_a_bit_changes() {
    let folder = with_package();
    let path = folder.path();
    let told = done(&esptb(path, &["firmware", "verify", "firmware.bin"]));
    assert_eq!(told, format!("good: esptb 1.2.3, for chip {}\n", chip()));
    let mut package = fs::read(path.join("firmware.bin")).expect("a package");
    assert_eq!(package.len(), 0x3010 + 96);
    assert_eq!(package[..0x3010], app_bytes(0x3010));
    assert!(verified_by_openssl(path, &package));

    package[0x2000] ^= 1;
    fs::write(path.join("changed.bin"), &package).expect("writes");
    assert!(!verified_by_openssl(path, &package));
    failed(
        &esptb(path, &["firmware", "verify", "changed.bin"]),
        "changed after it was signed",
    );
}

#[test]
fn a_key_that_openssl_made_signs_too() {
    let folder = with_package();
    let path = folder.path();
    let curve = "ec_paramgen_curve:P-256";
    for (algorithm, option, file) in [
        ("EC", curve, "theirs.key"),
        ("EC", "ec_paramgen_curve:P-384", "other.key"),
        ("RSA", "rsa_keygen_bits:2048", "rsa.key"),
    ] {
        let arguments = [
            "genpkey",
            "-algorithm",
            algorithm,
            "-pkeyopt",
            option,
            "-out",
            file,
        ];
        let (made, told) = openssl(path, &arguments);
        assert!(made, "{told}");
    }
    let sec1 = ["ec", "-in", "theirs.key", "-out", "sec1.key"];
    assert!(openssl(path, &sec1).0);
    let public = ["pkey", "-in", "theirs.key", "-pubout", "-out", "theirs.pem"];
    assert!(openssl(path, &public).0);
    for key in ["theirs.key", "sec1.key"] {
        done(&esptb(path, &["firmware", "sign", "app.bin", "--key", key]));
        let verify = ["firmware", "verify", "firmware.bin", "--key", "theirs.pem"];
        done(&esptb(path, &verify));
        // And with the maker's own it is not.
        let verify = ["firmware", "verify", "firmware.bin"];
        failed(&esptb(path, &verify), "which this device does not have");
    }
    for key in ["other.key", "rsa.key", "theirs.pem", "app.bin"] {
        let sign = ["firmware", "sign", "app.bin", "--key", key];
        failed(&esptb(path, &sign), "no private key on P-256");
    }
    // Several keys in one file: the next one is there before it is needed.
    let mut keys = fs::read_to_string(path.join("maker/firmware_key.pem")).expect("a key");
    keys += &fs::read_to_string(path.join("theirs.pem")).expect("a key");
    fs::write(path.join("both.pem"), keys).expect("writes");
    done(&esptb(
        path,
        &["firmware", "verify", "firmware.bin", "--key", "both.pem"],
    ));
}

#[test]
fn what_is_in_a_package_is_shown() {
    let folder = with_package();
    let path = folder.path();
    let shown = done(&esptb(path, &["firmware", "show", "firmware.bin"]));
    for text in [
        "esptb",
        "1.2.3",
        "12304 bytes",
        "12400 bytes",
        "with the key ",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let (made, digest) = openssl(path, &["dgst", "-sha256", "-r", "firmware.bin"]);
    assert!(made && shown.contains(&digest[..64]), "{digest}{shown}");
    let unsigned = done(&esptb(path, &["firmware", "show", "app.bin"]));
    assert!(unsigned.contains("nobody signed it"), "{unsigned}");
}

#[test]
fn what_cannot_boot_is_not_signed_and_what_is_signed_is_signed_anew() {
    let folder = with_package();
    let path = folder.path();
    let mut damaged = app_bytes(0x3010);
    damaged[0x1000] ^= 1;
    fs::write(path.join("damaged.bin"), damaged).expect("writes");
    failed(
        &esptb(path, &["firmware", "sign", "damaged.bin"]),
        "damaged.bin cannot be signed",
    );
    let again = ["firmware", "sign", "firmware.bin", "--out", "again.bin"];
    done(&esptb(path, &again));
    done(&esptb(path, &["firmware", "verify", "again.bin"]));
    let again = fs::read(path.join("again.bin")).expect("a package");
    assert_eq!(again.len(), 0x3010 + 96);
}

#[test]
fn a_key_is_its_owners_and_is_not_replaced_by_chance() {
    let folder = with_package();
    let path = folder.path();
    let secret = path.join("maker/firmware.key");
    let before = fs::read(&secret).expect("a key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&secret).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    failed(&esptb(path, &["firmware", "key"]), "--replace");
    assert_eq!(fs::read(&secret).expect("a key"), before);
    done(&esptb(path, &["firmware", "key", "--replace"]));
    assert_ne!(fs::read(&secret).expect("a key"), before);
}
