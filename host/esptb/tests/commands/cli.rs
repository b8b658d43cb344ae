//! The command line from outside: what it prints, where, and with which exit code.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::{done, err, esptb, esptb_with, failed, failed_at_the_end, out, with_device};

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
        "pki sign-request",
        "image",
        "firmware",
        "firmware key",
        "firmware sign",
        "firmware verify",
        "firmware show",
        "flash",
        "monitor",
        "board-report",
        "simulate",
        "provision",
        "conformance",
        "factory",
        "factory run",
        "serve",
        "tb",
        "tb rollout",
        "tb renew",
        "tb anchors",
        "tb login",
        "tb logout",
        "tb servers",
        "tb setup",
        "tb devices",
        "tb status",
        "tb watch",
        "doctor",
        "completions",
        "man",
        "new",
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
        &["tb", "devices"],
        &["tb", "login", "desk", "tb.example.com"],
        &["tb", "login", "desk", "http://user:password@tb.example.com"],
        &["doctor"],
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

/// Where each shell, and `man`, look for what a user has installed.
#[test]
fn completions_and_man_pages_are_installed_for_this_user() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().to_str().expect("a path");
    let install = |arguments: &[&str], shell: &str| {
        let variables = [
            ("HOME", folder),
            ("SHELL", shell),
            ("XDG_DATA_HOME", ""),
            ("XDG_CONFIG_HOME", ""),
        ];
        esptb_with(home.path(), arguments, &variables)
    };
    let complete = ["completions", "--install"];
    for (shell, path) in [
        (
            "/bin/bash",
            ".local/share/bash-completion/completions/esptb",
        ),
        ("/usr/bin/zsh", ".zfunc/_esptb"),
        ("/usr/bin/fish", ".config/fish/completions/esptb.fish"),
    ] {
        done(&install(&complete, shell));
        let script = fs::read_to_string(home.path().join(path)).expect("a script");
        assert!(script.contains("rollout"), "{shell}");
    }
    failed(&install(&complete, "/bin/other"), "name it");
    failed(
        &install(&["completions", "powershell", "--install"], ""),
        "your profile",
    );
    done(&install(&["man", "--install"], ""));
    let page = home.path().join(".local/share/man/man1/esptb-tb-rollout.1");
    assert!(page.is_file());
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

    // Other programs have its ports by now: the world moves, and the flash is told.
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    let port = |name: &str| u16::try_from(record[name].as_u64().expect(name)).expect(name);
    let _tcp = TcpListener::bind(("127.0.0.1", port("mqtt_port"))).expect("the server's port");
    let _udp = UdpSocket::bind(("127.0.0.1", port("sntp_port"))).expect("the time server's");
    let third = done(&esptb(
        path,
        &["demo", "--headless", "--for", "2s", "--reboot"],
    ));
    assert!(third.contains("one every second"), "{third}");
    assert!(!third.contains("provisioning.started"), "{third}");
}

/// A fleet that is switched on at once: more handshakes than MbedTLS has key slots.
#[test]
fn a_fleet_that_is_switched_on_at_once_has_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = [
        "simulate",
        "--count",
        "100",
        "--ramp",
        "100000",
        "--workers",
        "1",
    ];
    let output = esptb(
        folder.path(),
        &[&fleet[..], &["--for", "1s", "--json"]].concat(),
    );
    let summary: serde_json::Value = serde_json::from_str(&done(&output)).expect("a summary");
    assert_eq!(summary["failures"], 0, "{summary}");
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
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().expect("a folder");
    done(&esptb(folder.path(), &["man", "man1"]));
    for (page, says) in [
        ("esptb.1", "doctor"),
        ("esptb-serve.1", "limit"),
        ("esptb-tb-setup.1", "dashboard"),
    ] {
        let text = fs::read_to_string(folder.path().join("man1").join(page)).expect("a page");
        assert!(
            text.contains(".TH ") && text.contains(".SH NAME") && text.contains(says),
            "{page}"
        );
    }
}
