//! Samples between the sensor and the broker's acknowledgement: a bounded queue, oldest first out.
//!
//! The queue knows no network and no calendar; a sample carries the time since boot, and gets its
//! real time stamp when it is sent. A sample leaves in two ways only: the broker acknowledged it,
//! or the queue was full and it was the oldest, which is counted.

mod sample;
mod schedule;
mod vitals;

use alloc::boxed::Box;
use core::cell::{Cell, RefCell};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;

use product::Schema;

pub use sample::Sample;
pub use schedule::VitalsSchedule;
pub use vitals::Vitals;

/// Samples that wait to be sent, or to be acknowledged.
pub struct SampleQueue {
    samples: RefCell<Ring>,
    schema: Schema,
    dropped: Cell<u32>,
    /// How many of them the server has been told.
    dropped_told: Cell<u32>,
    arrived: Signal<NoopRawMutex, ()>,
    /// The number of the oldest sample, counted since boot.
    first: Cell<u64>,
    sent: Cell<Sent>,
}

/// What was sent with time stamps, and may have arrived.
#[derive(Clone, Copy, Default)]
struct Sent {
    /// The number after its last sample.
    end: u64,
    /// Milliseconds between 1970 UTC and boot, as its time stamps had it.
    boot_unix_ms: u64,
}

impl SampleQueue {
    /// A queue of at most `capacity` samples of these series, at least one: 20 bytes each and those
    /// of the [schema](Schema::bytes), taken from the heap at once so that an outage cannot run out of
    /// memory.
    #[must_use]
    pub fn new(capacity: usize, schema: Schema) -> Self {
        Self {
            samples: RefCell::new(Ring::new(capacity.max(1), sample::waiting_bytes(schema))),
            schema,
            dropped: Cell::new(0),
            dropped_told: Cell::new(0),
            arrived: Signal::new(),
            first: Cell::new(0),
            sent: Cell::default(),
        }
    }

    /// Adds the newest sample. Returns whether the oldest had to give way.
    pub fn push(&self, sample: Sample) -> bool {
        let mut samples = self.samples.borrow_mut();
        let full = samples.is_full();
        if full {
            samples.drop_oldest(1);
            self.first.set(self.first.get() + 1);
            self.dropped.set(self.dropped.get().saturating_add(1));
        }
        if let Some(bytes) = samples.push() {
            sample.pack(bytes);
        }
        self.arrived.signal(());
        full
    }

    /// The number of the oldest sample that waits, counted since boot. It stays with the sample,
    /// so that an acknowledgement cannot hit another one.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first.get()
    }

    /// The sample of this number, if it still waits.
    #[must_use]
    pub fn at(&self, number: u64) -> Option<Sample> {
        let index = usize::try_from(number.checked_sub(self.first.get())?).ok()?;
        let samples = self.samples.borrow();
        let bytes = samples.get(index)?;
        Some(Sample::unpack(bytes, self.schema))
    }

    /// Takes note of samples that were sent with time stamps: those numbered below `end`, with this
    /// many milliseconds between 1970 UTC and boot.
    pub fn note_sent(&self, end: u64, boot_unix_ms: u64) {
        self.sent.set(Sent { end, boot_unix_ms });
    }

    /// With what the sample of this number was sent, if it was; it has to be the same if it is sent
    /// again, for the server tells samples apart by their time stamps.
    #[must_use]
    pub fn sent_with(&self, number: u64) -> Option<u64> {
        let Sent { end, boot_unix_ms } = self.sent.get();
        (number < end).then_some(boot_unix_ms)
    }

    /// Lets go of all samples numbered below `number`: the broker has them. Returns how many of
    /// them still waited.
    pub fn acknowledge_below(&self, number: u64) -> usize {
        let mut samples = self.samples.borrow_mut();
        let count = number.saturating_sub(self.first.get());
        let count = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .min(samples.waiting);
        samples.drop_oldest(count);
        self.first.set(self.first.get() + count as u64);
        count
    }

    /// These gave way elsewhere, though they had left the queue in time.
    pub fn note_dropped(&self, samples: u32) {
        self.dropped.set(self.dropped.get().saturating_add(samples));
    }

    /// Whether the next sample makes the oldest give way.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.samples.borrow().is_full()
    }

    /// How many samples wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.borrow().waiting
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many samples gave way since boot.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped.get()
    }

    /// How many samples gave way of which the server has not been told. They were all older than
    /// those that wait: the first of these comes after the gap.
    #[must_use]
    pub fn dropped_untold(&self) -> u32 {
        self.dropped.get().wrapping_sub(self.dropped_told.get())
    }

    /// The server has been told that so many gave way since boot.
    pub fn note_dropped_told(&self, dropped: u32) {
        self.dropped_told.set(dropped);
    }

    /// Returns once a sample was added since the last return. Cancel-safe; for one waiter.
    pub async fn arrival(&self) {
        self.arrived.wait().await;
    }
}

/// Places of equal length, in a circle.
struct Ring {
    bytes: Box<[u8]>,
    /// How many bytes a place has.
    place: usize,
    /// Where the oldest is.
    oldest: usize,
    /// How many places are taken.
    waiting: usize,
}

impl Ring {
    fn new(places: usize, place: usize) -> Self {
        Self {
            bytes: alloc::vec![0; places * place].into(),
            place,
            oldest: 0,
            waiting: 0,
        }
    }

    fn places(&self) -> usize {
        self.bytes.len() / self.place
    }

    fn is_full(&self) -> bool {
        self.waiting == self.places()
    }

    /// Where the one of this index is, counted from the oldest.
    fn at(&self, index: usize) -> core::ops::Range<usize> {
        let place = self.oldest + index;
        let place = place.checked_sub(self.places()).unwrap_or(place);
        place * self.place..(place + 1) * self.place
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        (index < self.waiting).then(|| self.bytes.get(self.at(index)))?
    }

    /// The place of one more; none if all are taken.
    fn push(&mut self) -> Option<&mut [u8]> {
        if self.is_full() {
            return None;
        }
        let at = self.at(self.waiting);
        self.waiting += 1;
        self.bytes.get_mut(at)
    }

    /// Gives up places of the oldest, of which there are so many.
    fn drop_oldest(&mut self, count: usize) {
        self.oldest = (self.oldest + count) % self.places();
        self.waiting -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Room;

    const SCHEMA: Schema = Schema::of::<Room>();

    fn sample(uptime_ms: u64) -> Sample {
        Sample {
            uptime_ms,
            ..Sample::default()
        }
    }

    #[test]
    fn the_oldest_gives_way_and_is_counted() {
        let queue = SampleQueue::new(2, SCHEMA);
        assert!(!queue.push(sample(1)));
        assert!(!queue.push(sample(2)));
        assert!(queue.push(sample(3)));
        assert_eq!((queue.dropped(), queue.len(), queue.first()), (1, 2, 1));
        assert_eq!(queue.at(1).unwrap().uptime_ms, 2);
        assert!(queue.at(0).is_none() && queue.at(3).is_none());
    }

    #[test]
    fn an_acknowledgement_hits_only_what_was_sent() {
        let queue = SampleQueue::new(2, SCHEMA);
        queue.push(sample(1));
        queue.push(sample(2));
        // Samples 0 and 1 are under way; meanwhile sample 0 gives way to sample 2.
        queue.push(sample(3));
        assert_eq!(queue.acknowledge_below(2), 1);
        assert_eq!(queue.at(queue.first()).unwrap().uptime_ms, 3);
        assert_eq!(queue.acknowledge_below(2), 0, "nothing twice");
        assert_eq!(queue.acknowledge_below(u64::MAX), 1);
        assert!(queue.is_empty());
        assert_eq!(queue.first(), 3);
    }

    #[test]
    fn samples_keep_their_order_however_often_the_queue_went_round() {
        let queue = SampleQueue::new(3, SCHEMA);
        for uptime_ms in 0..20 {
            let numbers = || (queue.first()..).map_while(|number| queue.at(number));
            let dropped = queue.push(sample(uptime_ms));
            assert_eq!(dropped, uptime_ms % 5 > 2, "{uptime_ms}");
            assert!(numbers().map(|sample| sample.uptime_ms).is_sorted());
            assert_eq!(numbers().last().unwrap().uptime_ms, uptime_ms);
            if uptime_ms % 5 == 4 {
                queue.acknowledge_below(u64::MAX);
            }
        }
    }
}
