//! Authorities that others made, by `openssl`: those that could not issue what is verified are
//! refused, and nobody issues beyond their end.

use std::{fs, path::Path, process::Command};

use pki::{Error, InvalidRequest, Pki, Profile, Validity};
use x509_parser::{parse_x509_certificate, prelude::X509Certificate};

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("this test needs openssl: apt-get install openssl");
    assert!(output.status.success(), "openssl {arguments:?}: {output:?}");
}

const KEY: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
];

/// A root and an intermediate of these names and this key usage, the latter for so many days.
fn authority(root: &str, intermediate: &str, usage: &str, days: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let made = ["req", "-x509", "-subj", root, "-days", "3650"];
    let files = ["-keyout", "root.key", "-out", "root.crt"];
    openssl(path, &[&made[..], &KEY, &files].concat());
    let request = ["req", "-subj", intermediate];
    let files = ["-keyout", "intermediate.key", "-out", "ca.csr"];
    openssl(path, &[&request[..], &KEY, &files].concat());
    let extensions = format!("basicConstraints=critical,CA:TRUE\nkeyUsage={usage}\n");
    fs::write(path.join("ca.ext"), extensions).expect("writes");
    let sign = ["x509", "-req", "-in", "ca.csr", "-CA", "root.crt"];
    let files = [
        "-CAkey",
        "root.key",
        "-CAcreateserial",
        "-extfile",
        "ca.ext",
    ];
    let out = ["-days", days, "-out", "intermediate.crt"];
    openssl(path, &[&sign[..], &files, &out].concat());
    folder
}

fn refused(folder: &tempfile::TempDir, file: &str, expected: &str) {
    match Pki::load(folder.path()) {
        Err(Error::Unusable { path, reason }) => {
            assert!(path.ends_with(file), "{}", path.display());
            assert!(reason.contains(expected), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_that_cannot_be_repeated_is_refused() {
    let parts = "/DC=com/DC=example/CN=Own CA";
    let folder = authority("/DC=com/DC=example/CN=Own Root", parts, "keyCertSign", "30");
    refused(&folder, "intermediate.crt", "DC=com, DC=example");
    // The root issues nothing here, so its name may be anything.
    let folder = authority(
        "/DC=com/DC=example/CN=Own Root",
        "/CN=Own CA",
        "keyCertSign",
        "30",
    );
    Pki::load(folder.path()).expect("loads");
}

#[test]
fn an_authority_that_may_not_sign_is_refused() {
    let folder = authority("/CN=Own Root", "/CN=Own CA", "digitalSignature", "30");
    refused(&folder, "intermediate.crt", "keyCertSign");
}

#[test]
fn an_intermediate_of_another_roots_name_is_refused() {
    let folder = authority("/CN=Own Root", "/CN=Own CA", "keyCertSign", "30");
    // The same key, so the signature is good.
    let again = ["req", "-x509", "-subj", "/CN=Renamed Root", "-days", "30"];
    let files = ["-key", "root.key", "-out", "root.crt"];
    openssl(folder.path(), &[&again[..], &files].concat());
    refused(&folder, "intermediate.crt", "root.crt's subject");
}

#[test]
fn nothing_is_issued_beyond_the_end_of_the_authority() {
    let folder = authority("/CN=Own Root", "/CN=Own CA", "keyCertSign", "30");
    let pki = Pki::load(folder.path()).expect("loads");
    let ends = |pem: &str| {
        let block = pem::parse(pem).expect("PEM");
        let (_, x509): (_, X509Certificate<'_>) =
            parse_x509_certificate(block.contents()).expect("X.509");
        x509.validity().not_after.timestamp()
    };
    let authority = ends(pki.intermediate_pem());
    let device = pki.device("SN-1").expect("issues");
    assert_eq!(
        (ends(device.leaf_pem()), device.shortened()),
        (authority, true)
    );
    let profile = |validity| Profile {
        validity: Some(validity),
        ..Profile::default()
    };
    let days = profile(Validity::days(10).expect("days"));
    let device = pki.device_with("SN-1", &days).expect("issues");
    assert!(ends(device.leaf_pem()) < authority && !device.shortened());
    let day = |n: u64| std::time::SystemTime::now() + std::time::Duration::from_secs(n * 86_400);
    let later = profile(Validity::between(day(40), day(50)).expect("in order"));
    assert!(matches!(
        pki.device_with("SN-1", &later),
        Err(Error::Invalid(InvalidRequest::AfterAuthority))
    ));
}
