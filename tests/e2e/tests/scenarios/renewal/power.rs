//! Power that goes at every single write of what a renewal keeps, and in the middle of it: there is the old
//! one or the new one, whole.
//!
//! Of storage alone; `lives.rs` is about a whole device.

use device::renewal::{ANCHORS, IDENTITY, Keeping, Keys};
use device::storage::{Storage, StorageError};
use flashimage::FlashImage;
use simulator::flash::Flash;

/// What the files are of.
const ORIGIN: [u8; 32] = [7; 32];

/// How an operation may be left: not begun, or half done in one of several ways.
const HALVES: u64 = 4;

/// What is proven, and what is to be tried.
type Found = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Opens it as a device does when the power is back.
fn open(flash: &Flash) -> Storage<Flash> {
    let (storage, faults) = Storage::open(flash.clone());
    let damage = |fault: &StorageError| *fault == StorageError::NvsDamaged;
    assert!(faults.iter().all(damage), "{faults:?}");
    storage
}

fn found(flash: &Flash, keys: &'static Keys) -> Found {
    let storage = open(flash);
    let kept = Keeping::new(&storage, keys, ORIGIN).find();
    let kept = kept.expect("NVS that can be read");
    let bytes = |kept: Option<zeroize::Zeroizing<Vec<u8>>>| kept.map(|kept| kept.to_vec());
    (bytes(kept.proven), bytes(kept.candidate))
}

/// A change that is one step.
type Step = fn(&Keeping<'_, Flash>, &[u8]) -> Result<(), StorageError>;

/// Cuts the power at each operation of a step: what is found is as before it, or as after it.
fn cut_everywhere(before: &Flash, keys: &'static Keys, step: Step, bytes: &[u8]) -> u64 {
    let run = |flash: &Flash| {
        let storage = Storage::open(flash.clone()).0;
        let _ = step(&Keeping::new(&storage, keys, ORIGIN), bytes);
    };
    let whole = Flash::from_bytes(before.to_bytes());
    let old = found(&whole, keys);
    run(&whole);
    let operations = whole.operations();
    let new = found(&whole, keys);
    for (cut, half) in (0..operations).flat_map(|cut| (0..=HALVES).map(move |half| (cut, half))) {
        let flash = Flash::from_bytes(before.to_bytes());
        match half.checked_sub(1) {
            None => flash.lose_power_after(cut),
            Some(seed) => flash.lose_power_amid(cut, cut * HALVES + seed),
        }
        run(&flash);
        flash.restore_power();
        let left = found(&flash, keys);
        assert!(
            left == old || left == new,
            "after {cut} of {operations} writes, half {half}: {left:?}, not {old:?} or {new:?}"
        );
        // And it goes on.
        run(&flash);
    }
    operations
}

#[test]
fn each_step_of_a_renewal_is_done_or_not() {
    for (keys, size) in [(&IDENTITY, 700), (&ANCHORS, 500)] {
        let flash = Flash::from_bytes(FlashImage::builder().build().expect("an image"));
        let mut operations = 0;
        for round in 0..3u8 {
            let request = vec![round; 32];
            let chain: Vec<u8> = (0..size).map(|i| round ^ i as u8).collect();
            let steps: [(Step, &[u8]); 5] = [
                (|keeping, bytes| keeping.keep(&[bytes]), &request),
                (|keeping, _| keeping.drop_candidate(), &[]),
                (|keeping, bytes| keeping.keep(&[bytes]), &request),
                (|keeping, bytes| keeping.keep(&[bytes]), &chain),
                (|keeping, _| keeping.prove(), &[]),
            ];
            for (step, bytes) in steps {
                operations += cut_everywhere(&flash, keys, step, bytes);
                let storage = open(&flash);
                step(&Keeping::new(&storage, keys, ORIGIN), bytes).expect("room");
            }
            assert_eq!(found(&flash, keys), (Some(chain), None));
        }
        assert!(
            operations > 100,
            "the cuts must hit something: {operations} writes"
        );
    }
}

/// A key that is no longer the device's is nowhere in flash.
#[test]
fn what_is_replaced_is_wiped() {
    let flash = Flash::from_bytes(FlashImage::builder().build().expect("an image"));
    let storage = open(&flash);
    let keeping = Keeping::new(&storage, &IDENTITY, ORIGIN);
    let is_there = |secret: &[u8]| {
        flash
            .to_bytes()
            .windows(secret.len())
            .any(|part| part == secret)
    };
    let secrets: [&[u8; 32]; 2] = [
        b"the first of all the secret keys",
        b"the second of all secret keys...",
    ];
    let [first, second] = secrets.map(|secret| &secret[..]);
    keeping.keep(&[first]).expect("room");
    keeping.keep(&[first, b"chain"]).expect("room");
    keeping.prove().expect("room");
    assert!(is_there(first));
    keeping.keep(&[second]).expect("room");
    keeping.drop_candidate().expect("it is dropped");
    assert!(is_there(first) && !is_there(second));
    keeping.keep(&[second, b"chain"]).expect("room");
    keeping.prove().expect("room");
    assert!(!is_there(first) && is_there(second));
    // Other files came by cable.
    let other = Keeping::new(&storage, &IDENTITY, [8; 32]);
    let kept = other.find().expect("NVS that can be read");
    assert!(kept.proven.is_none() && kept.candidate.is_none());
    assert!(!is_there(second));
}
