//! The new image stays or the old one comes back, with the power going at every operation.

use bodykit::flash::{Flash, FlashError};
use update::otadata::{Entry, State};
use update::trial::{Limits, Start, accept, at_start, give_up, limits};
use update::{Fault, Places};

use crate::bench::{LIMITS, PLACES, Update, booted, flash, package, update, update_within};

fn installed() -> Flash {
    let mut flash = flash();
    let done = update(&mut flash, "2", &package("2", 5000), &mut Vec::new());
    assert_eq!((done, booted(&flash)), (Ok(Update::Installed), 1));
    flash
}

/// A start of the slot that the bootloader takes.
fn start(flash: &mut Flash) -> Start {
    let running = booted(flash);
    at_start(flash, &PLACES, running).expect("the flash works")
}

fn on_trial(start: u8) -> Start {
    Start::OnTrial { start, of: 3 }
}

#[test]
fn an_image_that_never_gets_online_has_its_starts_and_no_more() {
    let mut flash = installed();
    for number in 1..=3 {
        assert_eq!((start(&mut flash), booted(&flash)), (on_trial(number), 1));
    }
    assert_eq!(start(&mut flash), Start::GivenUp { restart: true });
    assert_eq!((booted(&flash), start(&mut flash)), (0, Start::Usual));
    // The server still offers it: not again. Another one is tried.
    let mut fetched = Vec::new();
    let again = update(&mut flash, "2", &package("2", 5000), &mut fetched);
    assert_eq!((again, fetched.len()), (Ok(Update::GivenUp), 0));
    let next = update(&mut flash, "3", &package("3", 5000), &mut fetched);
    assert_eq!((next, booted(&flash)), (Ok(Update::Installed), 1));
    assert_eq!(start(&mut flash), on_trial(1));
}

/// The one that installs says it; what a later one would have is not asked.
#[test]
fn a_trial_has_the_limits_of_its_installation() {
    let said = Limits {
        starts: 1,
        minutes: 90,
    };
    let mut flash = flash();
    assert_eq!(limits(&mut flash, &PLACES), Ok(Limits::default()));
    let done = update_within(said, &mut flash, "2", &package("2", 5000), &mut Vec::new());
    assert_eq!(done, Ok(Update::Installed));
    assert_eq!(limits(&mut flash, &PLACES), Ok(said));
    assert_eq!(start(&mut flash), Start::OnTrial { start: 1, of: 1 });
    assert_eq!(start(&mut flash), Start::GivenUp { restart: true });
    let next = update(&mut flash, "3", &package("3", 5000), &mut Vec::new());
    assert_eq!(next, Ok(Update::Installed));
    assert_eq!(limits(&mut flash, &PLACES), Ok(LIMITS));
}

#[test]
fn an_image_that_got_online_stays() {
    let mut flash = installed();
    assert_eq!(start(&mut flash), on_trial(1));
    assert_eq!(start(&mut flash), on_trial(2));
    assert_eq!(accept(&mut flash, &PLACES, 1), Ok(()));
    let operations = flash.operations();
    for _ in 0..5 {
        assert_eq!((start(&mut flash), booted(&flash)), (Start::Usual, 1));
    }
    // A verdict is given once.
    assert_eq!(give_up(&mut flash, &PLACES), Ok(()));
    assert_eq!(accept(&mut flash, &PLACES, 1), Ok(()));
    assert_eq!((flash.operations(), booted(&flash)), (operations, 1));
}

#[test]
fn the_old_image_cannot_accept_the_new_one() {
    let mut flash = installed();
    let operations = flash.operations();
    assert_eq!(accept(&mut flash, &PLACES, 0), Ok(()));
    assert_eq!(flash.operations(), operations);
    assert_eq!(start(&mut flash), on_trial(1));
}

#[test]
fn an_image_that_the_bootloader_would_not_start_is_given_up() {
    let mut flash = installed();
    // It found the image damaged, and started the other one.
    let told = at_start(&mut flash, &PLACES, 0);
    assert_eq!(told, Ok(Start::GivenUp { restart: false }));
    assert_eq!((booted(&flash), start(&mut flash)), (0, Start::Usual));
}

/// `bootloader_utility_get_selected_boot_partition` with rollback: what was pending is aborted, what is
/// new and selected becomes pending; each by erasing the sector.
fn bootloader_with_rollback(flash: &mut Flash) -> usize {
    use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
    let mut set = |index: usize, from: State, to: State| {
        let at = PLACES.otadata + 4096 * index as u32;
        let mut entry = [0; 32];
        flash.read(at, &mut entry).expect("reads");
        if entry[24..28] == from.0.to_le_bytes() {
            entry[24..28].copy_from_slice(&to.0.to_le_bytes());
            flash.erase(at, at + 4096).expect("erases");
            flash.write(at, &entry).expect("writes");
        }
    };
    set(0, State::PENDING, State::ABORTED);
    set(1, State::PENDING, State::ABORTED);
    let selected = PLACES.selected(&mut flash.clone()).expect("reads");
    let (index, _) = selected.expect("an entry");
    let at = 4096 * index as u32;
    let mut entry = [0; 32];
    flash.read(at, &mut entry).expect("reads");
    if entry[24..28] == State::NEW.0.to_le_bytes() {
        entry[24..28].copy_from_slice(&State::PENDING.0.to_le_bytes());
        flash.erase(at, at + 4096).expect("erases");
        flash.write(at, &entry).expect("writes");
    }
    booted(flash)
}

#[test]
fn a_bootloader_with_rollback_is_used_where_there_is_one() {
    let only = Start::OnTrial { start: 1, of: 1 };
    let mut flash = installed();
    assert_eq!(bootloader_with_rollback(&mut flash), 1);
    assert_eq!(start(&mut flash), only);
    // It crashed before anything else.
    assert_eq!(bootloader_with_rollback(&mut flash), 0);
    assert_eq!(start(&mut flash), Start::Usual);

    let mut flash = installed();
    assert_eq!(bootloader_with_rollback(&mut flash), 1);
    assert_eq!(start(&mut flash), only);
    assert_eq!(accept(&mut flash, &PLACES, 1), Ok(()));
    for _ in 0..3 {
        assert_eq!(bootloader_with_rollback(&mut flash), 1);
        assert_eq!(start(&mut flash), Start::Usual);
    }
}

/// Cuts the power at every operation of what `verdict` does, clean and torn, and shows what the flash is
/// like afterwards.
fn cut_everywhere(
    ready: impl Fn() -> Flash,
    verdict: impl Fn(&mut Flash) -> Result<(), Fault<FlashError>>,
    mut then: impl FnMut(Flash, u64),
) {
    let whole = ready();
    let before = whole.operations();
    verdict(&mut whole.clone()).expect("no cut");
    let operations = whole.operations() - before;
    assert!(operations > 5, "{operations}");
    for at in 0..operations {
        for torn in [None, Some(0), Some(1), Some(2), Some(3)] {
            let mut flash = ready();
            match torn {
                None => flash.lose_power_after(at),
                Some(kind) => flash.lose_power_amid(at, at * 4 + kind),
            }
            assert!(verdict(&mut flash).is_err(), "{at}");
            flash.restore_power();
            then(flash, at);
        }
    }
}

fn after_one_start() -> Flash {
    let mut flash = installed();
    assert_eq!(start(&mut flash), on_trial(1));
    flash
}

#[test]
fn a_power_cut_while_it_is_accepted_leaves_the_new_image() {
    cut_everywhere(
        after_one_start,
        |flash| accept(flash, &PLACES, 1),
        |mut flash, at| {
            assert_eq!(booted(&flash), 1, "{at}");
            match start(&mut flash) {
                // The mark is there: it is confirmed.
                Start::Usual => {}
                // Or not yet: the broker accepts it once more.
                Start::OnTrial { start: 2, .. } if at == 0 => {
                    assert_eq!(accept(&mut flash, &PLACES, 1), Ok(()));
                }
                other => panic!("{at}: {other:?}"),
            }
            assert_eq!((booted(&flash), start(&mut flash)), (1, Start::Usual));
        },
    );
}

#[test]
fn a_power_cut_while_it_is_given_up_leaves_one_of_both_and_then_the_old_one() {
    let at_its_end = || {
        let mut flash = after_one_start();
        assert_eq!(start(&mut flash), on_trial(2));
        assert_eq!(start(&mut flash), on_trial(3));
        flash
    };
    cut_everywhere(
        at_its_end,
        |flash| at_start(flash, &PLACES, 1).map(drop),
        |mut flash, at| {
            if booted(&flash) == 1 {
                let told = start(&mut flash);
                assert_eq!(told, Start::GivenUp { restart: true }, "{at}");
            }
            assert_eq!((booted(&flash), start(&mut flash)), (0, Start::Usual));
            let again = update(&mut flash, "2", &package("2", 5000), &mut Vec::new());
            assert_eq!(again, Ok(Update::GivenUp), "{at}");
        },
    );
}

#[test]
fn a_power_cut_at_each_start_uses_it_up() {
    let mut flash = installed();
    for number in 1..=3 {
        // Amid the counting, and a word of which some bits have fallen is a start.
        flash.lose_power_amid(0, number);
        assert!(at_start(&mut flash, &PLACES, 1).is_err());
        flash.restore_power();
    }
    assert_eq!(start(&mut flash), Start::GivenUp { restart: true });
}

#[test]
fn a_board_that_was_never_updated_starts_as_usual() {
    let mut blank = Flash::from_bytes(vec![0xFF; 0x2000]);
    let places = Places {
        otadata: 0,
        ..PLACES
    };
    assert_eq!(at_start(&mut blank, &places, 0), Ok(Start::Usual));
    // By ESP-IDF's otatool.py and by the C firmware: nobody said what became of it.
    let entry = Entry::new(2, State::UNDEFINED).expect("an entry");
    let mut bytes = vec![0xFF; 0x2000];
    bytes[4096..4128].copy_from_slice(&entry.to_bytes());
    let mut told = Flash::from_bytes(bytes);
    assert_eq!(at_start(&mut told, &places, 1), Ok(Start::Usual));
    assert_eq!(told.operations(), 0);
}
