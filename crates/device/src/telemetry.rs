//! Samples between the sensor and the broker's acknowledgement: a bounded queue, oldest first out.
//!
//! The queue knows no network and no calendar; a sample carries the time since boot, and gets its
//! real time stamp when it is sent. A sample leaves in two ways only: the broker acknowledged it,
//! or the queue was full and it was the oldest, which is counted.

use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;

mod vitals;

use crate::event::Sample;
pub use vitals::{Vitals, VitalsSchedule};

/// A sample as it waits: 24 bytes rather than 48, for there are hundreds of them. Each range's far
/// end, which no sensor measures, stands for "none".
#[derive(Clone, Copy)]
struct Packed {
    uptime_ms_low: u32,
    heap_free: u32,
    heap_least: u32,
    /// 48 bits of milliseconds are nine thousand years.
    uptime_ms_high: u16,
    temperature: i16,
    humidity: u16,
    chip_temperature: i16,
    /// In blocks of 16 bytes.
    heap_largest: u16,
    rssi: i8,
    vitals: Vitals,
}

const _: () = assert!(size_of::<Packed>() == 24);

impl From<Sample> for Packed {
    fn from(sample: Sample) -> Self {
        Self {
            uptime_ms_low: sample.uptime_ms as u32,
            heap_free: sample.heap_free.unwrap_or(u32::MAX),
            heap_least: sample.heap_least.unwrap_or(u32::MAX),
            uptime_ms_high: (sample.uptime_ms >> 32) as u16,
            temperature: sample.temperature_decicelsius.unwrap_or(i16::MIN),
            humidity: sample.humidity_permille.unwrap_or(u16::MAX),
            chip_temperature: sample.chip_temperature_decicelsius.unwrap_or(i16::MIN),
            heap_largest: sample
                .heap_largest
                .map_or(u16::MAX, |bytes| (bytes / 16).min(0xFFFE) as u16),
            rssi: sample.rssi_dbm.unwrap_or(i8::MIN),
            vitals: sample.vitals,
        }
    }
}

impl From<Packed> for Sample {
    fn from(packed: Packed) -> Self {
        fn present<T: PartialEq>(value: T, none: T) -> Option<T> {
            (value != none).then_some(value)
        }
        Self {
            uptime_ms: u64::from(packed.uptime_ms_high) << 32 | u64::from(packed.uptime_ms_low),
            temperature_decicelsius: present(packed.temperature, i16::MIN),
            humidity_permille: present(packed.humidity, u16::MAX),
            chip_temperature_decicelsius: present(packed.chip_temperature, i16::MIN),
            rssi_dbm: present(packed.rssi, i8::MIN),
            heap_free: present(packed.heap_free, u32::MAX),
            heap_least: present(packed.heap_least, u32::MAX),
            heap_largest: present(packed.heap_largest, u16::MAX)
                .map(|blocks| u32::from(blocks) * 16),
            vitals: packed.vitals,
        }
    }
}

/// Samples that wait to be sent, or to be acknowledged.
pub struct SampleQueue {
    samples: RefCell<VecDeque<Packed>>,
    capacity: usize,
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
    /// A queue of at most `capacity` samples, at least one: 24 bytes each, taken from the heap at
    /// once so that an outage cannot run out of memory.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            samples: RefCell::new(VecDeque::with_capacity(capacity)),
            capacity,
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
        let full = samples.len() == self.capacity;
        if full {
            samples.pop_front();
            self.first.set(self.first.get() + 1);
            self.dropped.set(self.dropped.get().saturating_add(1));
        }
        samples.push_back(sample.into());
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
        self.samples.borrow().get(index).copied().map(Sample::from)
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
            .min(samples.len());
        samples.drain(..count);
        self.first.set(self.first.get() + count as u64);
        count
    }

    /// How many samples wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.borrow().len()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(uptime_ms: u64) -> Sample {
        Sample {
            uptime_ms,
            ..Sample::default()
        }
    }

    #[test]
    fn a_sample_comes_out_as_it_went_in() {
        let full = Sample {
            uptime_ms: 0xFFFF_FFFF_FFFF,
            temperature_decicelsius: Some(-400),
            humidity_permille: Some(0),
            chip_temperature_decicelsius: Some(i16::MAX),
            rssi_dbm: Some(-127),
            heap_free: Some(0),
            heap_least: Some(u32::MAX - 1),
            heap_largest: Some(0xFFFE * 16),
            vitals: Vitals::ALL,
        };
        for sample in [full, Sample::default()] {
            assert_eq!(Sample::from(Packed::from(sample)), sample);
        }
    }

    #[test]
    fn the_oldest_gives_way_and_is_counted() {
        let queue = SampleQueue::new(2);
        assert!(!queue.push(sample(1)));
        assert!(!queue.push(sample(2)));
        assert!(queue.push(sample(3)));
        assert_eq!((queue.dropped(), queue.len(), queue.first()), (1, 2, 1));
        assert_eq!(queue.at(1).unwrap().uptime_ms, 2);
        assert!(queue.at(0).is_none() && queue.at(3).is_none());
    }

    #[test]
    fn an_acknowledgement_hits_only_what_was_sent() {
        let queue = SampleQueue::new(2);
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
}
