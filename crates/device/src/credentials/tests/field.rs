//! Files as they were found in the field, and the roots that Debian trusts.

extern crate std;

use std::fs;
use std::path::Path;
use std::vec::Vec;

use super::*;

macro_rules! field {
    ($name:literal, $file:literal) => {
        include_bytes!(concat!("../../../tests/vectors/field/", $name, "/", $file))
    };
}

/// The files of a folder in the field.
macro_rules! folder {
    ($name:literal) => {
        Files {
            certificate: field!($name, "device.crt"),
            key: field!($name, "device.key"),
            server_chain: field!($name, "server_chain.pem"),
        }
    };
}

fn verdict(files: Files<'_>) -> Result<String<64>, CredentialsError> {
    Bundle::prove(files, &mut Zeros).map(|bundle| bundle.common_name().clone())
}

#[test]
fn what_openssl_takes_is_taken() {
    for (files, name) in [
        (folder!("c02-bom"), "SN-000001"),
        (folder!("c18-joined"), "SN-000001"),
        (folder!("c24-nulend"), "SN-000001"),
        (folder!("n20-bmpstring"), "Gerät 7"),
        (folder!("n21-t61"), "Device7"),
    ] {
        assert_eq!(verdict(files).unwrap(), name);
        let bundle = Bundle::prove(files, &mut Zeros).unwrap();
        assert_eq!(bundle.own.len(), 2, "{name}");
    }
}

#[test]
fn what_no_server_takes_is_refused_by_its_name() {
    for (files, number, named) in [
        (folder!("e05-kuenc"), 0, "digitalSignature"),
        (folder!("e06-kuagree"), 0, "digitalSignature"),
        (folder!("e07-critunknown"), 1, "1.2.3.4"),
        (folder!("e08-policies"), 1, "certificatePolicies"),
        (folder!("e32-inhibitany"), 1, "policyConstraints"),
        (folder!("i02-namec"), 2, "nameConstraints"),
    ] {
        let error = verdict(files).unwrap_err();
        assert_eq!(error.file, File::Certificate);
        let text = error.to_string();
        assert!(text.contains(named), "{text}");
        if number > 0 {
            assert!(text.contains(&format!("certificate {number}")), "{text}");
        }
    }
}

fn with_anchors(server_chain: &[u8]) -> Result<Bundle, CredentialsError> {
    let files = Files {
        certificate: P256_CHAIN.as_bytes(),
        key: P256_KEY.as_bytes(),
        server_chain,
    };
    Bundle::prove(files, &mut Zeros)
}

#[test]
fn one_usable_anchor_is_enough_and_the_others_are_named() {
    let sha1 = field!("server_chain", "good-and-sha1.pem");
    let bundle = with_anchors(sha1).unwrap();
    assert_eq!(
        (bundle.trusted.len(), bundle.unused_anchors()),
        (2, &[][..])
    );

    let trusted = OPENSSL_TRUSTED.as_bytes();
    let cut = &ROOT.as_bytes()[..200];
    let files: [(Vec<u8>, &str); 4] = [
        (
            field!("server_chain", "good-and-ed25519.pem").to_vec(),
            "Ed25519",
        ),
        (
            field!("server_chain", "good-and-name-constraints.pem").to_vec(),
            "nameConstraints",
        ),
        ([ROOT.as_bytes(), trusted].concat(), "TRUSTED CERTIFICATE"),
        ([cut, b"\n", ROOT.as_bytes()].concat(), "damaged"),
    ];
    for (file, named) in files {
        let bundle = with_anchors(&file).unwrap();
        let unused: Vec<_> = bundle
            .unused_anchors()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            matches!(&unused[..], [text] if text.contains(named)),
            "{unused:?}"
        );
        assert_eq!(bundle.trusted.len(), 1);
        assert!(bundle.at(NOW).is_ok());
    }
    // Alone it is refused, for the same reason.
    let error = with_anchors(trusted).err().unwrap();
    assert_eq!(
        error.fault,
        Fault::Form {
            form: Form::Trusted,
            line: 1
        }
    );
}

const OPENSSL_TRUSTED: &str =
    "-----BEGIN TRUSTED CERTIFICATE-----\nMAMCAQE=\n-----END TRUSTED CERTIFICATE-----\n";

/// Debian's package ca-certificates.
#[test]
fn every_root_that_debian_trusts_is_an_anchor() {
    let folder = Path::new("/usr/share/ca-certificates/mozilla");
    let roots = fs::read_dir(folder).expect("Debian's package ca-certificates is missing");
    let mut count = 0;
    for root in roots {
        let path = root.unwrap().path();
        let file = fs::read(&path).unwrap();
        if let Err(error) = with_anchors(&file) {
            panic!("{}: {error}", path.display());
        }
        count += 1;
    }
    assert!(count >= 100, "{count}");
}
