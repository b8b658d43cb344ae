//! A chip on a host: its clock, button, randomness, and what outlives a restart.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use device::platform::{Heap, Identity, Observer, Press, ResetReason, Running, System};
use device::retained::{self, PanicRecord, note_panic};
use embassy_time::Instant;
use rand::rngs::SysRng;
use rand_core::TryRng;
use seal::{Block, Key, Mac, Message};
use tokio::sync::Notify;

use crate::noise::Noise;

/// When the firmware of a host's devices claims to have been built: 2026-01-01. It is the floor of their clocks.
pub const BUILT_AT_UNIX_S: u64 = 1_767_225_600;

/// What stays powered through a restart, and who presses the button. Clones are the same chip.
#[derive(Clone)]
pub struct Chip(Rc<Parts>);

struct Parts {
    /// Milliseconds between 1970 UTC and the start of the host's clock of instants.
    epoch: Cell<Option<u64>>,
    /// Whether its clock is the computer's, which nobody sets.
    is_right: Cell<bool>,
    reset: Cell<ResetReason>,
    held: Notify,
    pressed: Notify,
    /// When the power came on.
    powered: Cell<Instant>,
    retained: Ram,
    running: Cell<Option<Running>>,
    /// What is burned into its eFuses.
    key: RefCell<Option<Key>>,
    heap: Cell<Option<fn() -> Heap>>,
    temperature_decicelsius: Cell<Option<i16>>,
    /// Where its randomness begins, if it is to be the same in every run.
    seed: Cell<Option<u64>>,
    built_at_unix_s: u64,
}

impl Chip {
    /// A chip whose power has just come on. `built_at_unix_s` is when its firmware claims to have been built.
    #[must_use]
    pub fn new(built_at_unix_s: u64) -> Self {
        Self(Rc::new(Parts {
            epoch: Cell::new(None),
            is_right: Cell::new(false),
            reset: Cell::new(ResetReason::PowerOn),
            held: Notify::new(),
            pressed: Notify::new(),
            powered: Cell::new(Instant::now()),
            retained: Ram::default(),
            running: Cell::new(None),
            key: RefCell::new(None),
            heap: Cell::new(None),
            temperature_decicelsius: Cell::new(None),
            seed: Cell::new(None),
            built_at_unix_s,
        }))
    }

    /// Gives it a clock that is right, and stays so without power: the computer's.
    #[must_use]
    pub fn with_computers_time(self) -> Self {
        self.0.is_right.set(true);
        self
    }

    /// Takes the heap figures from a counting allocator of the process.
    #[must_use]
    pub fn with_heap(self, heap: fn() -> Heap) -> Self {
        self.0.heap.set(Some(heap));
        self
    }

    /// Gives the chip a key in its eFuses, for its HMAC. It is a stand-in's: the process has it in its memory.
    #[must_use]
    pub fn with_key(self, key: Key) -> Self {
        self.0.key.replace(Some(key));
        self
    }

    /// Gives the chip a thermometer, which shows this for ever.
    #[must_use]
    pub fn with_thermometer(self, decicelsius: i16) -> Self {
        self.0.temperature_decicelsius.set(Some(decicelsius));
        self
    }

    /// Gives it, in place of randomness, numbers that are the same in every run.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        self.0.seed.set(Some(seed));
        self
    }

    /// Holds the button for five seconds.
    pub fn hold_button(&self) {
        self.0.held.notify_one();
    }

    /// Presses the button, and lets it go.
    pub fn press_button(&self) {
        self.0.pressed.notify_one();
    }

    /// Takes the power away and brings it back: the clock is lost, and whatever outlives a restart.
    pub fn power_cycle(&self) {
        self.0.epoch.set(None);
        self.0.powered.set(Instant::now());
        self.0.retained.lose();
        self.0.reset.set(ResetReason::PowerOn);
    }

    /// Marks a restart by the device itself: the clock runs on.
    pub fn restart(&self) {
        self.0.reset.set(ResetReason::Software);
    }

    /// Ends the present life as a panic does; whoever runs it must drop it. The next one finds the
    /// record.
    pub fn panic(&self, record: PanicRecord) {
        note_panic(&self.0.retained, record);
        self.restart();
    }

    /// The bootloader has started this image.
    pub fn run_from(&self, running: Option<Running>) {
        self.0.running.set(running);
    }

    /// Begins a life: pauses if the ones before ended in crashes.
    pub async fn begin(&self, observer: &impl Observer) {
        let cause = retained::begin(&self.0.retained, self.0.reset.get(), observer).await;
        self.0.reset.set(cause);
    }
}

impl System for Chip {
    fn identity(&self) -> Identity {
        Identity {
            chip: "simulated",
            built_at_unix_s: self.0.built_at_unix_s,
            build: device::platform::BuildId::default(),
        }
    }

    fn running(&self) -> Option<Running> {
        self.0.running.get()
    }

    fn reset_reason(&self) -> ResetReason {
        self.0.reset.get()
    }

    fn retained(&self) -> &dyn retained::Memory {
        &self.0.retained
    }

    // A host has no watchdog: what hangs, hangs where it can be looked at.
    fn feed_watchdog(&self) {}

    fn unix_ms(&self) -> Option<u64> {
        if self.0.is_right.get() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
            return u64::try_from(now.as_millis()).ok();
        }
        Some(self.0.epoch.get()? + Instant::now().as_millis())
    }

    fn set_unix_ms(&self, unix_ms: u64) {
        let epoch = unix_ms.saturating_sub(Instant::now().as_millis());
        self.0.epoch.set(Some(epoch));
    }

    fn powered_ms(&self) -> Option<u64> {
        Some(self.0.powered.get().elapsed().as_millis())
    }

    fn sealer(&self) -> &dyn seal::Chip {
        self
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        match self.0.seed.get() {
            Some(seed) => {
                self.0.seed.set(Some(seed.wrapping_add(1)));
                let Ok(()) = Noise(seed).try_fill_bytes(bytes);
            }
            None => SysRng
                .try_fill_bytes(bytes)
                .expect("the operating system gives randomness"),
        }
    }

    fn heap(&self) -> Option<Heap> {
        self.0.heap.get().map(|heap| heap())
    }

    fn chip_temperature_decicelsius(&self) -> Option<i16> {
        self.0.temperature_decicelsius.get()
    }

    async fn button(&self) -> Press {
        tokio::select! {
            // In an order, so that a run with a seed is the same each time.
            biased;
            () = self.0.held.notified() => Press::Long,
            () = self.0.pressed.notified() => Press::Short,
        }
    }
}

impl seal::Chip for Chip {
    fn hmac(&self, block: Block, message: &Message) -> Option<Mac> {
        self.0.key.borrow().as_ref()?.hmac(block, message)
    }
}

/// Memory that outlives restarts; after power-on it holds whatever it holds.
struct Ram(Cell<[u8; retained::BYTES]>);

impl Default for Ram {
    fn default() -> Self {
        Self(Cell::new([0xa5; retained::BYTES]))
    }
}

impl Ram {
    fn lose(&self) {
        self.0.set([0x5a; retained::BYTES]);
    }
}

impl retained::Memory for Ram {
    fn read(&self) -> [u8; retained::BYTES] {
        self.0.get()
    }

    fn write(&self, bytes: &[u8; retained::BYTES]) {
        self.0.set(*bytes);
    }
}
