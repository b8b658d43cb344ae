//! Samples that wait in flash: those for which memory has no room, and those that a restart would lose.
//!
//! They go into the ring in the partition `backlog` in records that one message to the server takes, and
//! come back record by record into a small queue of their own. A record leaves the ring when the broker
//! has acknowledged all of it, or when it is the oldest and there is no room, which is counted. Without
//! such a partition nothing here does anything.
//!
//! A record holds the calendar by which its samples were sent or would have been, so that they are sent
//! with the same time stamps in whichever life. Samples of a life that did not know the calendar get it
//! from a later moment of that life, or from another life if a counter ran on in between; else they are
//! lost, and counted.

use core::cell::{Cell, RefCell};

use backlog::record::{Entry, Head, MOST_BYTES, MOST_SAMPLES, Record, Time, Writer};
use backlog::{Fault, Ring};
use embedded_storage::nor_flash::NorFlash;
use product::{Readings, Schema};

use crate::clock::Clock;
use crate::platform::System;
use crate::retained;
use crate::storage::Storage;
use crate::telemetry::{Sample, SampleQueue, Vitals};

/// Of which life samples are, while its calendar is not known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    life: u32,
    run: u32,
    boot_ms: u64,
}

impl Life {
    /// The one that begins.
    pub(crate) fn begin<S: System>(system: &S) -> Self {
        let random = || {
            let mut bytes = [0; 4];
            system.fill_random(&mut bytes);
            u32::from_le_bytes(bytes)
        };
        let powered_ms = system.powered_ms();
        Self {
            life: random(),
            run: powered_ms.map_or(0, |_| retained::run(system.retained(), random())),
            boot_ms: powered_ms.unwrap_or(0),
        }
    }

    fn time(self) -> Time {
        let Self { life, run, boot_ms } = self;
        Time::Life { life, run, boot_ms }
    }
}

/// The samples in flash, in one life.
pub(crate) struct Kept<'a, F> {
    storage: &'a Storage<F>,
    schema: Schema,
    series: u16,
    life: Life,
    ring: RefCell<Option<Ring>>,
    /// Those of the oldest record.
    queue: Option<SampleQueue>,
    state: Cell<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Nothing is in the ring.
    empty: bool,
    /// How many samples the oldest record in the ring has, if it was fetched into the queue.
    fetched: usize,
    damaged: bool,
}

impl<'a, F: NorFlash> Kept<'a, F> {
    /// Those that earlier lives left.
    pub(crate) fn new(storage: &'a Storage<F>, schema: Schema, life: Life) -> Self {
        let place = storage.partitions().backlog;
        let ring = place.and_then(|place| Ring::new::<F>(place.offset..place.offset + place.size));
        let queue = ring
            .is_some()
            .then(|| SampleQueue::new(MOST_SAMPLES, schema));
        Self {
            storage,
            schema,
            series: check(schema),
            life,
            ring: RefCell::new(ring),
            queue,
            state: Cell::default(),
        }
    }

    /// Whether there is a place for them.
    pub(crate) fn is_there(&self) -> bool {
        self.queue.is_some()
    }

    /// Whether something was damaged since this was asked the last time.
    pub(crate) fn take_damage(&self) -> bool {
        let state = self.state.get();
        self.state.set(State {
            damaged: false,
            ..state
        });
        state.damaged
    }

    /// Moves the oldest samples of `queue` here, at least so many. Returns how many were moved; those
    /// that gave way are counted in the queue.
    pub(crate) fn keep(&self, queue: &SampleQueue, clock: &Clock, least: usize) -> usize {
        let mut kept = 0;
        while kept < least && self.is_there() {
            let Some(record) = self.write(queue, clock) else {
                break;
            };
            let Some(gone) = self.with_ring(|ring, flash| ring.push(flash, record.bytes())) else {
                break;
            };
            let state = self.state.get();
            self.state.set(State {
                empty: false,
                // The one that was fetched was the oldest, and gave way.
                fetched: if gone == 0 { state.fetched } else { 0 },
                ..state
            });
            queue.note_dropped(gone);
            kept += queue.acknowledge_below(queue.first() + record.samples() as u64);
        }
        kept
    }

    /// The next samples of the queue, as a record; none if there are none.
    fn write(&self, queue: &SampleQueue, clock: &Clock) -> Option<Writer> {
        let boot_unix_ms = |number| queue.sent_with(number).or_else(|| clock.stamp(0));
        let first = queue.first();
        let boot = boot_unix_ms(first);
        let time = boot.map_or(self.life.time(), |boot_unix_ms| Time::Calendar {
            boot_unix_ms,
        });
        let mut record = Writer::new(Head {
            time,
            series: self.series,
            body: self.schema.bytes() as u8,
        })?;
        for number in first.. {
            let Some(sample) = queue.at(number).filter(|_| boot_unix_ms(number) == boot) else {
                break;
            };
            let vitals = sample.vitals_bytes();
            let tail = match sample.vitals {
                Vitals::NONE => &[][..],
                _ => &vitals,
            };
            if !record.push(&Entry {
                uptime_ms: sample.uptime_ms,
                body: sample.readings.bytes(),
                tail,
            }) {
                break;
            }
        }
        (record.samples() > 0).then_some(record)
    }

    /// Those that were fetched and not acknowledged; none where there is no place for any.
    pub(crate) fn queue(&self) -> Option<&SampleQueue> {
        self.queue.as_ref()
    }

    /// Fetches the oldest record whose samples can be sent; samples that nobody can use are counted in
    /// `live`. Returns whether there is one.
    pub(crate) fn fetch(&self, live: &SampleQueue, clock: &Clock) -> bool {
        let Some(queue) = &self.queue else {
            return false;
        };
        if !queue.is_empty() {
            return true;
        }
        while !self.state.get().empty {
            let mut bytes = [0; MOST_BYTES];
            let found =
                self.with_ring(|ring, flash| Ok(ring.peek(flash, &mut bytes)?.map(<[u8]>::len)));
            let Some(length) = found else {
                return false;
            };
            let Some(bytes) = length.and_then(|length| bytes.get(..length)) else {
                let state = self.state.get();
                self.state.set(State {
                    empty: true,
                    ..state
                });
                return false;
            };
            let record = Record::parse(bytes);
            let lost = record.map_or(0, |record| record.samples());
            let ours = record.filter(|record| {
                let head = record.head();
                head.series == self.series && usize::from(head.body) == self.schema.bytes()
            });
            if let Some(record) = ours {
                if let Some(boot_unix_ms) = self.calendar(record.head().time, clock) {
                    record.each(|entry| {
                        let readings = Readings::from_bytes(self.schema, entry.body);
                        queue.push(Sample::from_parts(entry.uptime_ms, readings, entry.tail));
                    });
                    if !queue.is_empty() {
                        queue.note_sent(queue.first() + queue.len() as u64, boot_unix_ms);
                        let state = self.state.get();
                        self.state.set(State {
                            fetched: queue.len(),
                            ..state
                        });
                        return true;
                    }
                } else if clock.stamp(0).is_none() {
                    // It may be known later.
                    return false;
                }
            }
            live.note_dropped(lost.into());
            if self.with_ring(Ring::pop).is_none() {
                return false;
            }
        }
        false
    }

    /// Milliseconds between 1970 UTC and the boot of the life that this is the time of, if known.
    fn calendar(&self, time: Time, clock: &Clock) -> Option<u64> {
        match time {
            Time::Calendar { boot_unix_ms } => Some(boot_unix_ms),
            Time::Life { life, .. } if life == self.life.life => clock.stamp(0),
            Time::Life { run, boot_ms, .. } if run != 0 && run == self.life.run => {
                let since = self.life.boot_ms.checked_sub(boot_ms)?;
                clock.stamp(0)?.checked_sub(since)
            }
            Time::Life { .. } => None,
        }
    }

    /// The broker has acknowledged those below this number. Returns how many have left the flash by that: a
    /// record is there until all of it was acknowledged, and is sent again should the power go before.
    pub(crate) fn acknowledge_below(&self, number: u64) -> usize {
        let Some(queue) = &self.queue else {
            return 0;
        };
        queue.acknowledge_below(number);
        let state = self.state.get();
        if !queue.is_empty() || state.fetched == 0 {
            return 0;
        }
        self.state.set(State {
            fetched: 0,
            ..state
        });
        self.with_ring(Ring::pop).map_or(0, |()| state.fetched)
    }

    /// Does something in the ring; once more, if something was in its way. None if it cannot be done.
    fn with_ring<T>(
        &self,
        mut work: impl FnMut(&mut Ring, &mut F) -> Result<T, Fault>,
    ) -> Option<T> {
        let mut ring = self.ring.borrow_mut();
        let ring = ring.as_mut()?;
        self.storage.with_flash(|flash| {
            for _ in 0..2 {
                match work(ring, flash) {
                    Ok(done) => return Some(done),
                    Err(fault) => {
                        let state = self.state.get();
                        self.state.set(State {
                            damaged: true,
                            ..state
                        });
                        if fault == Fault::Flash {
                            break;
                        }
                    }
                }
            }
            None
        })
    }
}

/// Tells series apart: whether what was kept can be read by them.
fn check(schema: Schema) -> u16 {
    let mut check = 0x1d0f_u16;
    let mut add = |byte: u8| check = check.rotate_left(5) ^ u16::from(byte).wrapping_mul(0x9e37);
    for about in schema.iter() {
        about.key.bytes().for_each(&mut add);
        [about.least, about.most]
            .into_iter()
            .flat_map(i32::to_le_bytes)
            .for_each(&mut add);
    }
    check
}

#[cfg(test)]
mod tests;
