//! Everything this crate makes, held against OpenSSL's command line, as its users' servers will.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use pki::{Existing, Identity, KeyAlgorithm, KeyEncoding, Options, Pki, Profile, Validity};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn openssl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl")
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("these tests need the openssl command: apt-get install openssl")
}

fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = openssl(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// Writes authority and identity to one folder, with the leaf alone beside them.
fn written(pki: &Pki, identity: &Identity) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    pki.write_to(folder.path(), Existing::Refuse)
        .expect("writes");
    identity
        .write_to(folder.path(), Existing::Refuse)
        .expect("writes");
    fs::write(folder.path().join("leaf.crt"), identity.leaf_pem()).expect("writes");
    folder
}

fn verify(folder: &Path, extra: &[&str]) -> Output {
    let mut arguments = vec!["verify", "-x509_strict", "-CAfile", "root.crt"];
    arguments.extend(["-untrusted", "intermediate.crt"]);
    arguments.extend(extra);
    arguments.push("leaf.crt");
    openssl(folder, &arguments)
}

fn assert_verifies(folder: &Path, extra: &[&str]) {
    let output = verify(folder, extra);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
}

/// As a TLS server wants it: each certificate is issued by the next one in the file.
fn assert_chain_in_order(folder: &Path, file: &str) {
    let bundle = ["crl2pkcs7", "-nocrl", "-certfile", file, "-out", "chain.p7"];
    text(folder, &bundle);
    let names = text(
        folder,
        &["pkcs7", "-in", "chain.p7", "-print_certs", "-noout"],
    );
    let of = |role: &str| -> Vec<String> {
        let lines = names.lines().filter_map(|line| line.strip_prefix(role));
        lines.map(str::to_owned).collect()
    };
    let (subjects, issuers) = (of("subject="), of("issuer="));
    assert_eq!(subjects.len(), 2, "{names}");
    assert!(subjects[0].contains("SN-000001"), "the leaf first: {names}");
    assert_eq!(issuers[0], subjects[1], "{names}");
}

fn assert_key_matches(folder: &Path, key: &str) {
    let of_key = text(folder, &["pkey", "-in", key, "-pubout"]);
    let of_certificate = text(folder, &["x509", "-in", "leaf.crt", "-noout", "-pubkey"]);
    assert_eq!(of_key, of_certificate);
    text(folder, &["pkey", "-in", key, "-check", "-noout"]);
}

#[test]
fn every_kind_of_device_key_verifies_and_matches() {
    let pki = Pki::new(&Options::default()).expect("makes");
    for algorithm in KeyAlgorithm::ALL {
        let classic = if algorithm.is_rsa() {
            KeyEncoding::Pkcs1
        } else {
            KeyEncoding::Sec1
        };
        for encoding in [KeyEncoding::Pkcs8, classic] {
            // One RSA key of each size takes long enough.
            if algorithm == KeyAlgorithm::Rsa4096 && encoding == KeyEncoding::Pkcs8 {
                continue;
            }
            let profile = Profile {
                algorithm,
                encoding,
                validity: None,
            };
            let device = pki.device_with("SN-000001", &profile).expect("issues");
            let label = match encoding {
                KeyEncoding::Pkcs8 => "-----BEGIN PRIVATE KEY-----",
                KeyEncoding::Sec1 => "-----BEGIN EC PRIVATE KEY-----",
                KeyEncoding::Pkcs1 => "-----BEGIN RSA PRIVATE KEY-----",
            };
            assert!(
                device.key_pem().starts_with(label),
                "{algorithm} {encoding}"
            );
            let folder = written(&pki, &device);
            assert_verifies(folder.path(), &["-purpose", "sslclient"]);
            assert!(
                !verify(folder.path(), &["-purpose", "sslserver"])
                    .status
                    .success()
            );
            assert_key_matches(folder.path(), "device.key");
        }
    }
}

#[test]
fn authorities_of_every_kind_issue_chains_that_verify() {
    for algorithm in KeyAlgorithm::ALL {
        let options = Options {
            algorithm,
            ..Options::default()
        };
        let pki = Pki::new(&options).expect("makes");
        let folder = written(&pki, &pki.device("SN-000001").expect("issues"));
        assert_verifies(folder.path(), &["-purpose", "sslclient"]);
        assert_chain_in_order(folder.path(), "device.crt");
        let root = [
            "verify",
            "-x509_strict",
            "-check_ss_sig",
            "-CAfile",
            "root.crt",
            "root.crt",
        ];
        text(folder.path(), &root);
        let matches = |certificate: &str, key: &str| {
            let of_key = text(folder.path(), &["pkey", "-in", key, "-pubout"]);
            let show = ["x509", "-in", certificate, "-noout", "-pubkey"];
            assert_eq!(
                of_key,
                text(folder.path(), &show),
                "{algorithm} {certificate}"
            );
        };
        matches("root.crt", "root.key");
        matches("intermediate.crt", "intermediate.key");
    }
}

#[test]
fn every_kind_of_server_key_verifies_and_matches() {
    let pki = Pki::new(&Options::default()).expect("makes");
    for algorithm in KeyAlgorithm::ALL {
        let profile = Profile {
            algorithm,
            ..Profile::default()
        };
        let server = pki.server_with(&["broker.example", "SN-000001"], &profile);
        let folder = written(&pki, &server.expect("issues"));
        assert_verifies(folder.path(), &["-purpose", "sslserver"]);
        assert_verifies(folder.path(), &["-verify_hostname", "broker.example"]);
        assert_key_matches(folder.path(), "server.key");
        let shown = ["x509", "-in", "leaf.crt", "-noout", "-text"];
        let shown = text(folder.path(), &shown);
        let kind = match algorithm {
            KeyAlgorithm::P256 => "prime256v1",
            KeyAlgorithm::P384 => "secp384r1",
            KeyAlgorithm::Rsa2048 => "(2048 bit)",
            KeyAlgorithm::Rsa3072 => "(3072 bit)",
            KeyAlgorithm::Rsa4096 => "(4096 bit)",
        };
        assert!(shown.contains(kind), "{algorithm}: {shown}");
    }
}

#[test]
fn a_server_is_known_by_each_of_its_names() {
    let pki = Pki::new(&Options::default()).expect("makes");
    let server = pki
        .server(&["broker.example", "127.0.0.1", "::1"])
        .expect("issues");
    let folder = written(&pki, &server);
    assert_verifies(folder.path(), &["-purpose", "sslserver"]);
    assert!(
        !verify(folder.path(), &["-purpose", "sslclient"])
            .status
            .success()
    );
    assert_verifies(folder.path(), &["-verify_hostname", "broker.example"]);
    assert_verifies(folder.path(), &["-verify_ip", "127.0.0.1"]);
    assert_verifies(folder.path(), &["-verify_ip", "::1"]);
    assert!(
        !verify(folder.path(), &["-verify_hostname", "other.example"])
            .status
            .success()
    );
    assert_key_matches(folder.path(), "server.key");
}

#[test]
fn certificates_say_what_they_are_for() {
    let pki = Pki::new(&Options::default()).expect("makes");
    let folder = written(&pki, &pki.device("SN-000001").expect("issues"));
    let show = |file| {
        let shown = text(folder.path(), &["x509", "-in", file, "-noout", "-text"]);
        // OpenSSL 3.2 and later write names without spaces.
        shown
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace(" = ", "=")
    };
    let root = show("root.crt");
    assert!(
        root.contains("Subject: O=esptb, CN=esptb Root CA"),
        "{root}"
    );
    assert!(
        root.contains("Basic Constraints: critical CA:TRUE, pathlen:1"),
        "{root}"
    );
    assert!(
        root.contains("Key Usage: critical Certificate Sign, CRL Sign"),
        "{root}"
    );
    let intermediate = show("intermediate.crt");
    assert!(
        intermediate.contains("Issuer: O=esptb, CN=esptb Root CA"),
        "{intermediate}"
    );
    assert!(
        intermediate.contains("critical CA:TRUE, pathlen:0"),
        "{intermediate}"
    );
    let leaf = show("leaf.crt");
    assert!(leaf.contains("Subject: CN=SN-000001"), "{leaf}");
    assert!(
        leaf.contains("Basic Constraints: critical CA:FALSE"),
        "{leaf}"
    );
    assert!(
        leaf.contains("Key Usage: critical Digital Signature X509v3"),
        "{leaf}"
    );
    assert!(
        leaf.contains("Extended Key Usage: TLS Web Client Authentication"),
        "{leaf}"
    );
    assert!(leaf.contains("Subject Key Identifier"), "{leaf}");
    assert!(leaf.contains("Authority Key Identifier"), "{leaf}");
    assert!(!leaf.contains("Name Constraints"), "{leaf}");
}

#[test]
fn dates_are_written_and_hold() {
    let pki = Pki::new(&Options::default()).expect("makes");
    let now = SystemTime::now();
    let issue = |from, to| {
        let validity = Some(Validity::between(from, to).expect("dates"));
        let profile = Profile {
            validity,
            ..Profile::default()
        };
        written(
            &pki,
            &pki.device_with("SN-000001", &profile).expect("issues"),
        )
    };
    let expired = verify(issue(now - 9 * DAY, now - DAY).path(), &[]);
    assert!(String::from_utf8_lossy(&expired.stderr).contains("certificate has expired"));
    let early = verify(issue(now + DAY, now + 9 * DAY).path(), &[]);
    assert!(String::from_utf8_lossy(&early.stderr).contains("certificate is not yet valid"));
    // 2049-12-31 is the last day of UTCTime, 2050-01-01 the first of GeneralizedTime.
    let turn = SystemTime::UNIX_EPOCH + Duration::from_secs(2_524_608_000);
    let folder = issue(turn - DAY, turn);
    let dates = text(
        folder.path(),
        &["x509", "-in", "leaf.crt", "-noout", "-dates"],
    );
    assert_eq!(
        dates,
        "notBefore=Dec 31 00:00:00 2049 GMT\nnotAfter=Jan  1 00:00:00 2050 GMT\n"
    );
    let parsed = text(folder.path(), &["asn1parse", "-in", "leaf.crt"]);
    assert!(
        parsed.contains("UTCTIME           :491231000000Z"),
        "{parsed}"
    );
    assert!(
        parsed.contains("GENERALIZEDTIME   :20500101000000Z"),
        "{parsed}"
    );
}

#[test]
fn a_loaded_authority_issues_for_the_same_root() {
    let pki = Pki::new(&Options::default()).expect("makes");
    let folder = tempfile::tempdir().expect("a folder");
    pki.write_to(folder.path(), Existing::Refuse)
        .expect("writes");
    let loaded = Pki::load(folder.path()).expect("loads");
    let device = loaded.device("SN-000002").expect("issues");
    assert_eq!(device.trust_pem(), pki.root_pem());
    assert_verifies(written(&pki, &device).path(), &["-purpose", "sslclient"]);
}

#[test]
fn an_authority_made_by_openssl_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let root = ["req", "-x509", "-subj", "/CN=Own Root", "-days", "30"];
    let root = [
        &root[..],
        &key,
        &["-keyout", "root.key", "-out", "root.crt"],
    ]
    .concat();
    text(path, &root);
    let request = [
        "req",
        "-subj",
        "/CN=Own CA",
        "-keyout",
        "intermediate.key",
        "-out",
        "ca.csr",
    ];
    text(path, &[&request[..], &key].concat());
    fs::write(
        path.join("ca.ext"),
        "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n",
    )
    .expect("writes");
    let sign = [
        "x509", "-req", "-in", "ca.csr", "-CA", "root.crt", "-CAkey", "root.key",
    ];
    let out = [
        "-CAcreateserial",
        "-extfile",
        "ca.ext",
        "-days",
        "30",
        "-out",
        "intermediate.crt",
    ];
    text(path, &[&sign[..], &out].concat());

    let device = Pki::load(path)
        .expect("loads")
        .device("SN-000003")
        .expect("issues");
    fs::write(path.join("leaf.crt"), device.leaf_pem()).expect("writes");
    let chain = [
        "verify",
        "-CAfile",
        "root.crt",
        "-untrusted",
        "intermediate.crt",
        "leaf.crt",
    ];
    text(path, &chain);
}
