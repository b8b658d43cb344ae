//! Power that goes at every single write, and in the middle of it: what is kept in flash is the old
//! or the new, never something between.
//!
//! Of storage alone; `power_life.rs` is about a whole device.

use device::platform::{Passphrase, Ssid, WifiCredentials};
use device::storage::{Storage, StorageError};
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

/// Opens it as a device does when the power is back. A page that was being erased may be told as
/// damage; nothing in it counted any more.
fn open(flash: &Flash) -> Storage<Flash> {
    let (storage, faults) = Storage::open(flash.clone());
    let damage = |fault: &StorageError| *fault == StorageError::NvsDamaged;
    assert!(faults.iter().all(damage), "{faults:?}");
    storage
}

/// The network that a device would find in this flash, as text.
fn found(flash: &Flash) -> Option<(String, String)> {
    let storage = open(flash);
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

/// How an operation may be left: not begun, or half done in one of several ways.
const HALVES: u64 = 8;

/// Cuts the power at each operation of `change` in turn, looks at what is left, and returns how
/// many operations there were.
fn cut_everywhere_and_look(
    before: &Flash,
    change: impl Fn(&Storage<Flash>),
    look: impl Fn(&Flash, &str),
) -> u64 {
    let whole = Flash::from_bytes(before.to_bytes());
    change(&Storage::open(whole.clone()).0);
    let operations = whole.operations();
    for (cut, half) in (0..operations).flat_map(|cut| (0..=HALVES).map(move |half| (cut, half))) {
        let flash = Flash::from_bytes(before.to_bytes());
        match half.checked_sub(1) {
            None => flash.lose_power_after(cut),
            Some(seed) => flash.lose_power_amid(cut, cut * HALVES + seed),
        }
        change(&Storage::open(flash.clone()).0);
        assert!(flash.power_is_lost(), "nothing was cut at {cut}");
        flash.restore_power();
        look(
            &flash,
            &format!("after {cut} of {operations} writes, half {half}"),
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

/// The same with one of these networks left each time.
fn cut_everywhere(
    before: &Flash,
    change: impl Fn(&Storage<Flash>),
    allowed: &[Option<(String, String)>],
) -> u64 {
    cut_everywhere_and_look(before, change, |flash, at| {
        let found = found(flash);
        assert!(allowed.contains(&found), "{at}: {found:?}");
    })
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

/// What a device would find in this flash beside its network: the proof that it made, and the
/// interval that the server asked for.
fn found_beside(flash: &Flash) -> (Option<String>, Option<u32>) {
    let storage = open(flash);
    let proof = storage.proof_of_possession().expect("NVS that can be read");
    let interval = storage.interval_ms().expect("NVS that can be read");
    (proof.map(|proof| proof.to_string()), interval)
}

#[test]
fn what_is_moved_to_make_room_is_not_lost() {
    let flash = Flash::from_bytes(FlashImage::builder().build().expect("an image"));
    let storage = Storage::open(flash.clone()).0;
    storage
        .keep_proof_of_possession("moved along")
        .expect("room");
    let mut erased = 0;
    for round in 0..1200 {
        // Something in every page counts.
        if round == 150 {
            let network = network("workshop", "correct horse");
            storage.keep_wifi(&network).expect("room");
        }
        let before = flash.to_bytes();
        storage.keep_interval_ms(1_000 + round).expect("room");
        let after = flash.to_bytes();
        let rose = before.iter().zip(&after).any(|(old, new)| new & !old != 0);
        if !rose {
            continue;
        }
        erased += 1;
        let whole = found(&flash);
        let old = Flash::from_bytes(before);
        cut_everywhere_and_look(
            &old,
            |storage| {
                let _ = storage.keep_interval_ms(1_000 + round);
            },
            |flash, at| {
                assert_eq!(found(flash), whole, "{at}");
                let (proof, interval) = found_beside(flash);
                assert_eq!(proof.as_deref(), Some("moved along"), "{at}");
                let allowed = [Some(999 + round), Some(1_000 + round)];
                assert!(allowed.contains(&interval), "{at}: {interval:?}");
            },
        );
    }
    assert!(erased > 2, "NVS tidied up {erased} times");
}
