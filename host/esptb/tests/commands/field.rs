//! Files as people have them: the operator's tools take and refuse what the device does, and say why.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{done, err, esptb, failed, failed_at_the_end, out, with_device};

/// What a folder of the field is to the device: its CN, or what is named of what is wrong.
const DEVICES: [(&str, Result<&str, &[&str]>); 11] = [
    ("c02-bom", Ok("SN-000001")),
    ("c18-joined", Ok("SN-000001")),
    ("c24-nulend", Ok("SN-000001")),
    ("e05-kuenc", Err(&["digitalSignature"])),
    ("e06-kuagree", Err(&["digitalSignature"])),
    (
        "e07-critunknown",
        Err(&["certificate 1", "critical", "1.2.3.4"]),
    ),
    (
        "e08-policies",
        Err(&["certificate 1", "critical", "certificatePolicies"]),
    ),
    (
        "e32-inhibitany",
        Err(&["certificate 1", "critical", "policyConstraints"]),
    ),
    (
        "i02-namec",
        Err(&["certificate 2", "critical", "nameConstraints"]),
    ),
    ("n20-bmpstring", Ok("Gerät 7")),
    ("n21-t61", Ok("Device7")),
];

fn field() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/device/tests/vectors/field")
}

/// A copy of a folder of the field.
fn copy(name: &str, into: &Path) -> String {
    let there = into.join(name);
    fs::create_dir_all(&there).expect("makes");
    for file in ["device.crt", "device.key", "server_chain.pem"] {
        fs::copy(field().join(name).join(file), there.join(file)).expect("copies");
    }
    name.to_owned()
}

#[test]
fn every_folder_of_the_field_is_judged_as_the_device_judges_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    for (name, verdict) in DEVICES {
        let device = copy(name, path);
        let checked = esptb(path, &["pki", "check", &device]);
        let shown = esptb(path, &["pki", "show", &device]);
        let image = esptb(path, &["image", "--spiffs", &device]);
        // That a leaf stands alone is true of none.
        assert!(
            !err(&checked).contains("warning"),
            "{name}: {}",
            err(&checked)
        );
        let shown = done(&shown);
        assert_eq!(
            shown.matches("signed by the next one").count(),
            1,
            "{name}: {shown}"
        );
        match verdict {
            Ok(cn) => {
                let checked = done(&checked);
                assert!(
                    checked.contains(&format!("CN {cn}, valid until")),
                    "{checked}"
                );
                assert!(shown.contains(&format!("CN={cn}\n")), "{name}: {shown}");
                assert!(!shown.contains("     but "), "{name}: {shown}");
                done(&image);
                let inspected = done(&esptb(path, &["image", "--inspect", "flash.bin"]));
                assert!(
                    inspected.contains(&format!("CN={cn}")),
                    "{name}: {inspected}"
                );
                assert!(inspected.contains("private key"), "{name}: {inspected}");
            }
            Err(named) => {
                failed_at_the_end(&checked, "device.crt: ");
                failed(&image, "device.crt: ");
                let but = shown.lines().find(|line| line.contains("     but "));
                let but = but.unwrap_or_else(|| panic!("{name}: {shown}"));
                for text in named {
                    assert!(err(&checked).contains(text), "{name}: {}", err(&checked));
                    assert!(
                        but.contains(text) || text.starts_with("certificate "),
                        "{name}: {but}"
                    );
                }
                assert!(
                    !err(&checked).contains("damaged"),
                    "{name}: {}",
                    err(&checked)
                );
            }
        }
    }
}

#[test]
fn anchors_that_can_be_used_are_and_the_others_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let device = copy("c02-bom", path);
    for (file, named) in [
        ("good-and-ed25519.pem", Some("Ed25519")),
        ("good-and-name-constraints.pem", Some("nameConstraints")),
        // Nobody asks an anchor who signed it.
        ("good-and-sha1.pem", None),
    ] {
        let chain = field().join("server_chain").join(file);
        fs::copy(chain, path.join("c02-bom/server_chain.pem")).expect("copies");
        let checked = esptb(path, &["pki", "check", &device]);
        done(&checked);
        match named {
            Some(named) => {
                let told = err(&checked);
                assert!(
                    told.contains("server_chain.pem") && told.contains(named),
                    "{told}"
                );
            }
            None => assert_eq!(err(&checked), ""),
        }
    }
}

#[test]
fn text_may_have_a_byte_order_mark_and_is_told_where_it_is_no_utf_8() {
    let folder = with_device();
    let path = folder.path();
    let marked = |text: &str| [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
    let utf_16 = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    };
    let json = r#"{"broker":"mqtts://tb.example","brokr":1}"#;
    let csv = "nvs,data,nvs,0x9000,0x4000\nfactory,app,factory,0x10000,0x140000\nspiffs,data,spiffs,0x290000,0x40000\n";
    fs::write(path.join("partitions.csv"), marked(csv)).expect("writes");
    fs::write(path.join("spiffs_root/settings.json"), marked(json)).expect("writes");
    let checked = esptb(path, &["pki", "check", "spiffs_root"]);
    assert!(
        done(&checked).contains("broker tb.example"),
        "{}",
        out(&checked)
    );
    assert!(
        err(&checked).contains("is broker meant?"),
        "{}",
        err(&checked)
    );
    let image = ["image", "--partitions", "partitions.csv"];
    done(&esptb(path, &image));
    fs::write(path.join("common.json"), marked(r#"{"keep_alive_s":60}"#)).expect("writes");
    done(&esptb(
        path,
        &["pki", "device", "SN-2", "--settings", "common.json"],
    ));

    fs::write(path.join("partitions.csv"), utf_16(csv)).expect("writes");
    failed_at_the_end(&esptb(path, &image), "partitions.csv is no text in UTF-8");
    fs::write(path.join("common.json"), utf_16(json)).expect("writes");
    let device = ["pki", "device", "SN-3", "--settings", "common.json"];
    failed(&esptb(path, &device), "common.json is no text in UTF-8");
    fs::write(path.join("spiffs_root/settings.json"), utf_16(json)).expect("writes");
    failed_at_the_end(
        &esptb(path, &["pki", "check", "spiffs_root"]),
        "settings.json: ",
    );

    // As a spreadsheet saves it.
    let labels = path.join("devices/labels.csv");
    let saved = fs::read_to_string(&labels)
        .expect("labels")
        .replace('\n', "\r\n");
    fs::write(&labels, marked(saved.trim_end())).expect("writes");
    fs::write(path.join("common.json"), "{}").expect("writes");
    done(&esptb(
        path,
        &["pki", "device", "SN-4", "--settings", "common.json"],
    ));
    let labels = fs::read_to_string(&labels).expect("labels");
    assert_eq!(labels.lines().count(), 3, "{labels}");
    assert!(
        labels
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("SN-4,")),
        "{labels}"
    );
}

fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("this test needs openssl: apt-get install openssl");
    assert!(made.status.success(), "{arguments}: {made:?}");
}

#[test]
fn what_has_to_be_converted_is_told_by_file_and_line_or_certificate() {
    let folder = with_device();
    let path = folder.path();
    let files = path.join("spiffs_root");
    let own = fs::read(files.join("device.crt")).expect("there");
    openssl(
        &files,
        "x509 -in device.crt -trustout -addtrust clientAuth -out trusted.crt",
    );
    fs::rename(files.join("trusted.crt"), files.join("device.crt")).expect("renames");
    for command in [
        &["pki", "check", "spiffs_root"][..],
        &["image"],
        &["pki", "show", "spiffs_root"],
    ] {
        let told = esptb(path, command);
        failed_at_the_end(&told, "in line 1 begins a TRUSTED CERTIFICATE");
        assert!(err(&told).contains("device.crt: ") && err(&told).contains("openssl x509 -in"));
    }
    fs::write(files.join("device.crt"), own).expect("writes");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -nodes";
    openssl(
        &files,
        &format!("req -x509 -subj /CN=SN-1 -days 30 {key} -keyout device.key -out device.crt"),
    );
    for command in [&["pki", "check", "spiffs_root"][..], &["image"]] {
        let told = esptb(path, command);
        failed_at_the_end(
            &told,
            "device.crt: certificate 1 tells its curve by parameters",
        );
        assert!(err(&told).contains("named_curve"), "{}", err(&told));
    }
    let shown = done(&esptb(path, &["pki", "show", "spiffs_root"]));
    assert!(
        shown.contains("but        it tells its curve by parameters"),
        "{shown}"
    );
}

#[test]
fn a_ca_that_would_issue_what_no_device_takes_issues_nothing() {
    for (kind, named) in [
        ("ed25519", "Ed25519"),
        ("ec -pkeyopt ec_paramgen_curve:P-521", "P-521"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::create_dir(path.join("ca")).expect("makes");
        let ca = path.join("ca");
        let new = format!("-newkey {kind} -nodes -days 30");
        openssl(
            &ca,
            &format!("req -x509 -subj /CN=Root {new} -keyout root.key -out root.crt"),
        );
        openssl(
            &ca,
            &format!(
                "req -x509 -subj /CN=Sub {new} -addext basicConstraints=critical,CA:TRUE -CA root.crt \
                 -CAkey root.key -keyout intermediate.key -out intermediate.crt"
            ),
        );
        for root_key in [true, false] {
            if !root_key {
                fs::remove_file(ca.join("root.key")).expect("removes");
            }
            for command in [
                &["pki", "device", "SN-1"][..],
                &["pki", "server", "localhost"],
                &["pki", "device", "SN-1", "--missing"],
            ] {
                let told = esptb(path, command);
                failed(&told, named);
                assert!(
                    err(&told).contains("root.crt: certificate 1"),
                    "{}",
                    err(&told)
                );
            }
        }
        assert!(!path.join("devices/SN-1").exists());
        assert!(done(&esptb(path, &["pki", "show", "ca"])).contains(named));
    }
}

#[test]
fn a_folder_of_devices_is_checked_and_shown_with_its_labels_beside() {
    let folder = with_device();
    let path = folder.path();
    let device = [
        "pki",
        "device",
        "SN-2",
        "SN-3",
        "--broker",
        "mqtts://tb.example",
    ];
    done(&esptb(path, &device));
    let all = done(&esptb(path, &["pki", "check", "devices"]));
    assert!(
        all.contains("good devices/SN-2: CN SN-2") && all.contains("good devices/SN-3"),
        "{all}"
    );
    // What the shell makes of devices/*.
    let named = ["devices/SN-2", "devices/SN-3", "devices/labels.csv"];
    let checked = esptb(path, &[&["pki", "check"][..], &named].concat());
    assert_eq!(done(&checked), all);
    assert!(
        err(&checked).contains("passed over devices/labels.csv"),
        "{}",
        err(&checked)
    );
    failed(
        &esptb(path, &["pki", "check", "devices/labels.csv"]),
        "no folder",
    );
    failed_at_the_end(&esptb(path, &["pki", "check", "nowhere"]), "nowhere");

    let one = done(&esptb(path, &["pki", "show", "devices/SN-2"]));
    for text in [
        "devices/SN-2/device.crt\n",
        "devices/SN-2/server_chain.pem\n",
        "1. CN=SN-2\n",
    ] {
        assert!(one.contains(text), "{one}");
    }
    let both = done(&esptb(path, &["pki", "show", "devices"]));
    assert!(
        both.contains("CN=SN-2\n") && both.contains("CN=SN-3\n"),
        "{both}"
    );
    fs::create_dir(path.join("empty")).expect("makes");
    failed(&esptb(path, &["pki", "show", "empty"]), "empty");
    fs::write(path.join("devices/SN-3/device.key"), "x").expect("writes");
    failed_at_the_end(
        &esptb(path, &["pki", "check", "devices"]),
        "1 of 2 would be refused",
    );
}

/// RFC 5280, 4.1.2.5: both ends are included.
#[test]
fn a_certificate_is_good_for_its_last_second() {
    let folder = with_device();
    let path = folder.path();
    let end = Command::new("openssl")
        .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601"])
        .args(["-in", "spiffs_root/device.crt"])
        .current_dir(path)
        .output()
        .expect("openssl");
    let end = out(&end);
    let end = end
        .trim()
        .trim_start_matches("notAfter=")
        .trim_end_matches('Z');
    assert_eq!(end.len(), "2046-11-18 00:00:00".len(), "{end}");
    let checked = done(&esptb(path, &["pki", "check", "spiffs_root"]));
    assert!(
        checked.contains(&format!("valid until {end}")),
        "{checked} {end}"
    );
    let shown = done(&esptb(path, &["pki", "show", "spiffs_root/device.crt"]));
    assert!(shown.contains(&format!(" to {end}")), "{shown} {end}");
}
