//! What works on boards, on boards that are made up: a console, and a boot ROM, behind
//! pseudo-terminals and TCP. Unix only, as pseudo-terminals are.
#![cfg(unix)]

mod board;
#[path = "../../../flashimage/tests/common/mod.rs"]
mod common;
mod factory;
mod seal;
mod shipped;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use board::{PowerOn, console};
use common::{app_bytes, chip};
use jig::Rom;
use tempfile::TempDir;

fn esptb(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_esptb"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("CLICOLOR_FORCE")
        .env_remove("ESPTB_PORT")
        .env_remove("ESPTB_WIFI")
        .stdin(Stdio::null());
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", out(output), err(output));
    out(output)
}

/// Exit code 1, and an error that says this.
#[track_caller]
fn failed(output: &Output, text: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", err(output));
    assert!(err(output).contains(text), "{text}: {}", err(output));
}

/// A folder with an image that boots, the app in it, and a device's files.
fn with_image() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let run = |arguments: &[&str]| done(&esptb(path, arguments).output().expect("starts"));
    run(&["pki", "init"]);
    run(&["pki", "device", "SN-1", "SN-2"]);
    fs::write(path.join("app.bin"), app_bytes(0x3010)).expect("writes");
    run(&[
        "image",
        "--chip",
        &chip().to_string(),
        "--app",
        "app.bin",
        "--spiffs",
        "devices/SN-1",
        "--wifi",
        "home:correct horse",
        "--out",
        "flash.bin",
    ]);
    folder
}

/// What `esptb simulate --headless` and the firmware print, in the firmware's form.
const CONSOLE: &str = "\
ESP-ROM:esp32c3-api1-20210207\r
I (24) boot: ESP-IDF v5.4.1 2nd stage bootloader\r
      31 boot started (power-on), a network is known\r
      60 credentials.proven credentials of SN-1 proven, good until 2046-11-18 00:00:00\r
      90 wifi.joining joining \"home\", attempt 1\r
    1900 wifi.joined joined as 10.0.0.7, -50 dBm\r
    2000 clock.set 2026-11-22 20:00:00 UTC, from the time server\r
    2010 cloud.connecting connecting to tb.example:8883, attempt 1\r
    2500 telemetry.sampled 21.0 \u{b0}C 50000 B free at 2500 ms\r
    3010 cloud.tls TLS 1.2\r
    3100 cloud.online online\r
    3200 telemetry.acknowledged 2 samples acknowledged, 0 waiting\r
";

#[test]
fn a_console_is_shown_until_an_event() {
    let here = Path::new(".");
    let port = console(CONSOLE);
    let arguments = ["monitor", "--port", port.name(), "--until", "cloud.online"];
    let output = esptb(here, &arguments).output().expect("starts");
    let shown = done(&output);
    assert!(shown.contains("ESP-ROM:"), "{shown}");
    assert!(
        shown.contains("    1900 wifi.joined            joined as 10.0.0.7"),
        "{shown}"
    );
    assert!(!shown.contains("telemetry.acknowledged"), "{shown}");
    // A pseudo-terminal cannot reset anything.
    assert!(err(&output).contains("press RESET"), "{}", err(&output));
}

#[test]
fn a_start_is_measured() {
    let port = console(CONSOLE);
    let arguments = [
        "board-report",
        "--no-reset",
        "--json",
        "--port",
        port.name(),
    ];
    let output = esptb(Path::new("."), &arguments).output().expect("starts");
    let report: serde_json::Value = serde_json::from_str(&done(&output)).expect("JSON");
    let took = |event: &str| {
        let phases = report["phases"].as_array().expect("phases");
        let phase = phases.iter().find(|phase| phase["event"] == event);
        phase.map(|phase| phase["took_ms"].clone())
    };
    assert_eq!(took("wifi.joined"), Some(1810.into()));
    assert_eq!(took("cloud.tls"), Some(1000.into()));
    assert_eq!(report["sums"][2]["took_ms"], 3200);
    assert_eq!(report["heap_least"], 50_000);

    let port = console(CONSOLE);
    let arguments = ["board-report", "--no-reset", "--port", port.name()];
    let table = done(&esptb(Path::new("."), &arguments).output().expect("starts"));
    assert!(
        table.contains("broker: TCP and TLS") && table.contains("50000"),
        "{table}"
    );
}

/// The simulator's own console, which is the device's, through a pipe.
#[test]
fn the_simulators_console_is_measured_too() {
    let folder = with_image();
    let path = folder.path();
    let arguments = [
        "simulate",
        "--flash",
        "flash.bin",
        "--headless",
        "--for",
        "1s",
    ];
    let simulated = esptb(path, &arguments).output().expect("starts");
    fs::write(path.join("console.txt"), out(&simulated)).expect("writes");
    let arguments = ["board-report", "--port", "-", "--until", "wifi.joining"];
    let mut report = esptb(path, &arguments);
    report.stdin(fs::File::open(path.join("console.txt")).expect("opens"));
    let table = done(&report.output().expect("starts"));
    assert!(table.contains("start of the app"), "{table}");
}

#[test]
fn a_board_gets_an_image_and_keeps_its_nvs() {
    let folder = with_image();
    let path = folder.path();
    let image = fs::read(path.join("flash.bin")).expect("an image");
    let mut rom = Rom::blank();
    rom.flash[0x9000..0xD000].fill(0x11);
    let rom = rom.power_on();
    let flash = ["flash", "flash.bin", "--no-reset", "--port", rom.name()];
    let output = esptb(path, &flash).output().expect("starts");
    assert!(done(&output).contains("verified"), "{}", err(&output));
    assert!(
        err(&output).contains("--nvs replaces it"),
        "{}",
        err(&output)
    );
    assert!(!err(&output).contains("correct horse"));
    let rom = rom.power_off();
    assert!(rom.stub, "the helper was used");
    assert!(rom.flash[0x9000..0xD000].iter().all(|&byte| byte == 0x11));
    assert!(rom.flash[..0x9000] == image[..0x9000] && rom.flash[0xD000..] == image[0xD000..]);

    // Nothing is written twice; NVS only when asked for.
    let written = rom.written;
    let rom = rom.power_on();
    let mut arguments = vec!["flash", "flash.bin", "--nvs", "--no-reset"];
    arguments.extend(["--port", rom.name()]);
    done(&esptb(path, &arguments).output().expect("starts"));
    let rom = rom.power_off();
    assert!(rom.flash == image);
    assert_eq!(rom.written - written, 0x4000);
}

#[test]
fn parts_go_where_the_boards_own_table_has_them() {
    let folder = with_image();
    let path = folder.path();
    let image = fs::read(path.join("flash.bin")).expect("an image");
    let mut rom = Rom::blank();
    rom.flash.copy_from_slice(&image);
    rom.flash[0xD000] = 0;
    let rom = rom.power_on();
    fs::write(path.join("new.bin"), app_bytes(0x5000)).expect("writes");
    let arguments = [
        "flash",
        "--app",
        "new.bin",
        "--spiffs",
        "devices/SN-2",
        "--no-reset",
        "--no-stub",
        "--baud",
        "115200",
        "--port",
        rom.name(),
    ];
    done(&esptb(path, &arguments).output().expect("starts"));
    let mut rom = rom.power_off();
    assert!(!rom.stub, "without the helper, as asked");
    assert_eq!(rom.flash[0x1_0000..0x1_5000], app_bytes(0x5000));
    assert_eq!(rom.flash[0xD000], 0xFF, "the new app starts");
    let report = flashimage::inspect(&rom.flash).expect("a flash");
    assert_eq!(report.faults, [""; 0]);
    assert!(report.to_string().contains("CN=SN-2"));

    // Another table: the parts have no place.
    rom.flash[0x8000] = 0;
    let rom = rom.power_on();
    let mut arguments = vec!["flash", "--app", "new.bin", "--no-reset", "--port"];
    arguments.push(rom.name());
    let output = esptb(path, &arguments).output().expect("starts");
    failed(&output, "another partition table");
}

#[test]
fn what_a_board_would_not_start_is_refused_before_writing() {
    let folder = with_image();
    let path = folder.path();
    let refused = |change: fn(&mut Rom), why: &str| {
        let mut rom = Rom::blank();
        change(&mut rom);
        let rom = rom.power_on();
        let arguments = ["flash", "flash.bin", "--no-reset", "--port", rom.name()];
        let output = esptb(path, &arguments).output().expect("starts");
        failed(&output, why);
        assert_eq!(rom.power_off().written, 0, "{why}");
    };
    refused(
        |rom| rom.chip_id = 13,
        "the board is an esp32c6, this is for esp32c3",
    );
    refused(|rom| rom.revision = 1, "of revision 0.1, this is for 0.3");
    refused(|rom| rom.security_flags = 1, "secure boot");
    refused(|rom| rom.encryption = 0b111, "encrypted");
    refused(|rom| rom.flash_id = 0x15_4020, "flash at 0x200000");

    fs::write(path.join("noise.bin"), [0x55; 5000]).expect("writes");
    let run = |arguments: &[&str]| esptb(path, arguments).output().expect("starts");
    failed(&run(&["flash", "noise.bin"]), "no whole flash");
    let without = ["image", "--spiffs", "devices/SN-1", "--out", "without.bin"];
    done(&run(&without));
    failed(&run(&["flash", "without.bin"]), "it has no bootloader");
    failed(
        &run(&["flash", "flash.bin", "--port", "/dev/no-such-port"]),
        "there is no port",
    );
    failed(&run(&["flash", "--spiffs", "app.bin"]), "--spiffs-out");
}

#[test]
fn flash_that_does_not_keep_what_is_written_is_noticed() {
    let folder = with_image();
    let mut rom = Rom::blank();
    rom.worn = Some(0x1_0200);
    let rom = rom.power_on();
    let arguments = ["flash", "flash.bin", "--no-reset", "--port", rom.name()];
    let output = esptb(folder.path(), &arguments).output().expect("starts");
    failed(&output, "reads back differently");
}
