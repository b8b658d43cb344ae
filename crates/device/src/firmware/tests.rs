//! Offers in words, and what is told on trial; whole updates are the end-to-end tests'.

extern crate std;

use std::string::String;
use std::vec;
use std::vec::Vec;

use esp_nvs::mem_flash::MemFlash;
use product::Card;
use thingsboard::json::Object;
use update::image::HEAD_LEN;
use update::otadata::{Entry, State};
use update::trial::Limits;

use super::offer::Offered;
use super::{Updates, Updating, begin};
use crate::event::Event;
use crate::platform::Running;
use crate::storage::Storage;
use crate::testing::Room;

fn why(json: &str) -> String {
    match Offered::read(Object::parse(json.as_bytes()).ok()) {
        Offered::Refused { why, .. } => why.as_str().into(),
        Offered::Package(_) => "taken".into(),
        Offered::Nothing => "nothing".into(),
    }
}

#[test]
fn what_cannot_be_fetched_is_refused_with_what_to_do() {
    assert_eq!(why("{}"), "nothing");
    assert_eq!(why(r#"{"telemetryIntervalMs":1}"#), "nothing");
    let url = why(r#"{"fw_title":"a","fw_version":"1","fw_url":"https://example.com/a"}"#);
    assert!(url.contains("not by URL"), "{url}");
    let part = why(r#"{"fw_title":"a","fw_version":"1"}"#);
    assert!(part.contains("size and checksum"), "{part}");
    let with = |algorithm: &str, checksum: &str| {
        let json = alloc::format!(
            r#"{{"fw_title":"a","fw_version":"1","fw_size":9,"fw_checksum":"{checksum}",
            "fw_checksum_algorithm":"{algorithm}"}}"#
        );
        why(&json)
    };
    assert!(with("MD5", "00").contains("upload it with SHA256"));
    assert!(with("CRC32", "0").contains("is none"));
    assert_eq!(with("CRC32", "26f0db00"), "taken");
}

/// A maker's key.
const KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEALMIvMCs8NgPDmaSJciHxwCCLUN8
Unv8P6347JikErjm6VRyrRp0pzfzwDLzmFnPmuqQslyXg4/HryA34kJX4g==
-----END PUBLIC KEY-----
";
const RUNNING: Running = Running {
    address: 0x11_000,
    revision: 0,
};

/// A flash whose second slot has version 2 of the room, on trial in its first start.
fn on_trial() -> MemFlash {
    const FILES: usize = 0x12_000;
    let mut bytes = vec![0xff; 0x20_000];
    let partitions = [
        (1, 0x02, 0x9_000_u32, 0x4_000_u32, "nvs"),
        (1, 0x00, 0xd_000, 0x2_000, "otadata"),
        (0, 0x10, 0x10_000, 0x1_000, "ota_0"),
        (0, 0x11, RUNNING.address, 0x1_000, "ota_1"),
        (1, 0x82, FILES as u32, 0x8_000, "spiffs"),
    ];
    for (index, (kind, subtype, offset, size, label)) in partitions.into_iter().enumerate() {
        let entry = &mut bytes[0x8_000 + index * 32..][..32];
        entry.fill(0);
        entry[..4].copy_from_slice(&[0xAA, 0x50, kind, subtype]);
        entry[4..8].copy_from_slice(&offset.to_le_bytes());
        entry[8..12].copy_from_slice(&size.to_le_bytes());
        entry[12..12 + label.len()].copy_from_slice(label.as_bytes());
    }
    let selects_the_second = Entry::new(2, State::NEW).unwrap().to_bytes();
    bytes[0xd_000..0xd_000 + selects_the_second.len()].copy_from_slice(&selects_the_second);
    let image = &mut bytes[RUNNING.address as usize..][..HEAD_LEN];
    image.fill(0);
    image[0] = 0xE9;
    image[32..36].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    image[48] = b'2';
    image[80..84].copy_from_slice(b"room");
    let files = spiffs::Builder::new(0x8_000, spiffs::Geometry::ESP_IDF).unwrap();
    let files = files.file("firmware_key.pem", KEY).unwrap();
    let files = files.build().unwrap();
    bytes[FILES..FILES + files.len()].copy_from_slice(&files);
    let mut flash = MemFlash::from_bytes(bytes);
    assert!(!begin(&mut flash, Some(RUNNING)));
    flash
}

fn told(updates: &impl Updating) -> Vec<String> {
    let mut told = Vec::new();
    while updates.has_report() {
        let mut buffer = [0; 512];
        let (length, _) = updates.write_report(&mut buffer).unwrap();
        told.push(str::from_utf8(&buffer[..length]).unwrap().into());
        updates.reported();
    }
    told
}

/// The offer of the image that runs on trial comes before telemetry is acknowledged: UPDATED then would
/// be taken back by a rollback.
#[test]
fn an_image_on_trial_is_not_told_as_updated() {
    let storage = Storage::open(on_trial()).0;
    let updates = Updates::new(
        &storage,
        Some(RUNNING),
        Card::of::<Room>(),
        Limits::default(),
    );
    updates.connected();
    assert_eq!(told(&updates).len(), 1, "which one runs");
    let offer = br#"{"fw_title":"room","fw_version":"2","fw_size":900,"fw_checksum":"26f0db00",
        "fw_checksum_algorithm":"CRC32"}"#;
    assert_eq!(updates.shared(Object::parse(offer).ok(), true), None);
    assert!(told(&updates).is_empty());
    assert_eq!(
        updates.telemetry_acknowledged(),
        Some(Event::FirmwareAccepted)
    );
    let updated = told(&updates);
    assert!(
        updated.len() == 1 && updated[0].contains("UPDATED"),
        "{updated:?}"
    );
    // Another connection tells it again, and nothing follows from that.
    updates.connected();
    assert_eq!(updates.shared(Object::parse(offer).ok(), true), None);
    assert_eq!(updates.look(), None);
    assert!(told(&updates).is_empty());
}

/// What is assigned meanwhile is begun with after the trial, and that is told.
#[test]
fn a_package_that_waits_for_the_end_of_a_trial_is_told_as_fetched() {
    let storage = Storage::open(on_trial()).0;
    let updates = Updates::new(
        &storage,
        Some(RUNNING),
        Card::of::<Room>(),
        Limits::default(),
    );
    updates.connected();
    let offer = br#"{"fw_title":"room","fw_version":"3","fw_size":900,"fw_checksum":"26f0db00",
        "fw_checksum_algorithm":"CRC32"}"#;
    assert_eq!(updates.shared(Object::parse(offer).ok(), false), None);
    assert_eq!(updates.look(), None);
    assert_eq!(
        updates.telemetry_acknowledged(),
        Some(Event::FirmwareAccepted)
    );
    let begun = updates.look();
    assert!(
        matches!(begun, Some(Event::FirmwareFetching { bytes: 900, .. })),
        "{begun:?}"
    );
    let ask = updates.to_ask().expect("it asks");
    updates.asked();
    // The connection ends, and when the next one begins nothing is assigned.
    updates.connected();
    assert_eq!(updates.chunk(ask.request, ask.index, &[0; 900]), None);
    assert_eq!(updates.shared(None, true), Some(Event::FirmwareWithdrawn));
    assert_eq!(updates.shared(None, true), None, "once");
}
