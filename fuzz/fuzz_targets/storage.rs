//! Flash with anything in it: partition tables, NVS pages with and without right checksums, and
//! power that fails after any write.
//!
//! What is there is read or passed over, never obeyed out of bounds; afterwards the device can be
//! provisioned again, and keeps what it is told.
#![no_main]

use bodykit::flash::Flash;
use device::platform::{Passphrase, Ssid, WifiCredentials};
use device::storage::Storage;
use fuzz::{Script, board, body, sparse};
use libfuzzer_sys::fuzz_target;

/// More operations than this on 64 KiB of flash are an endless loop.
const MOST_OPERATIONS: u64 = 60_000;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let kind = script.byte_or_0();
    let (ssid, passphrase) = (script.short_string(), script.short_string());
    let mut flash = board::blank();
    sparse::unpack(script, &mut flash);
    if kind & 1 == 0 {
        flash[board::TABLE..board::TABLE + 64].copy_from_slice(&board::table());
    }
    if kind & 2 == 0 {
        let (at, length) = board::NVS;
        board::seal_nvs(&mut flash[at..at + length]);
    }
    let flash = body::flash(flash);
    let (opened, peak) = fuzz::heap::peak_of(|| Storage::open(flash));
    assert!(peak <= 64 * 1024, "{peak} bytes of heap");
    let (storage, faults) = opened;
    for fault in &faults {
        drop(fault.to_string());
    }
    let found = storage.wifi();
    if let Ok(Some(network)) = &found {
        assert!(!network.ssid.as_bytes().is_empty());
    }
    let _ = storage.last_good_time();
    let _ = storage.interval_ms();
    let _ = storage
        .proof_of_possession()
        .map(|proof| proof.map(|text| text.len()));
    if let Ok(file) = storage.read_file("settings.json", 4096) {
        assert!(file.len() <= 4096);
    }
    provision(storage, ssid, passphrase);
});

/// A client gives a network: it is kept, over a restart too unless flash is unusable; and can be
/// forgotten.
fn provision(storage: Storage<Flash>, ssid: &[u8], passphrase: &[u8]) {
    let (Some(ssid), Some(passphrase)) = (Ssid::new(ssid), Passphrase::new(passphrase)) else {
        return;
    };
    if ssid.as_bytes().is_empty() {
        return;
    }
    let network = WifiCredentials {
        ssid,
        passphrase,
        bssid: None,
        channel: None,
    };
    let kept = storage.keep_wifi(&network);
    let now = storage.wifi().ok().flatten().expect("at least in memory");
    assert!(same(&now, &network));
    let _ = storage.keep_interval_ms(5_000);
    let _ = storage.keep_last_good_time(1_800_000_000);
    let storage = restarted(storage);
    if kept.is_ok() {
        let found = storage.wifi().ok().flatten().expect("it was kept");
        assert!(same(&found, &network));
    }
    if storage.erase_wifi().is_ok() {
        assert!(matches!(storage.wifi(), Ok(None)), "it was forgotten");
        let storage = restarted(storage);
        assert!(!matches!(storage.wifi(), Ok(Some(_))), "it stays forgotten");
        let _ = storage.release();
    }
}

fn restarted(storage: Storage<Flash>) -> Storage<Flash> {
    let flash = storage.release();
    assert!(flash.calls() <= MOST_OPERATIONS, "{}", flash.calls());
    Storage::open(body::flash(flash.to_bytes())).0
}

fn same(one: &WifiCredentials, other: &WifiCredentials) -> bool {
    one.ssid == other.ssid && one.passphrase.as_bytes() == other.passphrase.as_bytes()
}
