//! The order of the ring's sectors, put right before its library reads them.
//!
//! The library takes for granted what it always leaves behind: sectors that are full one after the
//! other, behind them one that is being filled, then those that are blank. It reads on to the first blank
//! one. Where flash forgot, or a sector had to be given up, a blank one lies among the full ones: what is
//! behind it would be out of reach, and lost with what is kept later. Such a gap is closed, as if it had
//! been filled and let go of, and so is whatever else is out of order. Nothing that can be read is erased.
//! Nor is a sector filled on that has something behind its end: a record of long ago would come out again
//! behind the one that reaches it.

extern crate alloc;

use alloc::vec::Vec;
use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;

use crate::flash::each_byte;

/// A marker counts as written from so many zeros on (`get_page_state` of sequential-storage 7.2.0).
const HALF_MARKER_BITS: u32 = 4;
/// More than a word of any flash that the library takes.
const MOST_WORD: usize = 32;
/// What stands before each record: the data's check, its length, and a check of that, little-endian.
const HEADER: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Blank,
    Filling,
    Full,
}

/// Puts the sectors in order. Reads two words of each, and the one that is being filled; writes and erases only
/// where it has to.
pub(crate) fn settle<F: NorFlash>(flash: &mut F, range: Range<u32>) -> Result<(), F::Error> {
    let starts = || range.clone().step_by(F::ERASE_SIZE);
    let mut states = Vec::with_capacity(starts().len());
    for sector in starts() {
        states.push(state(flash, sector)?);
    }
    let count = states.len();
    let address = |at: usize| range.start + (at % count * F::ERASE_SIZE) as u32;
    while let Some(newest) = Newest::of(&states) {
        if newest.filling && !ends(flash, address(newest.at))? {
            close(flash, address(newest.at))?;
            states[newest.at] = State::Full;
            continue;
        }
        if !newest.filling && newest.blank == 0 {
            // All are full, and none is known to be the oldest.
            let next = address(newest.at + 1);
            return flash.erase(next, next + F::ERASE_SIZE as u32);
        }
        for at in newest.at + newest.blank + 1..newest.at + count {
            if states[at % count] != State::Full {
                close(flash, address(at))?;
            }
        }
        break;
    }
    Ok(())
}

/// The sector that was filled last, as far as can be known.
struct Newest {
    at: usize,
    filling: bool,
    /// So many blank ones follow.
    blank: usize,
}

impl Newest {
    /// One that is being filled, or else one that is full; of these the one with the most room behind it. None if all
    /// are blank.
    fn of(states: &[State]) -> Option<Self> {
        let mut newest: Option<Self> = None;
        for (at, state) in states.iter().enumerate() {
            if *state == State::Blank {
                continue;
            }
            let others = states[at + 1..].iter().chain(&states[..at]);
            let this = Self {
                at,
                filling: *state == State::Filling,
                blank: others.take_while(|state| **state == State::Blank).count(),
            };
            let rank = |newest: &Self| (newest.filling, newest.blank);
            if newest.as_ref().is_none_or(|best| rank(&this) > rank(best)) {
                newest = Some(this);
            }
        }
        newest
    }
}

fn state<F: NorFlash>(flash: &mut F, sector: u32) -> Result<State, F::Error> {
    let end = sector + F::ERASE_SIZE as u32;
    let marked = (
        is_marked(flash, sector)?,
        is_marked(flash, end - F::READ_SIZE as u32)?,
    );
    Ok(match marked {
        (true, true) => State::Full,
        (true, false) => State::Filling,
        (false, false) => State::Blank,
        // It was being erased.
        (false, true) => {
            flash.erase(sector, end)?;
            State::Blank
        }
    })
}

fn is_marked<F: NorFlash>(flash: &mut F, at: u32) -> Result<bool, F::Error> {
    let mut marker = [0; MOST_WORD];
    let marker = &mut marker[..F::READ_SIZE];
    flash.read(at, marker)?;
    let zeros = marker.iter().map(|byte| byte.count_zeros()).sum::<u32>();
    Ok(zeros >= HALF_MARKER_BITS)
}

/// Whether nothing is behind the end of what this sector holds. That is found as the library does (`traverse` and
/// `read_new` in its item.rs): the first blank place for a header, from one header to the next.
fn ends<F: NorFlash>(flash: &mut F, sector: u32) -> Result<bool, F::Error> {
    let word = word::<F>();
    let end = sector + (F::ERASE_SIZE - word) as u32;
    let place = HEADER.next_multiple_of(word);
    let mut at = sector + word as u32;
    while at + place as u32 <= end {
        let mut header = [0; MOST_WORD];
        let header = &mut header[..place];
        flash.read(at, header)?;
        if header.iter().all(|byte| *byte == 0xFF) {
            break;
        }
        let length = u16::from_le_bytes([header[4], header[5]]);
        let data = usize::from(length).next_multiple_of(word);
        let next = at + (place + data) as u32;
        let valid = check(length) == u16::from_le_bytes([header[6], header[7]]);
        at = if valid && next <= end {
            next
        } else {
            at + word as u32
        };
    }
    let mut blank = true;
    each_byte(flash, at..end, |byte| blank &= byte == 0xFF)?;
    Ok(blank)
}

/// The check of a record's length: CRC-16F/4.2, and never blank.
pub(crate) fn check(length: u16) -> u16 {
    let mut check = 0xFFFF;
    for byte in length.to_le_bytes() {
        check ^= u16::from(byte);
        for _ in 0..8 {
            let low = check & 1 == 1;
            check >>= 1;
            if low {
                check ^= 0x1A2E;
            }
        }
    }
    match check ^ 0xFFFF {
        0xFFFF => 0xFFFE,
        check => check,
    }
}

/// The size of a marker.
fn word<F: NorFlash>() -> usize {
    F::WRITE_SIZE.max(F::READ_SIZE)
}

fn close<F: NorFlash>(flash: &mut F, sector: u32) -> Result<(), F::Error> {
    let word = word::<F>();
    let marker = &[0; MOST_WORD][..word];
    flash.write(sector, marker)?;
    flash.write(sector + (F::ERASE_SIZE - word) as u32, marker)
}
