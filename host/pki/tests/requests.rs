//! Requests that OpenSSL makes, as devices do, and what is issued for them, judged by OpenSSL.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use pki::{Existing, Options, Pki, Request, RequestFault, Validity};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn openssl(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("these tests need the openssl command: apt-get install openssl");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// A request of OpenSSL's, in PEM in `a.csr` and in DER in `a.der`, for a key in `a.key`.
fn request(key: &[&str], subject: &str, extra: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let generate = [&["genpkey", "-out", "a.key", "-algorithm"], key].concat();
    openssl(path, &generate).expect("a key");
    let make = [
        &[
            "req", "-new", "-key", "a.key", "-subj", subject, "-out", "a.csr",
        ],
        extra,
    ];
    openssl(path, &make.concat()).expect("a request");
    openssl(
        path,
        &["req", "-in", "a.csr", "-outform", "DER", "-out", "a.der"],
    )
    .expect("DER");
    folder
}

const P256: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn read(folder: &TempDir, name: &str) -> Vec<u8> {
    fs::read(folder.path().join(name)).expect("a file")
}

fn refusal(folder: &TempDir) -> RequestFault {
    Request::from_der(&read(folder, "a.der")).expect_err("it is refused")
}

#[test]
fn a_request_of_every_kind_of_key_gets_a_chain_that_verifies() {
    let pki = Pki::new(&Options::default()).expect("makes");
    for key in [
        P256,
        &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        &["RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    ] {
        let folder = request(key, "/CN=SN-000001", &[]);
        let path = folder.path();
        let asked = Request::from_der(&read(&folder, "a.der")).expect("a request");
        asked.expect("SN-000001").expect("its name");
        let issued = pki.sign(&asked, None).expect("issues");
        pki.write_to(path, Existing::Refuse).expect("writes");
        fs::write(path.join("chain.pem"), issued.chain_pem()).expect("writes");
        let verify = [
            "verify",
            "-x509_strict",
            "-CAfile",
            "root.crt",
            "-untrusted",
            "chain.pem",
        ];
        let client = ["-purpose", "sslclient", "chain.pem"];
        openssl(path, &[&verify[..], &client].concat()).expect("it verifies");
        let server = ["-purpose", "sslserver", "chain.pem"];
        openssl(path, &[&verify[..], &server].concat()).expect_err("for no server");
        let show =
            |what: &str| openssl(path, &["x509", "-in", "chain.pem", "-noout", what]).expect(what);
        assert_eq!(
            show("-pubkey"),
            openssl(path, &["pkey", "-in", "a.key", "-pubout"]).expect("a key")
        );
        assert_eq!(show("-subject").trim(), "subject=CN = SN-000001", "{key:?}");
        let serial = show("-serial").trim().to_lowercase();
        assert_eq!(serial, format!("serial={}", issued.serial_hex()));
        let text = show("-text");
        assert_eq!(text.contains("Key Encipherment"), key[0] == "RSA", "{text}");
        assert!(
            text.contains("CA:FALSE") && text.contains("Digital Signature"),
            "{text}"
        );
        // What a device is sent is what is in the file.
        fs::write(path.join("chain.der"), issued.chain_der()).expect("writes");
        let leaf = [
            "x509",
            "-inform",
            "DER",
            "-in",
            "chain.der",
            "-noout",
            "-serial",
        ];
        assert_eq!(
            openssl(path, &leaf).expect("a leaf").trim().to_lowercase(),
            serial
        );
        let intermediate = pem::parse(pki.intermediate_pem()).expect("PEM");
        assert!(issued.chain_der().ends_with(intermediate.contents()));
        let root = pem::parse(pki.root_pem()).expect("PEM");
        assert!(
            !issued.chain_der().ends_with(root.contents()),
            "without the root"
        );
    }
}

#[test]
fn a_request_is_read_in_all_its_forms() {
    let folder = request(P256, "/CN=SN-000001", &[]);
    let path = folder.path();
    let line = openssl(path, &["base64", "-A", "-in", "a.der"]).expect("Base64");
    let lines = openssl(path, &["base64", "-in", "a.der"]).expect("Base64");
    openssl(
        path,
        &["req", "-in", "a.csr", "-newhdr", "-text", "-out", "new.csr"],
    )
    .expect("old PEM");
    for form in [
        read(&folder, "a.csr"),
        read(&folder, "new.csr"),
        read(&folder, "a.der"),
        format!("{line}\n").into_bytes(),
        format!("\"{line}\"").into_bytes(),
        lines.into_bytes(),
    ] {
        let asked = Request::read(&form).expect("a request");
        assert_eq!(asked.common_name(), "SN-000001");
    }
    let certificate = openssl(path, &["req", "-x509", "-key", "a.key", "-subj", "/CN=a"]);
    for none in [
        "",
        "certificate_request",
        &line[..40],
        &certificate.expect("a certificate"),
    ] {
        assert_eq!(
            Request::read(none.as_bytes()).unwrap_err(),
            RequestFault::None
        );
    }
}

#[test]
fn who_does_not_have_the_key_gets_nothing() {
    let folder = request(P256, "/CN=SN-000001", &[]);
    let whole = read(&folder, "a.der");
    let mut renamed = whole.clone();
    let at = whole
        .windows(9)
        .position(|part| part == b"SN-000001")
        .expect("its name");
    renamed[at + 8] = b'2';
    assert_eq!(
        Request::from_der(&renamed).unwrap_err(),
        RequestFault::Signature
    );
    let mut unsigned = whole.clone();
    *unsigned.last_mut().expect("a byte") ^= 1;
    assert_eq!(
        Request::from_der(&unsigned).unwrap_err(),
        RequestFault::Signature
    );
    // Of what is signed every byte counts; around it, as in the unused bits of the signature, some do not.
    let asked = Request::from_der(&whole).expect("a request");
    for at in 0..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 0x55;
        if let Ok(taken) = Request::from_der(&spoilt) {
            assert_eq!(taken, asked, "byte {at}");
        }
        Request::from_der(&whole[..at]).expect_err("it is cut");
    }
    let longer = [&whole[..], b"0"].concat();
    assert_eq!(Request::from_der(&longer).unwrap_err(), RequestFault::None);
}

#[test]
fn a_key_that_no_device_takes_is_refused_by_its_kind() {
    for (key, named) in [
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"][..], "P-521"),
        (
            &["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
            "secp256k1",
        ),
        (
            &[
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-pkeyopt",
                "ec_param_enc:explicit",
            ],
            "named_curve",
        ),
        (&["ED25519"], "Ed25519"),
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "1024"),
    ] {
        let fault = refusal(&request(key, "/CN=SN-000001", &[]));
        assert!(matches!(fault, RequestFault::Key(_)), "{fault:?}");
        assert!(fault.to_string().contains(named), "{fault}");
    }
    let weak = refusal(&request(P256, "/CN=SN-000001", &["-sha1"]));
    assert_eq!(weak, RequestFault::Signature, "nobody trusts SHA-1");
}

#[test]
fn a_request_has_the_one_name_that_is_expected() {
    for (subject, names) in [("/O=Acme", 0), ("/CN=SN-000001/CN=SN-000002", 2)] {
        assert_eq!(
            refusal(&request(P256, subject, &[])),
            RequestFault::Names(names)
        );
    }
    let folder = request(P256, "/CN=SN-000002", &[]);
    let asked = Request::from_der(&read(&folder, "a.der")).expect("a request");
    let fault = asked.expect("SN-000001").expect_err("another's");
    assert!(fault.to_string().contains("SN-000002"), "{fault}");
    let pki = Pki::new(&Options::default()).expect("makes");
    let folder = request(P256, "/CN=..", &[]);
    let asked = Request::from_der(&read(&folder, "a.der")).expect("a request");
    pki.sign(&asked, None).expect_err("no serial number");
}

#[test]
fn nothing_is_granted_but_a_devices_certificate_within_the_authoritys_dates() {
    let extensions = [
        ("basicConstraints=critical,CA:TRUE", "CA:TRUE"),
        ("keyUsage=keyCertSign", "Certificate Sign"),
        ("extendedKeyUsage=serverAuth", "TLS Web Server"),
        ("subjectAltName=DNS:broker.example", "broker.example"),
    ];
    let mut extra = Vec::new();
    for (extension, _) in extensions {
        extra.extend(["-addext", extension]);
    }
    let folder = request(P256, "/C=DE/O=Acme/CN=SN-000001", &extra);
    let asked = Request::from_der(&read(&folder, "a.der")).expect("a request");
    let now = SystemTime::now();
    let options = Options {
        intermediate_validity: Some(Validity::between(now - DAY, now + 100 * DAY).expect("dates")),
        ..Options::default()
    };
    let pki = Pki::new(&options).expect("makes");
    let days = |days| Some(Validity::days(days).expect("dates"));
    let issued = pki.sign(&asked, days(10)).expect("issues");
    assert!(!issued.shortened());
    let issued = pki.sign(&asked, days(200)).expect("issues");
    assert!(issued.shortened() && issued.not_after() < now + 101 * DAY);
    fs::write(folder.path().join("chain.pem"), issued.chain_pem()).expect("writes");
    let text = openssl(
        folder.path(),
        &["x509", "-in", "chain.pem", "-noout", "-text"],
    );
    let text = text.expect("a certificate");
    for (_, granted) in extensions {
        assert!(!text.contains(granted), "{granted}: {text}");
    }
    assert!(text.contains("Subject: CN = SN-000001"), "{text}");
    let past = Validity::between(now + 300 * DAY, now + 400 * DAY).expect("dates");
    pki.sign(&asked, Some(past))
        .expect_err("after the authority");
}
