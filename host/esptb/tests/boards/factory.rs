//! `esptb factory` with emulated boards: from the boot ROM, by the helper, to the first start of the
//! device's own code from the flash that was written.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use jig::blank;
use serde_json::Value;
use tempfile::TempDir;

use super::board::on_jig;
use super::common::app_bytes;
use super::{done, err, esptb, failed, out};

/// A folder with a CA and an app.
pub(crate) fn plant() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    done(&esptb(path, &["pki", "init"]).output().expect("starts"));
    done(&esptb(path, &["firmware", "key"]).output().expect("starts"));
    fs::write(path.join("app.bin"), app_bytes(0x3010)).expect("writes");
    folder
}

pub(crate) const RUN: [&str; 8] = [
    "factory",
    "run",
    "--app",
    "app.bin",
    "--chip",
    "esp32c3",
    "--broker",
    "mqtts://tb.example.com",
];

fn list(path: &Path) -> Value {
    let output = esptb(path, &["factory", "list", "--json"]).output();
    serde_json::from_str(&done(&output.expect("starts"))).expect("JSON")
}

fn serials(told: &Value) -> Vec<&str> {
    let boards = told["boards"].as_array().expect("boards");
    let serials = boards.iter().map(|board| board["serial"].as_str());
    serials
        .map(|serial| serial.expect("a serial number"))
        .collect()
}

/// A file in the SPIFFS of a flash.
pub(crate) fn file(flash: &[u8], name: &str) -> Vec<u8> {
    let table = flashimage::PartitionTable::from_image(flash).expect("a table");
    let partition = table.spiffs().expect("SPIFFS");
    let start = partition.offset as usize;
    let bytes = &flash[start..start + partition.size as usize];
    let whole = spiffs::Partition::whole(partition.size);
    let mut volume = spiffs::Spiffs::mount(spiffs::Image(bytes), whole, None).expect("a volume");
    volume.read_to_vec(name).expect("the file")
}

#[test]
fn boards_at_two_ports_get_numbers_flashes_and_labels_of_their_own() {
    let folder = plant();
    let path = folder.path();
    let first = on_jig(vec![blank(1), blank(2)]);
    let second = on_jig(vec![blank(3)]);
    let printer = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = printer.local_addr().expect("an address").to_string();
    let prints = thread::spawn(move || {
        (0..3).fold(String::new(), |mut printed, _| {
            let (mut stream, _) = printer.accept().expect("a label");
            stream.read_to_string(&mut printed).expect("ZPL");
            printed
        })
    });
    let mut arguments = RUN.to_vec();
    arguments.extend(["--count", "3", "--wait", "60s", "--printer", &address]);
    arguments.extend(["--port", first.port(), "--port", second.port()]);
    let output = esptb(path, &arguments).output().expect("starts");
    let told = done(&output);
    assert_eq!(
        told.matches("done SN-00000").count(),
        3,
        "{told}{}",
        err(&output)
    );

    let told = list(path);
    assert_eq!(serials(&told), ["SN-000001", "SN-000002", "SN-000003"]);
    assert_eq!(told["account"]["done"], 3);
    assert_eq!(told["account"]["unfinished"], Value::Array(Vec::new()));
    let flashes: Vec<_> = first.boards().into_iter().chain(second.boards()).collect();
    let mut owners = BTreeSet::new();
    let maker = fs::read(path.join("maker/firmware_key.pem")).expect("a key");
    for (tail, rom) in (1..).zip(&flashes) {
        let mac = format!("24:0A:C4:00:00:{tail:02X}");
        let boards = told["boards"].as_array().expect("boards");
        let board = boards
            .iter()
            .find(|board| board["mac"] == *mac)
            .expect("it");
        assert_eq!(board["stage"], "done");
        let serial = board["serial"].as_str().expect("a number");
        let report = flashimage::inspect(&rom.flash)
            .expect("a flash")
            .to_string();
        assert!(report.contains(&format!("CN={serial}")), "{report}");
        // Updates over the air are the maker's: his key is there, whom the device's own code asks for it.
        assert_eq!(file(&rom.flash, "firmware_key.pem"), maker);
        let label = fs::read_to_string(path.join(format!("labels/{serial}.txt"))).expect("a label");
        assert!(
            label.contains(&mac) && label.contains(&format!("PROV_0000{tail:02X}")),
            "{label}"
        );
        let settings = fs::read_to_string(path.join(format!("devices/{serial}/settings.json")));
        let settings: Value = serde_json::from_str(&settings.expect("settings")).expect("JSON");
        let proof = settings["provisioning"]["pop"].as_str().expect("a proof");
        assert!(label.contains(&format!("\"pop\":\"{proof}\"")), "{label}");
        let pdf = fs::read(path.join(format!("labels/{serial}.pdf"))).expect("a PDF");
        assert!(pdf.starts_with(b"%PDF"));
        assert!(!err(&output).contains(proof) && !out(&output).contains(proof));
        owners.insert(serial.to_owned());
    }
    assert_eq!(owners.len(), 3);
    let printed = prints.join().expect("prints");
    assert_eq!(printed.matches("^XZ").count(), 3);
    assert!(
        owners
            .iter()
            .all(|serial| printed.contains(serial.as_str()))
    );
}

#[test]
fn a_board_goes_on_with_its_number_after_an_interruption() {
    let folder = plant();
    let path = folder.path();
    let jig = on_jig(vec![blank(9), blank(8)]);
    let mut arguments = RUN.to_vec();
    arguments.extend([
        "--count",
        "1",
        "--wait",
        "60s",
        "--first",
        "A-07",
        "--port",
        jig.port(),
    ]);
    let mut killed = esptb(path, &arguments)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("starts");
    let made = path.join("devices/A-07/settings.json");
    let end = Instant::now() + Duration::from_secs(60);
    while !made.exists() {
        assert!(Instant::now() < end, "no settings were made");
        thread::sleep(Duration::from_millis(5));
    }
    killed.kill().expect("is killed");
    killed.wait().expect("ends");
    let certificate = fs::read(path.join("devices/A-07/device.crt")).expect("a certificate");
    let told = list(path);
    assert_eq!(told["account"]["unfinished"][0], "A-07");

    let output = esptb(path, &arguments).output().expect("starts");
    assert!(done(&output).contains("done A-07"), "{}", err(&output));
    let output = esptb(path, &arguments).output().expect("starts");
    assert!(done(&output).contains("done A-08"), "{}", err(&output));
    let kept = fs::read(path.join("devices/A-07/device.crt")).expect("a certificate");
    assert_eq!(
        kept, certificate,
        "no second certificate for the same number"
    );
    let told = list(path);
    assert_eq!(serials(&told), ["A-07", "A-08"]);
    assert_eq!(told["boards"][0]["mac"], "24:0A:C4:00:00:09");
    assert_eq!(told["visits"][2]["outcome"], "interrupted");
    assert_eq!(jig.boards().len(), 2);
}

#[test]
fn a_bad_board_keeps_its_number_and_is_accounted_for() {
    let folder = plant();
    let path = folder.path();
    let mut worn = blank(4);
    worn.worn = Some(0x1_0200);
    let jig = on_jig(vec![worn, blank(5)]);
    let mut arguments = RUN.to_vec();
    arguments.extend(["--count", "1", "--wait", "60s", "--port", jig.port()]);
    let output = esptb(path, &arguments).output().expect("starts");
    failed(&output, "reads back differently");
    assert!(
        err(&output).contains("SN-000001: writing failed"),
        "{}",
        err(&output)
    );
    assert!(out(&output).contains("done SN-000002"), "{}", out(&output));
    let run = |arguments: &[&str]| esptb(path, arguments).output().expect("starts");
    let table = done(&run(&["factory", "list", "--unfinished"]));
    assert!(
        table.contains("certified") && !table.contains("SN-000002"),
        "{table}"
    );
    let reason = ["factory", "scrap", "SN-000001", "--reason", "worn flash"];
    done(&run(&reason));
    let csv = run(&["factory", "list", "--format", "csv"]);
    assert!(done(&csv).contains("scrapped") && err(&csv).contains("1 scrapped, 0 unfinished"));
    done(&run(&["factory", "label", "24:0a:c4:00:00:05"]));
    failed(
        &run(&["factory", "scrap", "SN-4", "--reason", "x"]),
        "no board SN-4",
    );
    jig.boards();
}

#[test]
fn what_is_missing_is_told_before_a_board_is_touched() {
    let folder = plant();
    let path = folder.path();
    let run = |arguments: &[&str]| esptb(path, arguments).output().expect("starts");
    let without = [
        "factory", "run", "--app", "app.bin", "--chip", "esp32c3", "--port", "x",
    ];
    failed(&run(&without), "--broker or --settings");
    let with = |more: &[&str]| run(&[&RUN[..], &["--port", "tcp:127.0.0.1:1"], more].concat());
    failed(&with(&["--ca", "nowhere"]), "no usable CA in nowhere");
    failed(&with(&["--first", "SN"]), "ends in digits");
    failed(
        &run(&["factory", "list"]),
        "there is no ledger factory.sqlite",
    );
    fs::write(path.join("none.pem"), "no key").expect("writes");
    failed(
        &with(&["--firmware-key", "none.pem"]),
        "no public key in PEM",
    );
    // A number that was given by hand is not given to a board.
    done(&run(&["pki", "device", "SN-000001"]));
    let jig = on_jig(vec![blank(6)]);
    let mut arguments = RUN.to_vec();
    arguments.extend(["--wait", "3s", "--port", jig.port()]);
    failed(&run(&arguments), "a device of that name was made already");
    assert_eq!(jig.boards()[0].written, 0);
}
