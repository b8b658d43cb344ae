//! Power that goes at every single write: what is kept in flash is the old or the new, never
//! something between.

use device::platform::{Passphrase, Ssid, WifiCredentials};
use device::storage::Storage;
use flashimage::FlashImage;
use simulator::flash::Flash;

fn network(name: &str, passphrase: &str) -> WifiCredentials {
    WifiCredentials {
        ssid: Ssid::new(name.as_bytes()).expect("a name"),
        passphrase: Passphrase::new(passphrase.as_bytes()).expect("a passphrase"),
        bssid: None,
        channel: None,
    }
}

/// The network that a device would find in this flash, as text.
fn found(flash: &Flash) -> Option<(String, String)> {
    let (storage, faults) = Storage::open(flash.clone());
    assert_eq!(faults, [], "NVS must survive a power cut");
    let network = storage.wifi().expect("NVS that can be read")?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    Some((
        text(network.ssid.as_bytes()),
        text(network.passphrase.as_bytes()),
    ))
}

fn pair(name: &str, passphrase: &str) -> Option<(String, String)> {
    Some((name.into(), passphrase.into()))
}

/// Cuts the power after each operation of `change` in turn, and returns how many there were.
fn cut_everywhere(
    before: &Flash,
    change: impl Fn(&Storage<Flash>),
    allowed: &[Option<(String, String)>],
) -> u64 {
    let whole = Flash::from_bytes(before.to_bytes());
    change(&Storage::open(whole.clone()).0);
    let operations = whole.operations();
    for cut in 0..operations {
        let flash = Flash::from_bytes(before.to_bytes());
        flash.lose_power_after(cut);
        change(&Storage::open(flash.clone()).0);
        flash.restore_power();
        let found = found(&flash);
        assert!(
            allowed.contains(&found),
            "after {cut} of {operations} writes: {found:?}"
        );
        // And it can be provisioned again.
        let storage = Storage::open(flash.clone()).0;
        storage
            .keep_wifi(&network("again", "for good"))
            .expect("room");
        assert_eq!(self::found(&flash), pair("again", "for good"));
    }
    operations
}

#[test]
fn provisioning_is_all_or_nothing() {
    let blank = Flash::from_bytes(FlashImage::builder().build().expect("an image"));
    let operations = cut_everywhere(
        &blank,
        |storage| {
            let _ = storage.keep_wifi(&network("workshop", "correct horse"));
        },
        &[None, pair("workshop", "correct horse")],
    );
    assert!(
        operations > 5,
        "the cuts must hit something: {operations} writes"
    );
}

#[test]
fn changing_the_network_keeps_the_old_one_or_has_the_new_one() {
    let flash = Flash::from_bytes(FlashImage::builder().build().expect("an image"));
    let storage = Storage::open(flash.clone()).0;
    // Enough changes to make NVS tidy up its pages on the way.
    for round in 0..200 {
        let old = network("old", &format!("passphrase {round}"));
        storage.keep_wifi(&old).expect("room");
    }
    let mut writes = Vec::new();
    for round in 200..260 {
        let (old, new) = (
            format!("passphrase {}", round - 1),
            format!("passphrase {round}"),
        );
        let operations = cut_everywhere(
            &flash,
            |storage| {
                let _ = storage.keep_wifi(&network("old", &new));
            },
            &[pair("old", &old), pair("old", &new)],
        );
        writes.push(operations);
        storage.keep_wifi(&network("old", &new)).expect("room");
    }
    let (least, most) = (writes.iter().min(), writes.iter().max());
    assert!(most > least, "no change made NVS tidy up: {writes:?}");
}

#[test]
fn forgetting_the_network_is_all_or_nothing() {
    let flash = Flash::from_bytes(FlashImage::builder().build().expect("an image"));
    let storage = Storage::open(flash.clone()).0;
    storage
        .keep_wifi(&network("workshop", "correct horse"))
        .expect("room");
    cut_everywhere(
        &flash,
        |storage| {
            let _ = storage.erase_wifi();
        },
        &[None, pair("workshop", "correct horse")],
    );
}
