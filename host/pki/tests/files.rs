//! Folders and requests: what is refused, and what is left alone.

use std::{fs, path::Path};

use pki::{
    Error, Existing, InvalidRequest, KeyAlgorithm, KeyEncoding, Options, Pki, Profile, Role,
};

fn pki() -> Pki {
    Pki::new(&Options::default()).expect("makes")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn files_have_the_names_that_servers_and_images_expect() {
    let pki = pki();
    let folder = tempfile::tempdir().expect("a folder");
    let device = folder.path().join("devices/SN-1");
    pki.write_to(folder.path(), Existing::Refuse)
        .expect("writes");
    pki.device("SN-1")
        .expect("issues")
        .write_to(&device, Existing::Refuse)
        .expect("writes");
    assert_eq!(
        names(&device),
        ["device.crt", "device.key", "server_chain.pem"]
    );
    let authority = [
        "devices",
        "intermediate.crt",
        "intermediate.key",
        "root.crt",
        "root.key",
    ];
    assert_eq!(names(folder.path()), authority);
    let chain = fs::read_to_string(device.join("device.crt")).expect("reads");
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(chain.ends_with(pki.intermediate_pem()));
    let trusted = fs::read_to_string(device.join("server_chain.pem")).expect("reads");
    assert_eq!(trusted, pki.root_pem());
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let pki = pki();
    // Also when they replace a file that everybody could read.
    fs::write(folder.path().join("device.key"), "").expect("writes");
    pki.write_to(folder.path(), Existing::Replace)
        .expect("writes");
    let device = pki.device("SN-1").expect("issues");
    device
        .write_to(folder.path(), Existing::Replace)
        .expect("writes");
    for name in names(folder.path()) {
        let mode = fs::metadata(folder.path().join(&name))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(
            mode & 0o077 == 0,
            name.ends_with(".key"),
            "{name}: {mode:o}"
        );
    }
}

#[test]
fn nothing_is_replaced_unless_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("device.crt");
    fs::write(&own, "mine").expect("writes");
    let device = pki().device("SN-1").expect("issues");
    match device.write_to(folder.path(), Existing::Refuse) {
        Err(Error::Exists(path)) => assert_eq!(path, own),
        other => panic!("{other:?}"),
    }
    assert_eq!(names(folder.path()), ["device.crt"], "not even the key");
    assert_eq!(fs::read_to_string(&own).expect("reads"), "mine");
    device
        .write_to(folder.path(), Existing::Replace)
        .expect("writes");
    assert_eq!(fs::read_to_string(&own).expect("reads"), device.chain_pem());
}

#[test]
fn an_authority_that_does_not_fit_together_is_refused() {
    let [one, other] = [pki(), pki()].map(|pki| {
        let folder = tempfile::tempdir().expect("a folder");
        pki.write_to(folder.path(), Existing::Refuse)
            .expect("writes");
        folder
    });
    let refused = |file: &str, contents: &[u8]| {
        let path = one.path().join(file);
        let before = fs::read(&path).expect("reads");
        fs::write(&path, contents).expect("writes");
        let error = Pki::load(one.path()).expect_err("refused").to_string();
        fs::write(&path, before).expect("writes");
        error
    };
    let of_other = |file: &str| fs::read(other.path().join(file)).expect("reads");
    assert!(refused("root.key", &of_other("root.key")).ends_with("certificate beside it"));
    assert!(refused("root.key", b"").contains("no private key in PEM"));
    assert!(refused("root.crt", b"").contains("no certificate in PEM"));
    let key = of_other("root.key");
    assert!(refused("root.crt", &key).contains("no certificate in PEM"));
    let leaf = pki().device("SN-1").expect("issues");
    assert!(refused("root.crt", leaf.leaf_pem().as_bytes()).contains("of an authority"));
    fs::copy(other.path().join("root.crt"), one.path().join("root.crt")).expect("copies");
    let error = refused("root.key", &key);
    assert!(error.contains("not signed by root.crt"), "{error}");
    fs::remove_file(one.path().join("root.crt")).expect("removes");
    assert!(matches!(Pki::load(one.path()), Err(Error::Io { .. })));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let pki = pki();
    let invalid = |error| match error {
        Error::Invalid(request) => request,
        error => panic!("{error}"),
    };
    for serial in ["", "a/b", "..", "a\nb", &"x".repeat(65)] {
        let request = invalid(pki.device(serial).expect_err("refused"));
        assert_eq!(request, InvalidRequest::SerialNumber(serial.into()));
    }
    assert_eq!(
        invalid(pki.server(&[]).expect_err("refused")),
        InvalidRequest::NoServerName
    );
    for name in ["", "a b", "a..b", "ä.example", "1.2.3.4/8"] {
        let request = invalid(pki.server(&["localhost", name]).expect_err("refused"));
        assert_eq!(request, InvalidRequest::ServerName(name.into()));
    }
    let profile = Profile {
        encoding: KeyEncoding::Pkcs1,
        ..Profile::default()
    };
    let request = invalid(pki.device_with("SN-1", &profile).expect_err("refused"));
    let (algorithm, encoding) = (KeyAlgorithm::P256, KeyEncoding::Pkcs1);
    assert_eq!(
        request,
        InvalidRequest::Encoding {
            algorithm,
            encoding
        }
    );
    let options = Options {
        organization: String::new(),
        ..Options::default()
    };
    assert!(matches!(
        invalid(Pki::new(&options).expect_err("refused")),
        InvalidRequest::Organization(_)
    ));
}

#[test]
fn nothing_that_is_shown_holds_a_key() {
    let pki = pki();
    let device = pki.device("SN-1").expect("issues");
    assert_eq!(
        (device.role(), device.common_name()),
        (Role::Device, "SN-1")
    );
    let shown = format!("{device:?} {pki:?}");
    assert!(!shown.contains("KEY") && !shown.contains("MI"), "{shown}");
}

#[test]
fn no_two_certificates_have_the_same_serial_number() {
    let pki = pki();
    let serial = || {
        let device = pki.device("SN-1").expect("issues");
        let block = pem::parse(device.leaf_pem()).expect("PEM");
        let (_, leaf) = x509_parser::parse_x509_certificate(block.contents()).expect("X.509");
        leaf.raw_serial().to_vec()
    };
    let (one, other) = (serial(), serial());
    assert_ne!(one, other);
    assert_eq!((one.len(), other.len()), (16, 16));
}

#[test]
fn a_replacement_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = pki();
    let old = pki.device("SN-1").expect("issues");
    old.write_to(folder.path(), Existing::Refuse)
        .expect("writes");
    let before = names(folder.path());
    // Where the last file would be written first, there is a folder with something in it.
    let in_the_way = folder.path().join(".device.crt.new");
    fs::create_dir(&in_the_way).expect("makes");
    let new = pki.device("SN-1").expect("issues");
    assert!(matches!(
        new.write_to(folder.path(), Existing::Replace),
        Err(Error::Io { .. })
    ));
    let key = fs::read_to_string(folder.path().join("device.key")).expect("reads");
    assert!(key == old.key_pem(), "still the old one");
    fs::remove_dir(&in_the_way).expect("removes");
    assert_eq!(names(folder.path()), before, "nothing is left beside");
}

#[test]
fn a_batch_that_was_interrupted_is_told_from_one_that_was_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let pki = pki();
    assert!(
        !pki.has_device(&path.join("nowhere"), "SN-1")
            .expect("looks")
    );
    let device = pki.device("SN-1").expect("issues");
    device.write_to(path, Existing::Refuse).expect("writes");
    fs::write(path.join(".device.key.new"), "half").expect("writes");
    assert!(pki.has_device(path, "SN-1").expect("looks"));
    assert_eq!(
        names(path),
        ["device.crt", "device.key", "server_chain.pem"]
    );

    let refused = |pki: &Pki, serial| {
        pki.has_device(path, serial)
            .expect_err("refused")
            .to_string()
    };
    assert!(refused(&pki, "SN-2").contains("of another device"));
    assert!(
        refused(&Pki::new(&Options::default()).expect("makes"), "SN-1").contains("not of this CA")
    );
    let other = pki.device("SN-1").expect("issues");
    fs::write(path.join("device.key"), other.key_pem()).expect("writes");
    assert!(refused(&pki, "SN-1").contains("does not match"));
    fs::write(path.join("device.key"), device.key_pem()).expect("writes");
    fs::remove_file(path.join("server_chain.pem")).expect("removes");
    assert!(matches!(
        pki.has_device(path, "SN-1"),
        Err(Error::Io { .. })
    ));
    // The certificate is what is written last.
    fs::remove_file(path.join("device.crt")).expect("removes");
    assert!(!pki.has_device(path, "SN-1").expect("looks"));
    assert!(matches!(
        pki.has_device(path, "../SN-1"),
        Err(Error::Invalid(InvalidRequest::SerialNumber(_)))
    ));
}

#[test]
fn devices_trust_the_cas_of_a_server_from_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let own = pki();
    let before = own.device("SN-1").expect("issues");
    before.write_to(path, Existing::Refuse).expect("writes");
    let other = |name: &str| {
        let other = Pki::new(&Options::default()).expect("makes");
        fs::write(path.join(name), other.root_pem()).expect("writes");
        other.root_pem().to_owned()
    };
    let theirs = format!("{}{}", other("a.crt"), other("b.crt"));
    fs::write(path.join("both.crt"), &theirs).expect("writes");
    let mut pki = own;
    pki.trust(&path.join("both.crt")).expect("they are CAs");
    let device = pki.device("SN-1").expect("issues");
    assert_eq!(device.trust_pem(), theirs);
    assert_eq!(
        pki.server(&["localhost"]).expect("issues").trust_pem(),
        pki.root_pem()
    );
    // One that was made before trusts others: it is not passed over.
    let error = pki.has_device(path, "SN-1").expect_err("refused");
    assert!(error.to_string().contains("not the CAs"), "{error}");
    device.write_to(path, Existing::Replace).expect("writes");
    assert!(pki.has_device(path, "SN-1").expect("looks"));

    let error = pki.trust(&path.join("device.key")).expect_err("refused");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_private_file_is_private_whatever_was_there() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flash.bin");
    fs::write(&path, "old").expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("sets");
    hostfile::write_private(&path, b"new").expect("writes");
    assert_eq!(fs::read(&path).expect("reads"), b"new");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(names(folder.path()), ["flash.bin"]);
    hostfile::write_private(Path::new("/dev/null"), b"new").expect("writes");
}

#[test]
fn the_root_key_may_be_elsewhere_and_a_key_may_have_parameters_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let pki = Pki::new(&Options::default()).expect("makes");
    pki.write_to(path, Existing::Refuse).expect("writes");
    fs::remove_file(path.join("root.key")).expect("removes");
    let key = fs::read_to_string(path.join("intermediate.key")).expect("reads");
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let key = format!("\u{feff}{parameters}{key}\0");
    fs::write(path.join("intermediate.key"), key).expect("writes");
    let loaded = Pki::load(path).expect("loads");
    let device = loaded.device("SN-1").expect("issues");
    assert_eq!(device.trust_pem(), pki.root_pem());
    loaded.server(&["tb.example"]).expect("issues");
    // Written elsewhere, it is without the root's key there, too.
    let copy = path.join("copy");
    loaded.write_to(&copy, Existing::Refuse).expect("writes");
    assert!(!copy.join("root.key").exists());
    Pki::load(&copy).expect("loads");
}
