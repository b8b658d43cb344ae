//! A device for the cloud session to serve.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use product::Card;

use super::super::device::{Backlog, Device};
use crate::clock::Clock;
use crate::errands::Errands;
use crate::event::Event;
use crate::platform::{BuildId, Heap, Identity, ResetReason};
use crate::retained::PanicRecord;
use crate::telemetry::{Sample, SampleQueue, Vitals};
use crate::testing::{Room, readings};

/// When the fake device booted, in milliseconds since 1970.
pub(super) const BOOT: u64 = 1_800_000_000_000;

pub(super) struct Fake {
    pub(super) queue: SampleQueue,
    pub(super) product: Cell<Card>,
    pub(super) errands: Errands,
    pub(super) certain: Cell<bool>,
    pub(super) boot_unix_ms: Cell<u64>,
    pub(super) interval_ms: Cell<u32>,
    pub(super) events: RefCell<Vec<Event>>,
    pub(super) panic: RefCell<Option<PanicRecord>>,
    pub(super) build: Cell<BuildId>,
    /// Samples that wait in flash, if there is a place for them.
    pub(super) kept: Option<SampleQueue>,
    pub(super) oldest_first: Cell<bool>,
    /// Those of the next samples.
    pub(super) vitals: Cell<Vitals>,
    /// The clock that the server is asked about, if it is.
    pub(super) clock: Option<Clock>,
    /// What it said, in milliseconds since 1970.
    pub(super) heard: RefCell<Vec<u64>>,
}

impl Fake {
    pub(super) fn with_samples(count: u64) -> Self {
        let this = Self {
            queue: SampleQueue::new(600, Card::of::<Room>().schema),
            product: Cell::new(Card::of::<Room>()),
            errands: Errands::new(),
            certain: Cell::new(true),
            boot_unix_ms: Cell::new(BOOT),
            interval_ms: Cell::new(1_000),
            events: RefCell::default(),
            panic: RefCell::default(),
            build: Cell::default(),
            kept: None,
            oldest_first: Cell::new(false),
            vitals: Cell::new(Vitals::NONE),
            clock: None,
            heard: RefCell::default(),
        };
        for number in 0..count {
            this.push(number * 1_000);
        }
        this
    }

    pub(super) fn push(&self, uptime_ms: u64) {
        self.queue.push(self.sample(uptime_ms));
    }

    pub(super) fn sample(&self, uptime_ms: u64) -> Sample {
        Sample {
            uptime_ms,
            readings: readings(Some(-5), Some(451)),
            rssi_dbm: Some(-60),
            heap_free: Some(123_456),
            heap_largest: Some(65_536),
            vitals: self.vitals.get(),
            ..Sample::default()
        }
    }

    pub(super) fn acknowledged(&self) -> Vec<(u16, u16)> {
        let events = self.events.borrow();
        let each = events.iter().filter_map(|event| match event {
            Event::Acknowledged { samples, backlog } => Some((*samples, *backlog)),
            _ => None,
        });
        each.collect()
    }

    pub(super) fn answered(&self) -> Vec<(String, bool)> {
        let events = self.events.borrow();
        let each = events.iter().filter_map(|event| match event {
            Event::RpcAnswered { method, ok } => Some((method.to_string(), *ok)),
            _ => None,
        });
        each.collect()
    }
}

impl Device for Fake {
    fn tell(&self, event: &Event) {
        self.events.borrow_mut().push(event.clone());
    }
    fn queue(&self) -> &SampleQueue {
        &self.queue
    }
    fn backlog(&self) -> Option<&dyn Backlog> {
        self.kept.as_ref().map(|_| self as &dyn Backlog)
    }
    fn oldest_first(&self) -> bool {
        self.oldest_first.get()
    }
    fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }
    fn hear_time(&self, unix_ms: u64) {
        self.heard.borrow_mut().push(unix_ms);
    }
    fn stamp(&self, uptime_ms: u64) -> Option<u64> {
        self.certain
            .get()
            .then_some(self.boot_unix_ms.get() + uptime_ms)
    }
    fn uptime_ms(&self) -> u64 {
        5_000
    }
    fn interval_ms(&self) -> u32 {
        self.interval_ms.get()
    }
    fn vitals_interval_s(&self) -> u32 {
        60
    }
    fn change_interval(&self, ms: u32) -> bool {
        self.interval_ms.set(ms);
        true
    }
    fn product(&self) -> Card {
        self.product.get()
    }
    fn errands(&self) -> &Errands {
        &self.errands
    }
    fn identity(&self) -> Identity {
        Identity {
            chip: "host",
            built_at_unix_s: 0,
            build: self.build.get(),
        }
    }
    fn reset_reason(&self) -> ResetReason {
        ResetReason::PowerOn
    }
    fn panic(&self) -> Option<PanicRecord> {
        self.panic.borrow().clone()
    }
    fn forget_panic(&self) {
        self.panic.take();
    }
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0xab, 0xcd, 0xef]
    }
    fn rssi_dbm(&self) -> Option<i8> {
        Some(-61)
    }
    fn heap(&self) -> Option<Heap> {
        None
    }
    fn heap_largest(&self) -> Option<u32> {
        Some(65_536)
    }
}

impl Backlog for Fake {
    fn load(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.is_empty())
    }
    fn queue(&self) -> &SampleQueue {
        self.kept.as_ref().expect("there is a place")
    }
    fn acknowledge_below(&self, number: u64) {
        Backlog::queue(self).acknowledge_below(number);
    }
}
