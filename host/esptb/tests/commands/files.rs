//! Certificates, settings and images from outside: what becomes of an operator's files.

use std::fs;
use std::process::Command;

use crate::program::{done, err, esptb, failed, failed_at_the_end, with_device};

#[test]
fn certificates_become_an_image_that_can_be_looked_into() {
    let folder = with_device();
    let path = folder.path();
    let shown = done(&esptb(path, &["pki", "show", "spiffs_root/device.crt"]));
    assert!(
        shown.contains("CN=SN-1") && shown.contains("signed by the next one"),
        "{shown}"
    );
    let checked = done(&esptb(path, &["pki", "check", "spiffs_root"]));
    assert!(
        checked.starts_with("good spiffs_root: CN SN-1, valid until 20"),
        "{checked}"
    );

    done(&esptb(
        path,
        &["image", "--spiffs-out", "spiffs.bin", "--out", "flash.bin"],
    ));
    let flash = done(&esptb(path, &["image", "--inspect", "flash.bin"]));
    for text in [
        "spiffs     data/spiffs",
        "0x290000",
        "/device.key",
        "private key",
        "CN=SN-1",
    ] {
        assert!(flash.contains(text), "{text}: {flash}");
    }
    let spiffs = done(&esptb(path, &["image", "--inspect", "spiffs.bin"]));
    assert!(spiffs.contains("SPIFFS of 256 KiB") && spiffs.contains("/server_chain.pem"));
    let key = fs::read_to_string(path.join("spiffs_root/device.key")).expect("a key");
    let secret = key.lines().nth(1).expect("its first line");
    assert!(!flash.contains(secret) && !spiffs.contains(secret));
}

#[test]
fn a_folder_of_devices_becomes_a_folder_of_images() {
    let folder = with_device();
    let path = folder.path();
    done(&esptb(path, &["pki", "device", "SN-2", "SN-3", "SN-4"]));
    let batch = ["image", "--batch", "devices", "--wifi", "cafe:"];
    done(&esptb(path, &batch));
    let one = [
        "image",
        "--spiffs",
        "devices/SN-3",
        "--wifi",
        "cafe:",
        "--out",
        "one.bin",
    ];
    done(&esptb(path, &one));
    let read = |name: &str| fs::read(path.join(name)).expect("an image");
    assert!(read("images/SN-3.bin") == read("one.bin"), "as if alone");
    assert!(read("images/SN-2.bin") != read("one.bin"));

    fs::write(path.join("devices/SN-2/device.key"), "no key").expect("writes");
    let apart = ["image", "--batch", "devices", "--spiffs-out", "volumes"];
    let output = esptb(path, &apart);
    failed_at_the_end(&output, "1 of 3 devices have no image");
    let refused = err(&output);
    let line = refused.lines().find(|line| line.contains("refused"));
    let line = line.unwrap_or_else(|| panic!("{refused}"));
    assert!(line.starts_with("refused devices/SN-2: "), "{line}");
    assert!(
        line.contains("--unchecked") && line.contains("device.key"),
        "{line}"
    );
    let all_the_same = [&apart[..], &["--unchecked"]].concat();
    done(&esptb(path, &all_the_same));
    assert_eq!(read("volumes/SN-2.bin").len(), 0x4_0000);
    assert_eq!(read("volumes/SN-4.bin").len(), 0x4_0000);
    failed(
        &esptb(path, &["image", "--batch", "ca"]),
        "esptb pki device",
    );
}

#[test]
fn what_somebody_should_look_at_is_told_with_the_folder() {
    let folder = with_device();
    let path = folder.path();
    let broker = ["--broker", "mqtts://tb.example"];
    let mut device = vec!["pki", "device", "SN-2", "SN-3"];
    device.extend(broker);
    done(&esptb(path, &device));
    let settings = |serial: &str| path.join("devices").join(serial).join("settings.json");
    fs::write(settings("SN-2"), r#"{"brokr":"mqtts://x"}"#).expect("writes");
    let crt = path.join("devices/SN-3/device.crt");
    let chain = fs::read_to_string(&crt).expect("a chain");
    let end = chain.find("-----END").expect("PEM") + "-----END CERTIFICATE-----\n".len();
    fs::write(&crt, &chain[..end]).expect("writes");
    for litter in [".DS_Store", "device.key~"] {
        fs::write(path.join("devices/SN-3").join(litter), "x").expect("writes");
    }
    let batch = ["image", "--batch", "devices"];
    let told = esptb(path, &batch);
    done(&told);
    for text in [
        "warning: devices/SN-2: settings.json: the device does not know the key \"brokr\" and passes \
         over it; is broker meant?\n",
        "warning: devices/SN-3: device.crt holds the device's certificate alone",
        "devices/SN-3: left out /.DS_Store, /device.key~\n",
        "\n2 warnings\n",
    ] {
        assert!(err(&told).contains(text), "{text}: {}", err(&told));
    }
    assert!(!err(&told).contains("warn device::"), "{}", err(&told));
    let image = done(&esptb(path, &["image", "--inspect", "images/SN-3.bin"]));
    assert!(
        !image.contains("DS_Store") && !image.contains('~'),
        "{image}"
    );
    let strict = ["image", "--batch", "devices", "--strict"];
    failed_at_the_end(&esptb(path, &strict), "--strict");

    let check = ["pki", "check", "devices/SN-2", "devices/SN-3"];
    let checked = esptb(path, &check);
    done(&checked);
    assert!(err(&checked).contains("is broker meant?") && err(&checked).contains("alone"));
    fs::write(settings("SN-2"), r#"{"broker":"mqtt://x"}"#).expect("writes");
    failed_at_the_end(&esptb(path, &check), "mqtts://");
}

#[test]
fn each_device_has_a_proof_of_its_own_on_its_label() {
    let folder = with_device();
    let path = folder.path();
    fs::write(path.join("common.json"), r#"{"keep_alive_s":60}"#).expect("writes");
    for serial in ["A-1", "A-2"] {
        let device = [
            "pki",
            "device",
            serial,
            "--settings",
            "common.json",
            "--broker",
            "mqtts://tb.example",
        ];
        done(&esptb(path, &device));
    }
    let labels = fs::read_to_string(path.join("devices/labels.csv")).expect("labels");
    let lines: Vec<_> = labels.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "serial,proof_of_possession"));
    let proof = |line: &str| line.split_once(',').expect("two fields").1.to_owned();
    assert_ne!(proof(lines[1]), proof(lines[2]));
    let json = fs::read_to_string(path.join("devices/A-2/settings.json")).expect("settings");
    for text in [&proof(lines[2]), "tb.example", "\"keep_alive_s\": 60"] {
        assert!(json.contains(text), "{text}: {json}");
    }
    let made = done(&esptb(path, &["pki", "check", "devices/A-2"]));
    assert!(made.contains("broker tb.example:8883"), "{made}");
    fs::write(path.join("wrong.json"), r#"{"keep_alive_s":1}"#).expect("writes");
    let wrong = ["pki", "device", "A-3", "--settings", "wrong.json"];
    failed(&esptb(path, &wrong), "keep_alive_s");
    assert!(!path.join("devices/A-3").exists());
}

#[test]
fn what_the_server_cannot_use_is_named() {
    let folder = with_device();
    let path = folder.path();
    done(&esptb(path, &["pki", "server", "localhost"]));
    let serve = ["serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    fs::write(path.join("esptb.sqlite"), [b'x'; 4096]).expect("writes");
    failed(&esptb(path, &serve), "esptb.sqlite: ");
    for name in ["intermediate.crt", "server.key", "server.crt"] {
        fs::write(path.join("ca").join(name), "x").expect("writes");
        failed(&esptb(path, &serve), &format!("ca/{name}: "));
    }
}

#[test]
fn an_image_lets_the_device_know_its_network_and_shows_no_passphrase() {
    let folder = with_device();
    let path = folder.path();
    failed_at_the_end(
        &esptb(path, &["image", "--wifi", "home"]),
        "ESPTB_PASSPHRASE",
    );
    failed_at_the_end(&esptb(path, &["image", "--wifi", "home:short"]), "8 to 63");
    let output = esptb(path, &["image", "--wifi", "home:correct horse"]);
    done(&output);
    assert!(err(&output).contains("joins \"home\", with a passphrase"));
    let flash = fs::read(path.join("flash.bin")).expect("a flash");
    let secret = b"correct horse";
    assert!(flash.windows(secret.len()).any(|bytes| bytes == secret));
    let inspected = done(&esptb(path, &["image", "--inspect", "flash.bin"]));
    let json = done(&esptb(path, &["image", "--inspect", "flash.bin", "--json"]));
    for shown in [&inspected, &json, &err(&output)] {
        assert!(shown.contains("wifi") || shown.contains("home"), "{shown}");
        assert!(!shown.contains("correct horse"), "{shown}");
    }
}

#[test]
fn nothing_is_replaced_unasked() {
    let folder = with_device();
    let path = folder.path();
    let before = fs::read(path.join("ca/root.key")).expect("a key");
    failed(&esptb(path, &["pki", "init"]), "--replace");
    assert_eq!(fs::read(path.join("ca/root.key")).expect("a key"), before);
    done(&esptb(path, &["pki", "init", "--replace"]));
    assert_ne!(fs::read(path.join("ca/root.key")).expect("a key"), before);
}

#[test]
fn what_the_device_would_refuse_makes_no_image() {
    let folder = with_device();
    let path = folder.path();
    fs::write(
        path.join("spiffs_root/settings.json"),
        r#"{"broker":"mqtt://x"}"#,
    )
    .expect("writes");
    failed(&esptb(path, &["image"]), "mqtts://");
    assert!(!path.join("flash.bin").exists());
    done(&esptb(path, &["image", "--unchecked"]));
    assert!(path.join("flash.bin").exists());
}

#[test]
fn a_batch_of_certificates_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    done(&esptb(path, &["pki", "init"]));
    let batch = ["pki", "device", "SN-1", "SN-2", "--missing"];
    done(&esptb(path, &batch[..3]));
    let before = fs::read(path.join("devices/SN-1/device.crt")).expect("there");
    // As if it was interrupted at the second.
    fs::create_dir(path.join("devices/SN-2")).expect("makes");
    fs::write(path.join("devices/SN-2/device.key"), "half").expect("writes");
    failed(&esptb(path, &batch[..4]), "there already");
    let told = done(&esptb(path, &batch));
    assert!(told.contains("SN-1  is there already"), "{told}");
    assert_eq!(
        fs::read(path.join("devices/SN-1/device.crt")).expect("there"),
        before
    );
    done(&esptb(
        path,
        &["pki", "check", "devices/SN-1", "devices/SN-2"],
    ));
}

#[test]
fn a_request_of_a_devices_own_becomes_its_chain() {
    let folder = with_device();
    let path = folder.path();
    let request = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "new.key",
        "-subj",
        "/CN=SN-1",
        "-outform",
        "DER",
        "-out",
        "request.der",
    ];
    let openssl = |arguments: &[&str]| {
        let mut openssl = Command::new("openssl");
        let output = openssl.current_dir(path).args(arguments).output();
        let output = output.expect("these tests need the openssl command: apt-get install openssl");
        assert!(output.status.success(), "{}", err(&output));
        output.stdout
    };
    openssl(&request);
    // As it stands in the client attribute.
    let line = openssl(&["base64", "-A", "-in", "request.der"]);
    fs::write(path.join("request.txt"), line).expect("writes");
    let sign = ["pki", "sign-request", "request.txt", "--days", "365"];
    failed(
        &esptb(path, &[&sign[..], &["--name", "SN-2"]].concat()),
        "in the name of another",
    );
    assert!(!path.join("SN-1.crt").exists());
    let made = done(&esptb(path, &[&sign[..], &["--name", "SN-1"]].concat()));
    assert!(
        made.contains("SN-1.crt") && made.contains("CN SN-1"),
        "{made}"
    );
    failed(&esptb(path, &sign), "--replace");
    done(&esptb(
        path,
        &["pki", "sign-request", "request.der", "--replace"],
    ));
    // With its new key it is what a device takes.
    fs::rename(path.join("SN-1.crt"), path.join("spiffs_root/device.crt")).expect("renames");
    failed(&esptb(path, &["pki", "check", "spiffs_root"]), "");
    fs::rename(path.join("new.key"), path.join("spiffs_root/device.key")).expect("renames");
    done(&esptb(path, &["pki", "check", "spiffs_root"]));
    let refused = esptb(path, &["pki", "sign-request", "ca/root.crt"]);
    failed(&refused, "certificate_request");
}
