//! The command line from outside: what it prints, where, and with which exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program with these arguments in a folder, without a terminal and without whatever the
/// environment says about secrets and colours.
fn esptb(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_esptb"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("ESPTB_POP")
        .env_remove("ESPTB_PASSPHRASE")
        .env_remove("ESPTB_PORT")
        .env_remove("ESPTB_WIFI")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        out(output),
        err(output)
    );
    out(output)
}

/// A failure: exit code 1, and an error that says this.
#[track_caller]
fn failed(output: &Output, text: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", err(output));
    assert!(err(output).starts_with("error: "), "{}", err(output));
    assert!(err(output).contains(text), "{}", err(output));
}

/// A failure after lines of how it came about.
#[track_caller]
fn failed_at_the_end(output: &Output, text: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", err(output));
    assert!(err(output).contains(text), "{}", err(output));
}

/// A folder with a CA and the files of a device.
fn with_device() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    done(&esptb(folder.path(), &["pki", "init"]));
    done(&esptb(
        folder.path(),
        &["pki", "device", "SN-1", "--out", "."],
    ));
    fs::rename(
        folder.path().join("SN-1"),
        folder.path().join("spiffs_root"),
    )
    .expect("renames");
    folder
}

/// The help is documentation: what stands in `tests/help` is what the program prints. To accept
/// what it prints now, run the tests with `UPDATE_HELP=1` and look at the difference.
#[test]
fn the_help_is_what_was_agreed_on() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    let here = Path::new(".");
    let commands = [
        "",
        "demo",
        "pki",
        "pki init",
        "pki server",
        "pki device",
        "pki show",
        "pki check",
        "image",
        "flash",
        "monitor",
        "board-report",
        "simulate",
        "provision",
        "conformance",
        "serve",
        "completions",
    ];
    for command in commands {
        let mut arguments: Vec<_> = command.split_whitespace().collect();
        arguments.push("--help");
        let help = done(&esptb(here, &arguments));
        let name = if command.is_empty() { "esptb" } else { command };
        let file = golden.join(format!("{}.txt", name.replace(' ', "-")));
        if std::env::var_os("UPDATE_HELP").is_some() {
            fs::create_dir_all(&golden).expect("a folder");
            fs::write(&file, &help).expect("writes");
        }
        let agreed = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            help,
            agreed,
            "esptb {command} --help, against {}",
            file.display()
        );
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{command}: too wide"
        );
    }
}

#[test]
fn wrong_arguments_are_told_from_failures() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["demo", "--for", "soon"][..],
        &["demo", "--reboot", "--mistakes"],
        &["simulate"],
        &["flash"],
        &["flash", "flash.bin", "--app", "firmware"],
        &["image", "--inspect", "flash.bin", "--out", "flash.bin"],
        &["image", "--json"],
        &["image", "--batch", "devices", "--json"],
        &["simulate", "--flash", "flash.bin", "--broker", "mqtt://x"],
        &["simulate", "--count", "1", "--interval", "1ms"],
        &["simulate", "--count", "1", "--workers", "0"],
        &["conformance", "no-such-case"],
        &["provision", "--ssid", ""],
        &["provision", "--ssid", "home", "--passphrase", "short"],
        &["image", "--chip", "c3"],
        &["provision", "--security", "3"],
        &["provision", "--hci", "usb"],
        &["provision", "--passphrase", "without a network"],
        &["serve", "--mqtt", "8883"],
        &["no-such-command"],
    ] {
        let output = esptb(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(out(&output).is_empty() && !err(&output).is_empty());
    }
}

#[test]
fn every_error_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    failed(&esptb(path, &["pki", "device", "SN-1"]), "esptb pki init");
    failed(&esptb(path, &["image"]), "--spiffs");
    failed(
        &esptb(path, &["simulate", "--flash", "flash.bin"]),
        "esptb image",
    );
    failed(&esptb(path, &["serve"]), "esptb pki server");
    failed(&esptb(path, &["demo", "--reboot"]), "without --reboot");
    failed(
        &esptb(path, &["provision", "--hci", "virtual"]),
        "esptb simulate --air",
    );
    failed(
        &esptb(path, &["provision", "--hci", "tcp:127.0.0.1:1"]),
        "check the address",
    );
    fs::write(path.join("noise.bin"), [0x55; 5000]).expect("writes");
    failed(
        &esptb(path, &["image", "--inspect", "noise.bin"]),
        "nor SPIFFS",
    );
    failed(
        &esptb(path, &["simulate", "--flash", "noise.bin"]),
        "multiple of 4096",
    );
    fs::write(path.join("blank.bin"), [0xff; 0x9000]).expect("writes");
    failed(
        &esptb(path, &["simulate", "--flash", "blank.bin"]),
        "blank.bin: partition table (`esptb image` makes a whole flash",
    );
    fs::create_dir(path.join("demo")).expect("a folder");
    fs::write(path.join("demo/thesis.txt"), "mine").expect("writes");
    failed(&esptb(path, &["demo", "--headless"]), "--dir");
}

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
fn colours_are_for_terminals() {
    let folder = with_device();
    let show = ["pki", "show", "ca/root.crt"];
    assert!(!done(&esptb(folder.path(), &show)).contains('\x1b'));
    let mut always = vec!["--color", "always"];
    always.extend(show);
    assert!(done(&esptb(folder.path(), &always)).contains('\x1b'));
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(&esptb(Path::new("."), &["completions", shell]));
        for command in [
            "demo",
            "pki",
            "image",
            "flash",
            "monitor",
            "board-report",
            "simulate",
            "provision",
            "serve",
        ] {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(!script.contains("fleet-worker"), "{shell}");
    }
}

#[test]
fn a_simulated_device_shows_its_code_and_keeps_its_flash() {
    let folder = with_device();
    let path = folder.path();
    fs::write(
        path.join("spiffs_root/settings.json"),
        r#"{"provisioning":{"pop":"abcd1234"}}"#,
    )
    .expect("writes");
    done(&esptb(path, &["image"]));
    let simulate = [
        "simulate",
        "--flash",
        "flash.bin",
        "--mac",
        "24:0A:C4:1A:2B:3C",
        "--headless",
    ];
    let mut arguments = simulate.to_vec();
    arguments.extend(["--for", "1s", "--broker", "mqtts://127.0.0.1:1"]);
    let told = done(&esptb(path, &arguments));
    for text in [
        "boot ",
        "no network is known yet",
        "advertising as PROV_1A2B3C",
        r#""pop":"abcd1234""#,
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    // What was given by the command line is for the device's eyes only.
    let flash = fs::read(path.join("flash.bin")).expect("a flash");
    assert!(!flash.windows(11).any(|bytes| bytes == b"127.0.0.1:1"));
}

/// The whole of it: first life and second life, as a script would run them.
#[test]
fn the_demo_goes_from_blank_flash_to_telemetry_and_again_after_a_reboot() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let first = done(&esptb(
        path,
        &["demo", "--headless", "--for", "3s", "--mistakes"],
    ));
    for text in [
        "provisioning.failed", // the passphrase that was mistyped
        "provisioning.done",
        "bluetooth.stopped",
        "clock.set",
        "cloud.tls",
        "cloud.online",
        "telemetry: temperature",
        "one every second",
    ] {
        assert!(first.contains(text), "{text}: {first}");
    }
    let record = fs::read_to_string(path.join("demo/demo.json")).expect("a record");
    let proof = record
        .split("\"proof\": \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    assert!(
        !first.contains(proof.expect("a proof")),
        "the proof of possession is in the lines"
    );

    let second = done(&esptb(
        path,
        &["demo", "--headless", "--for", "3s", "--reboot"],
    ));
    assert!(
        second.contains("second life") && second.contains("one every second"),
        "{second}"
    );
    assert!(!second.contains("provisioning.started"), "{second}");
}

/// A broker that is not there: the run ends all the same, and says who did not come.
#[test]
fn a_fleet_that_cannot_connect_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    done(&esptb(folder.path(), &["pki", "init"]));
    let fleet = ["simulate", "--count", "2", "--json"];
    let limits = ["--for", "100ms", "--online-within", "1s"];
    let broker = ["--broker", "mqtts://127.0.0.1:1"];
    let output = esptb(folder.path(), &[&fleet[..], &limits, &broker].concat());
    failed_at_the_end(&output, "2 of 2 devices did not come online");
    assert!(out(&output).contains(r#""absent": 2"#), "{}", out(&output));
}

/// Nobody reads: a reason to end, and nobody to tell it.
#[test]
fn an_output_that_is_closed_is_no_failure() {
    let folder = with_device();
    let path = folder.path();
    done(&esptb(path, &["image"]));
    let console = path.join("console.log");
    fs::write(&console, "31 boot started\n3200 cloud.online online\n").expect("writes");
    let report = [
        "board-report",
        "--json",
        "--port",
        "-",
        "--until",
        "cloud.online",
    ];
    let simulate = [
        "simulate",
        "--flash",
        "flash.bin",
        "--headless",
        "--for",
        "3s",
    ];
    let fleet = ["simulate", "--count", "1", "--for", "100ms", "--json"];
    let closed: [&[&str]; 6] = [
        &["conformance", "--list"],
        &["pki", "show", "ca/root.crt"],
        &["image", "--inspect", "flash.bin"],
        &report,
        &simulate,
        &fleet,
    ];
    for arguments in closed {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_esptb"))
            .args(arguments)
            .current_dir(path)
            .stdin(fs::File::open(&console).expect("opens"))
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .expect("the program starts");
        let told = err(&output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
        assert!(
            !told.contains("panicked") && !told.contains("error:"),
            "{told}"
        );
    }
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
