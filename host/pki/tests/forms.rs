//! Authorities in the forms that people have them in: what `openssl` takes is taken, and what no
//! device would take of them is refused, with the file, what is wrong and what to do.

use std::{fs, path::Path, process::Command};

use pki::{Error, Existing, Pki};

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("this test needs openssl: apt-get install openssl");
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

const P256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";

/// How an intermediate is made.
struct Made<'a> {
    key: &'a str,
    /// What strings its name is of: `string_mask` of openssl's configuration.
    strings: &'a str,
    name: &'a str,
    more: &'a str,
}

impl Default for Made<'_> {
    fn default() -> Self {
        Self {
            key: P256,
            strings: "utf8only",
            name: "Own CA",
            more: "-sha256",
        }
    }
}

/// A root with a key of this kind, and an intermediate.
fn authority(root_key: &str, made: &Made<'_>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let config = format!(
        "[req]\nprompt=no\ndistinguished_name=dn\nstring_mask={}\nutf8=yes\n[dn]\nCN={}\n\
         [ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
        made.strings, made.name
    );
    fs::write(path.join("ca.cnf"), config).expect("writes");
    openssl(
        path,
        &format!(
            "req -x509 -subj /CN=Own_Root -days 3650 -newkey {root_key} -nodes -keyout root.key -out root.crt"
        ),
    );
    openssl(
        path,
        &format!(
            "req -x509 -config ca.cnf -extensions ca -days 30 -newkey {} -nodes {} -CA root.crt -CAkey \
             root.key -keyout intermediate.key -out intermediate.crt",
            made.key, made.more
        ),
    );
    folder
}

fn change(path: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let before = fs::read(path).expect("reads");
    fs::write(path, change(before)).expect("writes");
}

/// That what it issues is verified, and that its files are plain PEM whatever the authority's are.
fn issues(folder: &tempfile::TempDir, form: &str) {
    let path = folder.path();
    let pki = Pki::load(path).unwrap_or_else(|error| panic!("{form}: {error}"));
    let device = pki.device("SN-1").expect("issues");
    let device_path = path.join("device");
    device
        .write_to(&device_path, Existing::Refuse)
        .expect("writes");
    assert!(
        pki.has_device(&device_path, "SN-1").expect("there"),
        "{form}"
    );
    for file in ["device.crt", "device.key", "server_chain.pem"] {
        let text = fs::read_to_string(device_path.join(file)).expect("text");
        assert!(
            text.starts_with("-----BEGIN ") && text.ends_with("-----\n"),
            "{form}: {file}"
        );
        assert!(
            !text.contains("----------") && !text.contains('\r'),
            "{form}: {file}"
        );
    }
    openssl(
        &device_path,
        "verify -CAfile server_chain.pem -untrusted device.crt device.crt",
    );
}

type Change = fn(Vec<u8>) -> Vec<u8>;

#[test]
fn every_form_that_openssl_takes_is_taken() {
    let forms: [(&str, Change); 6] = [
        ("a byte order mark", |file| {
            [b"\xef\xbb\xbf", &*file].concat()
        }),
        ("a zero at the end", |file| [&*file, b"\0"].concat()),
        ("line ends of Windows", |file| {
            String::from_utf8(file)
                .expect("text")
                .replace('\n', "\r\n")
                .into_bytes()
        }),
        ("text that is no UTF-8", |file| {
            [b"Ger\xe4t\n", &*file].concat()
        }),
        ("bag attributes", |file| {
            [
                b"Bag Attributes\n    localKeyID: 01 02\nKey Attributes: <No Attributes>\n",
                &*file,
            ]
            .concat()
        }),
        ("no new line at the end", |file| {
            file.trim_ascii_end().to_vec()
        }),
    ];
    for (form, how) in forms {
        let folder = authority(P256, &Made::default());
        for file in [
            "root.crt",
            "root.key",
            "intermediate.crt",
            "intermediate.key",
        ] {
            change(&folder.path().join(file), how);
        }
        issues(&folder, form);
    }
    // The intermediate and its root, joined in one line, as `cat` does without the line's end.
    let folder = authority(P256, &Made::default());
    let root = fs::read(folder.path().join("root.crt")).expect("reads");
    change(&folder.path().join("intermediate.crt"), |file| {
        [file.trim_ascii_end(), &root].concat()
    });
    issues(&folder, "joined");
    // `openssl ecparam -genkey` writes the curve before the key.
    let folder = authority(P256, &Made::default());
    openssl(
        folder.path(),
        "ecparam -name prime256v1 -out parameters.pem",
    );
    openssl(folder.path(), "ec -in intermediate.key -out sec1.key");
    let parameters = fs::read(folder.path().join("parameters.pem")).expect("reads");
    let key = fs::read(folder.path().join("sec1.key")).expect("reads");
    fs::write(
        folder.path().join("intermediate.key"),
        [parameters, key].concat(),
    )
    .expect("writes");
    issues(&folder, "EC PARAMETERS");
}

#[test]
fn names_of_every_string_are_repeated_as_they_are() {
    for (strings, name) in [
        ("MASK:0x800", "Gerät"),
        ("MASK:0x4", "Own CA"),
        ("utf8only", "Gerät"),
    ] {
        let made = Made {
            strings,
            name,
            ..Made::default()
        };
        issues(&authority(P256, &made), strings);
    }
}

#[test]
fn what_no_device_would_take_is_refused_with_a_remedy() {
    let with = |key| Made {
        key,
        ..Made::default()
    };
    let more = |more| Made {
        more,
        ..Made::default()
    };
    let p521 = "ec -pkeyopt ec_paramgen_curve:P-521";
    let explicit = "ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit";
    let constraint = "-addext nameConstraints=critical,permitted;DNS:example.com";
    for (root, made, file, named) in [
        (
            "ed25519",
            Made::default(),
            "root.crt",
            "certificate 1 has a key of the kind Ed25519",
        ),
        (p521, Made::default(), "root.crt", "P-521"),
        ("rsa:1024", Made::default(), "root.crt", "RSA of 1024 bits"),
        (P256, with("ed25519"), "intermediate.crt", "Ed25519"),
        (P256, with(p521), "intermediate.crt", "P-521"),
        (P256, with(explicit), "intermediate.crt", "named_curve"),
        (
            P256,
            with("rsa:1024"),
            "intermediate.crt",
            "RSA of 1024 bits",
        ),
        (P256, more("-sha1"), "intermediate.crt", "SHA-1 with ECDSA"),
        (
            P256,
            more(constraint),
            "intermediate.crt",
            "nameConstraints",
        ),
    ] {
        let folder = authority(root, &made);
        refused(&folder, file, named);
        // Nor without the root's key, which is kept elsewhere.
        fs::remove_file(folder.path().join("root.key")).expect("removes");
        refused(&folder, file, named);
    }
}

#[test]
fn what_is_no_plain_pem_is_told_with_a_remedy() {
    let utf_16 = |file: Vec<u8>| {
        let text = String::from_utf8(file).expect("text");
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    };
    let trusted = "x509 -in root.crt -trustout -addtrust serverAuth -out new";
    let encrypted = "pkcs8 -topk8 -in intermediate.key -passout pass:secret -out new";
    for (file, how, named) in [
        (
            "root.crt",
            Ok(trusted),
            "in line 1 begins a TRUSTED CERTIFICATE",
        ),
        ("intermediate.key", Ok(encrypted), "remove the passphrase"),
        (
            "intermediate.crt",
            Ok("x509 -in intermediate.crt -outform der -out new"),
            "binary (DER)",
        ),
        (
            "intermediate.key",
            Ok("pkey -in intermediate.key -outform der -out new"),
            "binary (DER)",
        ),
        (
            "intermediate.key",
            Ok("pkey -in intermediate.key -pubout -out new"),
            "a public key",
        ),
        ("root.crt", Err(utf_16 as Change), "UTF-16"),
        ("intermediate.key", Err(utf_16 as Change), "UTF-16"),
        (
            "root.crt",
            Err((|file| file[..file.len() / 2].to_vec()) as Change),
            "line 1 is damaged",
        ),
        (
            "root.crt",
            Err((|_| Vec::new()) as Change),
            "no certificate in PEM",
        ),
    ] {
        let folder = authority(P256, &Made::default());
        let path = folder.path().join(file);
        match how {
            Ok(arguments) => {
                openssl(folder.path(), arguments);
                fs::rename(folder.path().join("new"), path).expect("renames");
            }
            Err(how) => change(&path, how),
        }
        refused(&folder, file, named);
    }
}

fn refused(folder: &tempfile::TempDir, file: &str, named: &str) {
    match Pki::load(folder.path()) {
        Err(Error::Unusable { path, reason }) => {
            assert!(path.ends_with(file), "{}: {reason}", path.display());
            assert!(reason.contains(named), "{reason}");
        }
        other => panic!("{file} {named}: {other:?}"),
    }
}
