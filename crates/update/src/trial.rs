//! The new image stays if it got online in so many starts; else the old one comes back.
//!
//! [`at_start`] belongs where code of ours runs first. It counts the start before anything can go wrong,
//! so a panic, a watchdog, a power cut or a hang that somebody ends by hand all use one up. When the
//! broker has accepted the device and acknowledged telemetry, [`accept`] ends the trial; when its time is
//! over without, [`give_up`].
//!
//! ```text
//!            install                 accept
//!  old runs ---------> new on trial --------> new runs
//!      ^                |   |   ^
//!      |                |   +---+ a start, if any is left
//!      +----------------+
//!        give_up, or no start left, or the bootloader started the old one
//! ```
//!
//! The entry of the image that is on trial stays as it is. Either verdict is a mark, one word, and then a
//! new entry in the other sector: so there is a valid entry at every moment, where ESP-IDF's
//! `esp_ota_mark_app_valid_cancel_rollback` erases the only one that selects the new image before it writes
//! it again (components/app_update/esp_ota_ops.c, `rewrite_ota_seq`, espressif/esp-idf v5.4.1, 4c2820d).
//!
//! # What remains
//!
//! The bootloaders that ship start whatever the entry says, as often as it takes, if the image is whole. An
//! image that the maker signed and that crashes before [`at_start`] is never counted, and only a cable
//! helps; so what runs before is to be kept small, and the same in all images. A bootloader that was built
//! with rollback makes up for that: it gives a new image one start ([`State::PENDING`]), and
//! takes the old one at the next.

use embedded_storage::nor_flash::NorFlash;

use crate::otadata::{Entry, State, next_sequence};
use crate::slots::{Fault, Places, erase, write};
use crate::tail::{MOST_STARTS, Tail};

/// What a trial allows. The image that installs another says it, for that one is known to work; it is read
/// again before anything of the new one can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Starts, 1 to 8.
    pub starts: u8,
    /// Minutes in each of them, at least 1.
    pub minutes: u16,
}

/// Marks a word with limits: one that a power cut tore has it hardly ever.
const MARK: u8 = 0x54;

impl Limits {
    pub(crate) fn to_bytes(self) -> [u8; 4] {
        let [low, high] = self.minutes.to_le_bytes();
        [self.starts, MARK, low, high]
    }

    /// The defaults where nobody said anything that can be: an older image, or one that was cut off.
    fn read([starts, mark, low, high]: [u8; 4]) -> Self {
        let minutes = u16::from_le_bytes([low, high]);
        let is_said = mark == MARK && (1..=MOST_STARTS).contains(&starts) && minutes > 0;
        match is_said {
            true => Self { starts, minutes },
            false => Self::default(),
        }
    }
}

impl Default for Limits {
    /// Three starts, for one can be somebody who pulls the plug, and two a weak power supply; ten minutes in
    /// each, for an access point that restarts at the same time takes three to five, and a trial that fails
    /// costs only that the old image goes on.
    fn default() -> Self {
        Self {
            starts: 3,
            minutes: 10,
        }
    }
}

/// What is known at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    state: State,
    accepted: bool,
    given_up: bool,
    /// The slot that the entry tells is the one that runs.
    runs: bool,
    /// Counted before this one.
    starts: u8,
}

/// What to do at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing: no image is on trial.
    GoOn,
    /// It was accepted: write what the power cut off.
    Confirm,
    /// Count this start; the trial goes on.
    Count,
    /// The bootloader counts; this is the only start.
    OnlyStart,
    /// It has had its chance.
    GiveUp,
}

/// The decision table; the first line that fits counts.
///
/// | state | accepted | given up | runs | starts left | step |
/// |---|---|---|---|---|---|
/// | neither new nor pending | | | | | go on |
/// | | yes | | | | confirm |
/// | | | yes | | | give up |
/// | | | | no | | give up: the bootloader found it damaged |
/// | pending | | | | | only start |
/// | new | | | | yes | count |
/// | new | | | | no | give up |
fn decide(facts: Facts, allowed: u8) -> Step {
    if facts.state != State::NEW && facts.state != State::PENDING {
        Step::GoOn
    } else if facts.accepted {
        Step::Confirm
    } else if facts.given_up || !facts.runs {
        Step::GiveUp
    } else if facts.state == State::PENDING {
        Step::OnlyStart
    } else if facts.starts < allowed.clamp(1, MOST_STARTS) {
        Step::Count
    } else {
        Step::GiveUp
    }
}

/// What kind of start this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As usual.
    Usual,
    /// The running image is on trial: [`accept`] it or [`give_up`] within the minutes.
    OnTrial {
        /// Which start it is, from 1.
        start: u8,
        /// Of how many.
        of: u8,
    },
    /// The image that was on trial is given up. If it is the one that runs, restart: the old one comes.
    GivenUp {
        /// Whether the running image is the one that was given up.
        restart: bool,
    },
}

/// The first thing to do at a start. `running` is the slot that runs, as the chip's memory map tells.
///
/// # Errors
///
/// [`Fault::Flash`], [`Fault::NoSequence`].
pub fn at_start<F: NorFlash>(
    flash: &mut F,
    places: &Places,
    running: usize,
) -> Result<Start, Fault<F::Error>> {
    let Some((sector, entry)) = places.selected(flash)? else {
        return Ok(Start::Usual);
    };
    let tail = Tail(places.sector(sector));
    let facts = Facts {
        state: entry.state,
        accepted: tail.is_accepted(flash)?,
        given_up: tail.is_given_up(flash)?,
        runs: entry.slot(2) == running,
        starts: tail.starts(flash)?,
    };
    let of = Limits::read(tail.limits(flash)?).starts;
    match decide(facts, of) {
        Step::GoOn => Ok(Start::Usual),
        Step::Confirm => {
            replace(flash, places, sector, entry, entry.slot(2))?;
            Ok(Start::Usual)
        }
        Step::Count => {
            tail.count(flash, facts.starts)?;
            let start = facts.starts + 1;
            Ok(Start::OnTrial { start, of })
        }
        Step::OnlyStart => Ok(Start::OnTrial { start: 1, of: 1 }),
        Step::GiveUp => {
            give_up(flash, places)?;
            let restart = facts.runs;
            Ok(Start::GivenUp { restart })
        }
    }
}

/// The running image is good; no trial any more. Nothing is done if it is not on trial: not by the old
/// image either, between [`install`](crate::download::Proven::install) and the restart.
///
/// # Errors
///
/// [`Fault::Flash`], [`Fault::NoSequence`].
pub fn accept<F: NorFlash>(
    flash: &mut F,
    places: &Places,
    running: usize,
) -> Result<(), Fault<F::Error>> {
    let selected = on_trial(flash, places)?;
    let Some((sector, entry)) = selected.filter(|(_, entry)| entry.slot(2) == running) else {
        return Ok(());
    };
    Tail(places.sector(sector)).accept(flash)?;
    replace(flash, places, sector, entry, entry.slot(2))
}

/// The image that is on trial is no good: at the next restart the old one comes back. Nothing is done if
/// none is on trial, or it was accepted.
///
/// # Errors
///
/// [`Fault::Flash`], [`Fault::NoSequence`].
pub fn give_up<F: NorFlash>(flash: &mut F, places: &Places) -> Result<(), Fault<F::Error>> {
    let Some((sector, entry)) = on_trial(flash, places)? else {
        return Ok(());
    };
    let tail = Tail(places.sector(sector));
    if tail.is_accepted(flash)? {
        return Ok(());
    }
    tail.give_up(flash)?;
    replace(flash, places, sector, entry, 1 - entry.slot(2))
}

/// Whether the running image is on trial, in a life whose start was counted.
///
/// # Errors
///
/// [`Fault::Flash`].
pub fn is_on_trial<F: NorFlash>(
    flash: &mut F,
    places: &Places,
    running: usize,
) -> Result<bool, Fault<F::Error>> {
    let selected = on_trial(flash, places)?;
    Ok(selected.is_some_and(|(_, entry)| entry.slot(2) == running))
}

/// What the trial of the image that the bootloader goes by allows.
///
/// # Errors
///
/// [`Fault::Flash`].
pub fn limits<F: NorFlash>(flash: &mut F, places: &Places) -> Result<Limits, Fault<F::Error>> {
    match places.selected(flash)? {
        Some((sector, _)) => Tail(places.sector(sector)).limits(flash).map(Limits::read),
        None => Ok(Limits::default()),
    }
}

fn on_trial<F: NorFlash>(
    flash: &mut F,
    places: &Places,
) -> Result<Option<(usize, Entry)>, Fault<F::Error>> {
    let selected = places.selected(flash)?;
    Ok(selected.filter(|(_, entry)| matches!(entry.state, State::NEW | State::PENDING)))
}

/// Writes an entry for a slot into the sector that is not selected; it is the one from then on.
fn replace<F: NorFlash>(
    flash: &mut F,
    places: &Places,
    selected: usize,
    entry: Entry,
    slot: usize,
) -> Result<(), Fault<F::Error>> {
    let sequence = next_sequence(Some(entry), slot, 2).ok_or(Fault::NoSequence)?;
    let entry = Entry::new(sequence, State::VALID).ok_or(Fault::NoSequence)?;
    let at = places.sector(1 - selected);
    erase(flash, at)?;
    write(flash, at, &entry.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that can be known, against the table in words.
    #[test]
    fn every_line_of_the_decision_table() {
        let flags = [false, true];
        for state in [
            State::NEW,
            State::PENDING,
            State::VALID,
            State::UNDEFINED,
            State(7),
        ] {
            for accepted in flags {
                for given_up in flags {
                    for runs in flags {
                        for starts in 0..=MOST_STARTS {
                            let facts = Facts {
                                state,
                                accepted,
                                given_up,
                                runs,
                                starts,
                            };
                            let expected = match (state, accepted, given_up, runs, starts) {
                                (State::NEW | State::PENDING, true, ..) => Step::Confirm,
                                (State::PENDING, false, false, true, _) => Step::OnlyStart,
                                (State::NEW, false, false, true, 0..3) => Step::Count,
                                (State::NEW | State::PENDING, ..) => Step::GiveUp,
                                _ => Step::GoOn,
                            };
                            assert_eq!(decide(facts, 3), expected, "{facts:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn limits_are_read_as_they_were_written_and_are_the_defaults_where_torn() {
        let said = Limits {
            starts: 8,
            minutes: 1440,
        };
        assert_eq!(Limits::read(said.to_bytes()), said);
        for word in [
            [0xFF; 4],
            [0, MARK, 1, 0],
            [9, MARK, 1, 0],
            [3, MARK, 0, 0],
            [3, 0x5C, 9, 0],
        ] {
            assert_eq!(Limits::read(word), Limits::default(), "{word:?}");
        }
    }

    #[test]
    fn a_trial_has_a_start_and_no_more_than_can_be_counted() {
        let facts = |starts| Facts {
            state: State::NEW,
            accepted: false,
            given_up: false,
            runs: true,
            starts,
        };
        assert_eq!(decide(facts(0), 0), Step::Count);
        assert_eq!(decide(facts(1), 0), Step::GiveUp);
        assert_eq!(decide(facts(MOST_STARTS - 1), u8::MAX), Step::Count);
        assert_eq!(decide(facts(MOST_STARTS), u8::MAX), Step::GiveUp);
    }
}
