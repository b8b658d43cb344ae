//! The simulated chip: its clock, randomness and button.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use device::event::Event;
use device::platform::{Heap, Identity, Observer, Press, ResetReason, Running, System};
use device::retained::{self, PanicRecord, note_panic};
use embassy_time::Instant;
use rand::TryRng;
use rand::rngs::SysRng;
use seal::{Block, Key, Mac, Message};
use tokio::sync::{Notify, mpsc};

/// What stays powered through a restart, and who presses the button.
#[derive(Clone)]
pub struct Chip {
    /// Milliseconds between 1970 UTC and the start of the host's clock of instants.
    epoch: Rc<Cell<Option<u64>>>,
    reset: Rc<Cell<ResetReason>>,
    button: Rc<Notify>,
    pressed: Rc<Notify>,
    /// When the power came on.
    powered: Rc<Cell<Instant>>,
    retained: Rc<Ram>,
    running: Rc<Cell<Option<Running>>>,
    /// What is burned into its eFuses.
    key: Option<Rc<Key>>,
    heap: Option<fn() -> Heap>,
    temperature_decicelsius: Option<i16>,
    built_at_unix_s: u64,
}

impl Chip {
    /// A chip whose power has just come on.
    #[must_use]
    pub fn new(built_at_unix_s: u64) -> Self {
        Self {
            epoch: Rc::default(),
            reset: Rc::new(Cell::new(ResetReason::PowerOn)),
            button: Rc::new(Notify::new()),
            pressed: Rc::new(Notify::new()),
            powered: Rc::new(Cell::new(Instant::now())),
            retained: Rc::default(),
            running: Rc::default(),
            key: None,
            heap: None,
            temperature_decicelsius: None,
            built_at_unix_s,
        }
    }

    /// Takes the heap figures from a counting allocator of the process.
    #[must_use]
    pub fn with_heap(mut self, heap: fn() -> Heap) -> Self {
        self.heap = Some(heap);
        self
    }

    /// Gives the chip a key in its eFuses, for its HMAC. It is a stand-in's: the process has it in its memory.
    #[must_use]
    pub fn with_key(mut self, key: Key) -> Self {
        self.key = Some(Rc::new(key));
        self
    }

    /// Gives the chip a thermometer, which shows this for ever.
    #[must_use]
    pub fn with_thermometer(mut self, decicelsius: i16) -> Self {
        self.temperature_decicelsius = Some(decicelsius);
        self
    }

    /// Holds the button for five seconds.
    pub fn hold_button(&self) {
        self.button.notify_one();
    }

    /// Presses the button, and lets it go.
    pub fn press_button(&self) {
        self.pressed.notify_one();
    }

    /// Takes the power away and brings it back: the clock is lost, and whatever outlives a restart.
    pub fn power_cycle(&self) {
        self.epoch.set(None);
        self.powered.set(Instant::now());
        self.retained.lose();
        self.reset.set(ResetReason::PowerOn);
    }

    /// Marks a restart by the device itself: the clock runs on.
    pub fn restart(&self) {
        self.reset.set(ResetReason::Software);
    }

    /// Ends the present life as a panic does; whoever runs it must drop it. The next one finds the
    /// record.
    pub fn panic(&self, record: PanicRecord) {
        note_panic(&*self.retained, record);
        self.restart();
    }

    /// The bootloader has started this image.
    pub fn run_from(&self, running: Option<Running>) {
        self.running.set(running);
    }

    /// Begins a life: pauses if the ones before ended in crashes.
    pub async fn begin(&self, observer: &impl Observer) {
        let cause = retained::begin(&*self.retained, self.reset.get(), observer).await;
        self.reset.set(cause);
    }
}

impl System for Chip {
    fn identity(&self) -> Identity {
        Identity {
            chip: "simulated",
            built_at_unix_s: self.built_at_unix_s,
            build: device::platform::BuildId::default(),
        }
    }

    fn running(&self) -> Option<Running> {
        self.running.get()
    }

    fn reset_reason(&self) -> ResetReason {
        self.reset.get()
    }

    fn retained(&self) -> &dyn retained::Memory {
        &*self.retained
    }

    // A host has no watchdog: what hangs, hangs where it can be looked at.
    fn feed_watchdog(&self) {}

    fn unix_ms(&self) -> Option<u64> {
        Some(self.epoch.get()? + Instant::now().as_millis())
    }

    fn set_unix_ms(&self, unix_ms: u64) {
        self.epoch
            .set(Some(unix_ms.saturating_sub(Instant::now().as_millis())));
    }

    fn powered_ms(&self) -> Option<u64> {
        Some(self.powered.get().elapsed().as_millis())
    }

    fn sealer(&self) -> &dyn seal::Chip {
        self
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        SysRng
            .try_fill_bytes(bytes)
            .expect("the operating system gives randomness");
    }

    fn heap(&self) -> Option<Heap> {
        self.heap.map(|heap| heap())
    }

    fn chip_temperature_decicelsius(&self) -> Option<i16> {
        self.temperature_decicelsius
    }

    async fn button(&self) -> Press {
        tokio::select! {
            () = self.button.notified() => Press::Long,
            () = self.pressed.notified() => Press::Short,
        }
    }
}

impl seal::Chip for Chip {
    fn hmac(&self, block: Block, message: &Message) -> Option<Mac> {
        self.key.as_ref()?.hmac(block, message)
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

/// Something for whoever watches the device.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An event, and how many milliseconds after boot it happened.
    Event(u64, Event),
    /// The QR code's payload for the provisioning app; it holds the proof of possession.
    ProvisioningCode(String),
}

/// Sends everything to a channel; watchers may come and go.
#[derive(Clone, Default)]
pub struct Watchers(Rc<RefCell<Vec<mpsc::UnboundedSender<Notice>>>>);

impl Watchers {
    /// A new watcher, who sees what happens from now on.
    #[must_use]
    pub fn watch(&self) -> mpsc::UnboundedReceiver<Notice> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.borrow_mut().push(sender);
        receiver
    }

    fn tell(&self, notice: &Notice) {
        self.0
            .borrow_mut()
            .retain(|watcher| watcher.send(notice.clone()).is_ok());
    }
}

impl Observer for Watchers {
    fn notice(&self, uptime_ms: u64, event: &Event) {
        self.tell(&Notice::Event(uptime_ms, event.clone()));
    }

    fn show_provisioning_code(&self, payload: &str) {
        self.tell(&Notice::ProvisioningCode(payload.to_owned()));
    }
}
