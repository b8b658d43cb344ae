//! Packages into the slot that does not run, with the power going at every operation.

use update::check::Refusal;
use update::download::{Begun, Download};
use update::{Fault, SECTOR, trial};

use crate::bench::{
    BOARD, P256, PLACES, SLOT, Update, booted, flash, offer, package, public, slot, update,
};

/// Not whole sectors, and not whole words.
const LEN: usize = 3 * 4096 + 1003;

#[test]
fn a_package_is_installed_and_each_sector_erased_once() {
    let (mut flash, package) = (flash(), package("2", LEN));
    let mut fetched = Vec::new();
    let done = update(&mut flash, "2", &package, &mut fetched);
    assert_eq!(done, Ok(Update::Installed));
    assert_eq!(fetched, [0, 1, 2, 3]);
    assert_eq!((booted(&flash), slot(&flash, 1, LEN)), (1, package));
    // The header, what the trial allows, the entry, and of each chunk its words, its erasure and its mark; of
    // otadata one erasure.
    let words = 48 / 4 + 1 + 32 / 4 + LEN.div_ceil(4) as u64 + 4;
    assert_eq!(flash.operations(), words + 4 + 1);
    // The slot that runs was not touched, nor what is behind the package.
    assert!(
        slot(&flash, 0, SLOT as usize)
            .iter()
            .all(|&byte| byte == 0x5A)
    );
    assert_eq!(slot(&flash, 1, SLOT as usize)[0x4000..], [0x5A; 0x2000]);
}

#[test]
fn a_power_cut_at_any_operation_costs_at_most_the_chunk_under_way() {
    let package = package("2", LEN);
    let whole = flash();
    update(&mut whole.clone(), "2", &package, &mut Vec::new()).expect("no cut");
    for torn in [false, true] {
        for at in 0..whole.operations() {
            let mut flash = flash();
            if torn {
                flash.lose_power_amid(at, at);
            } else {
                flash.lose_power_after(at);
            }
            let mut before = Vec::new();
            let cut = update(&mut flash, "2", &package, &mut before);
            assert!(matches!(cut, Err(Fault::Flash(_))), "{at}: {cut:?}");
            flash.restore_power();
            // A torn write may have been the whole one.
            if booted(&flash) == 1 {
                assert!(torn && at + 1 == whole.operations(), "{at}");
                continue;
            }
            let mut after = Vec::new();
            let done = update(&mut flash, "2", &package, &mut after);
            assert_eq!(done, Ok(Update::Installed), "{at} {torn}");
            before.pop();
            assert!(
                before.iter().all(|chunk| !after.contains(chunk)),
                "{at} {torn}"
            );
            assert_eq!((booted(&flash), &slot(&flash, 1, LEN)), (1, &package));
        }
    }
}

#[test]
fn a_download_gets_on_in_lives_that_are_just_long_enough() {
    let (mut flash, package) = (flash(), package("2", LEN));
    let mut fetched = Vec::new();
    for life in 0.. {
        assert!(life < 12, "it does not get on");
        // A chunk takes 1,026 operations.
        flash.lose_power_amid(1100, life);
        let done = update(&mut flash, "2", &package, &mut fetched);
        let is_off = flash.power_is_lost();
        flash.restore_power();
        if !is_off {
            assert_eq!(done, Ok(Update::Installed));
            break;
        }
    }
    assert_eq!((booted(&flash), slot(&flash, 1, LEN)), (1, package));
    assert!(fetched.len() < 12, "{fetched:?}");
}

#[test]
fn another_package_starts_anew_and_the_same_goes_on() {
    let mut flash = flash();
    let (first, second) = (package("2", LEN), package("3", LEN - 5000));
    let begin = |flash: &mut _, version, package: &[u8]| match Download::begin(
        flash,
        &PLACES,
        0,
        &offer(version, package),
    ) {
        Ok(Begun::Fetch(download)) => download,
        other => panic!("{other:?}"),
    };
    let download = begin(&mut flash, "2", &first);
    assert_eq!(
        download.store(&mut flash, &BOARD, 0, &first[..4096]),
        Ok(true)
    );
    // Twice is once.
    assert_eq!(
        download.store(&mut flash, &BOARD, 0, &first[..4096]),
        Ok(false)
    );
    assert_eq!(
        begin(&mut flash, "2", &first).missing(&mut flash, 0),
        Ok(Some(1))
    );
    assert_eq!(
        begin(&mut flash, "3", &second).missing(&mut flash, 0),
        Ok(Some(0))
    );
    assert_eq!(
        begin(&mut flash, "2", &first).missing(&mut flash, 0),
        Ok(Some(0))
    );
    assert_eq!(
        update(&mut flash, "3", &second, &mut Vec::new()),
        Ok(Update::Installed)
    );
    // While that is on trial nothing may touch the old one.
    let told = Download::begin(&mut flash, &PLACES, 1, &offer("2", &first));
    assert_eq!(told, Err(Fault::OnTrial));
}

#[test]
fn what_the_board_would_not_take_is_not_fetched() {
    let mut flash = flash();
    let mut package = package("2", LEN);
    package[80] = b'E';
    let mut fetched = Vec::new();
    let told = update(&mut flash, "2", &package, &mut fetched);
    assert_eq!(told, Err(Fault::Refused(Refusal::OtherProduct)));
    assert_eq!(fetched, [0]);
    assert!(
        slot(&flash, 1, SLOT as usize)
            .iter()
            .all(|&byte| byte == 0x5A)
    );

    let long = crate::bench::package("2", SLOT as usize + 1);
    let told = Download::begin(&mut flash, &PLACES, 0, &offer("2", &long));
    let (len, slot_len) = (SLOT + 1, SLOT);
    assert_eq!(
        told,
        Err(Fault::Refused(Refusal::TooLarge { len, slot_len }))
    );
}

#[test]
fn nothing_unsigned_or_damaged_is_installed() {
    let mut flash = flash();
    let mut unsigned = package("2", LEN);
    unsigned[5000] ^= 1;
    let told = update(&mut flash, "2", &unsigned, &mut Vec::new());
    assert_eq!(told, Err(Fault::Refused(Refusal::WrongSignature)));
    assert_eq!(booted(&flash), 0);

    // Right when it was sent, and a bit fell in flash.
    let package = package("3", LEN);
    let Ok(Begun::Fetch(download)) = Download::begin(&mut flash, &PLACES, 0, &offer("3", &package))
    else {
        panic!("nothing to fetch");
    };
    assert_eq!(
        download
            .prove(&mut flash, &BOARD, &[public()], &P256)
            .map(drop),
        Err(Fault::Missing)
    );
    for (chunk, bytes) in package.chunks(SECTOR as usize).enumerate() {
        let mut bytes = bytes.to_vec();
        bytes[40] &= 0xF0;
        let stored = download.store(&mut flash, &BOARD, chunk as u32, &bytes);
        assert_eq!(stored, Ok(true));
    }
    let told = download.prove(&mut flash, &BOARD, &[public()], &P256);
    let Err(Fault::Refused(refusal)) = told else {
        panic!("{told:?}");
    };
    assert!(refusal.may_be_fetched_again(), "{refusal}");
    download.start_over(&mut flash).expect("the flash works");
    let mut fetched = Vec::new();
    let done = update(&mut flash, "3", &package, &mut fetched);
    assert_eq!((done, fetched.len()), (Ok(Update::Installed), 4));
}

#[test]
fn chunks_of_another_length_are_not_stored() {
    let (mut flash, package) = (flash(), package("2", LEN));
    let Ok(Begun::Fetch(download)) = Download::begin(&mut flash, &PLACES, 0, &offer("2", &package))
    else {
        panic!("nothing to fetch");
    };
    let before = flash.operations();
    for (chunk, bytes) in [
        (0, &package[..4095]),
        (3, &package[..4096]),
        (4, &package[..0]),
        (u32::MAX, &package[..4096]),
    ] {
        let told = download.store(&mut flash, &BOARD, chunk, bytes);
        assert_eq!(told, Err(Fault::WrongChunk), "{chunk}");
    }
    for (chunk, from, bytes) in [
        (0, 2, &package[2..6]),
        (0, 0, &package[..510]),
        (0, 4_096, &package[..4]),
        (0, 512, &package[512..512]),
        (0, u32::MAX - 3, &package[..512]),
        (3, 0, &package[..4_000]),
        (4, 0, &package[..4]),
    ] {
        let told = download.store_part(&mut flash, &BOARD, chunk, from, bytes);
        assert_eq!(told, Err(Fault::WrongChunk), "{chunk} from {from}");
    }
    assert_eq!(flash.operations(), before);
}

#[test]
fn a_chunk_in_parts_is_there_with_its_last_part() {
    let (mut flash, package) = (flash(), package("2", LEN));
    let Ok(Begun::Fetch(download)) = Download::begin(&mut flash, &PLACES, 0, &offer("2", &package))
    else {
        panic!("nothing to fetch");
    };
    for (chunk, bytes) in (0..).zip(package.chunks(SECTOR as usize)) {
        let parts = bytes.len().div_ceil(512);
        for (index, part) in bytes.chunks(512).enumerate() {
            assert_eq!(
                download.missing(&mut flash, chunk),
                Ok(Some(chunk)),
                "{index}"
            );
            let from = 512 * index as u32;
            let stored = download.store_part(&mut flash, &BOARD, chunk, from, part);
            assert_eq!(stored, Ok(true), "{index} of {parts}");
        }
    }
    assert_eq!(download.missing(&mut flash, 0), Ok(None));
    assert_eq!(slot(&flash, 1, LEN), package);
}

#[test]
fn updates_go_back_and_forth_between_the_slots() {
    let mut flash = flash();
    for life in 0..6_usize {
        let version = (life + 2).to_string();
        let package = package(&version, LEN);
        let running = booted(&flash);
        assert_eq!(running, life % 2);
        let done = update(&mut flash, &version, &package, &mut Vec::new());
        assert_eq!((done, booted(&flash)), (Ok(Update::Installed), 1 - running));
        trial::accept(&mut flash, &PLACES, 1 - running).expect("the flash works");
        let again = update(&mut flash, &version, &package, &mut Vec::new());
        assert_eq!((again, booted(&flash)), (Ok(Update::Runs), 1 - running));
    }
}
