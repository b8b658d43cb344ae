//! What `esptb tb devices` and `status` find out beyond what the server has at hand: what waits in a
//! device, and where one crashed.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::desk::Desk;
use crate::program::{begun, done, failed};

/// A device with a token tells attributes of itself, by MQTT 3.1.1 as it is on the wire.
fn tell(broker: SocketAddr, token: &str, attributes: &str) {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let packet = |kind: u8, body: &[u8]| {
        let length = match body.len() {
            short @ 0..0x80 => vec![short as u8],
            long => vec![long as u8 | 0x80, (long >> 7) as u8],
        };
        [&[kind][..], &length, body].concat()
    };
    let mut stream = TcpStream::connect(broker).expect("it listens");
    let flags = b"\x00\x04MQTT\x04\x82\x00\x3c";
    let connect = [&flags[..], &text("teller"), &text(token)].concat();
    stream.write_all(&packet(0x10, &connect)).expect("sent");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("CONNACK");
    assert_eq!(answer, [0x20, 2, 0, 0]);
    let publish = [
        &text("v1/devices/me/attributes")[..],
        &[0, 1],
        attributes.as_bytes(),
    ]
    .concat();
    stream.write_all(&packet(0x32, &publish)).expect("sent");
    stream.read_exact(&mut answer).expect("PUBACK");
    assert_eq!(answer, [0x40, 2, 0, 1]);
}

#[test]
fn a_crash_is_told_as_functions_by_the_elf_file_of_its_build() {
    let desk = Desk::in_the_clear();
    desk.log_in();
    for token in ["SN-1", "SN-2"] {
        let made = desk.server().create_device(token, Some(token));
        desk.runtime.block_on(made).expect("it is made");
    }
    // The program itself stands for the firmware: it too is an ELF file with code in it.
    let own = env!("CARGO_BIN_EXE_esptb");
    let digest = Sha256::digest(fs::read(own).expect("it is there"));
    let build: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let addresses = (0x0040_0000..0x0140_0000_u32).step_by(0x4_0000);
    let addresses: Vec<_> = addresses
        .map(|address| format!("{address:#010x}"))
        .collect();
    let told = serde_json::json!({
        "panic": "index out of bounds", "panic_at": "src/main.rs:5:9", "panic_backtrace": addresses.join(" "),
        "panic_build": build,
    });
    tell(desk.server().mqtt_addr(), "SN-1", &told.to_string());

    let crashed = desk.json(&["tb", "devices", "--crashed", "--elf", own, "--json"]);
    assert_eq!(crashed.as_array().map(Vec::len), Some(1));
    let crash = &crashed[0]["crash"];
    assert_eq!(
        (&crash["message"], &crash["build"]),
        (&"index out of bounds".into(), &build.as_str().into())
    );
    let places = crash["places"].as_array().expect("places");
    let is_named =
        |place: &serde_json::Value| place.as_str().is_some_and(|place| place.contains("::"));
    assert!(places.iter().any(is_named), "{places:?}");
    let csv = done(&desk.esptb(&["tb", "devices", "--elf", own, "--format", "csv"]));
    assert!(
        csv.lines()
            .next()
            .is_some_and(|head| head.ends_with("crash_at,backtrace")),
        "{csv}"
    );
    let status = done(&desk.esptb(&["tb", "status", "SN-1", "--elf", own]));
    assert!(status.contains(&build) && status.contains("::"), "{status}");

    // Of another version: it is said which file is missing.
    let other = desk.path().join("other.elf");
    fs::write(&other, b"\x7fELF").expect("written");
    let table = done(&desk.esptb(&["tb", "devices", "--crashed", "--elf", "other.elf"]));
    assert!(table.contains(&format!("begins with {build}")), "{table}");
    fs::create_dir(desk.path().join("none")).expect("made");
    failed(
        &desk.esptb(&["tb", "devices", "--elf", "none"]),
        "there is no ELF file",
    );
}

#[test]
fn who_is_online_is_asked_how_much_waits_in_it() {
    let desk = Desk::new();
    desk.log_in();
    let broker = desk.server().mqtt_url();
    desk.json(&["tb", "setup", "--json"]);
    done(&desk.esptb(&["pki", "device", "SN-1", "--broker", &broker]));
    let wifi = "esptb:correct horse";
    done(&desk.esptb(&[
        "image",
        "--spiffs",
        "devices/SN-1",
        "--wifi",
        wifi,
        "--out",
        "f.bin",
    ]));
    let simulated = begun(
        desk.path(),
        &["simulate", "--flash", "f.bin", "--headless", "--for", "60s"],
    );
    let asked = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let online = desk.json(&["tb", "devices", "--online", "--ask", "--json"]);
        online.as_array()?.first().cloned()
    });
    let asked = asked.expect("it comes online");
    assert!(asked["backlog"].is_u64(), "{asked}");
    let table = done(&desk.esptb(&["tb", "devices", "--ask"]));
    assert!(
        table
            .lines()
            .next()
            .is_some_and(|head| head.contains("BACKLOG")),
        "{table}"
    );
    let unasked = done(&desk.esptb(&["tb", "devices"]));
    assert!(!unasked.contains("BACKLOG"), "{unasked}");
    drop(simulated);
}
