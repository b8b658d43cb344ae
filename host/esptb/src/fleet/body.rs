//! The body of a device among many. All above it is the code that runs on the chip; it has no
//! radio, a clock that is right, and an operator who looks at sums.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use climate::{Air, Climate, Sensor};
use device::event::{Event, Renewal, ServerClock};
use device::platform::{
    AccessPoint, Bluetooth, Body, Heap, Identity, JoinError, Observer, Platform, Press,
    ResetReason, Running, ScanRequest, System, Wifi, WifiCredentials,
};
use device::retained;
use embassy_time::Delay;
use embedded_hal_async::delay::DelayNs;
use greenhouse::Greenhouse;
use greenhouse::model::{Pin, Sht4x, Wire};
use product::{Fault, Product};
use rand::TryRng;
use rand::rngs::SysRng;
use simulator::bootloader;
use tokio::time::sleep;
use vhci::HciTransport;

use super::flash::Flash;
use super::link::{Link, Ram};
use super::luck::chance;
use super::network::{Sockets, Stopwatch, Turn, Turnstile};
use super::tally::{Counts, Times};
use crate::demo::board::BUILT_AT_UNIX_S;
use crate::demo::now_ms;

/// What the devices of a worker have in common.
#[derive(Default)]
pub(super) struct Common {
    pub(super) counts: RefCell<Counts>,
    pub(super) connecting: RefCell<Times>,
    pub(super) acknowledging: RefCell<Times>,
    /// What went wrong last.
    pub(super) trouble: RefCell<Option<String>>,
    /// How often somebody presses the button of a device, on average.
    pub(super) claims: Option<Duration>,
    /// No samples are taken any more.
    pub(super) draining: Cell<bool>,
    pub(super) turnstile: Turnstile,
}

/// One device, with what survives its restart.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) flash: Flash,
    pub(super) common: Rc<Common>,
    /// What the bootloader started.
    pub(super) running: Cell<Option<Running>>,
    /// Why it starts next.
    pub(super) reset: Cell<ResetReason>,
    /// How long it has no power before that.
    pub(super) pause: Cell<Duration>,
    pub(super) ram: Ram,
    pub(super) link: Rc<Link>,
    /// Whether it has been online.
    pub(super) arrived: Cell<bool>,
    /// Whether it has allowed a claim.
    pub(super) claimable: Cell<bool>,
}

/// The parts of a body.
pub(super) enum Desk {}

impl Platform for Desk {
    type Bluetooth = NoRadio;
    type Wifi = Cable;
    type Network = Sockets;
    type Flash = Flash;
    type System = Chip;
    type Observer = Watcher;
}

impl Member {
    /// A device with this flash, switched off.
    pub(super) fn new(name: String, number: u32, flash: Flash, common: Rc<Common>) -> Self {
        Self {
            name,
            number,
            flash,
            common,
            running: Cell::new(None),
            reset: Cell::new(ResetReason::Software),
            pause: Cell::new(Duration::ZERO),
            ram: Ram::default(),
            link: Rc::default(),
            arrived: Cell::new(false),
            claimable: Cell::new(false),
        }
    }

    /// What comes before a life: power, the bootloader, and a pause after crashes.
    pub(super) async fn start(&self) {
        sleep(self.pause.take()).await;
        let restart = || self.reset.set(ResetReason::Software);
        let running = bootloader::start(&mut self.flash.clone(), restart);
        self.running.set(running);
        let reset = self.reset.replace(ResetReason::Software);
        self.reset
            .set(retained::begin(&self.ram, reset, &Nobody).await);
    }

    /// A body for its next life.
    pub(super) fn body(self: &Rc<Self>) -> Body<Desk> {
        let stopwatch = Stopwatch::default();
        let turnstile = &self.common.turnstile;
        let turn = Turn::default();
        Body {
            bluetooth: NoRadio,
            mailbox: None,
            wifi: Cable {
                member: self.clone(),
                turnstile: turnstile.clone(),
                turn: turn.clone(),
            },
            network: Sockets {
                link: self.link.clone(),
                stopwatch: stopwatch.clone(),
                turnstile: turnstile.clone(),
                turn,
            },
            flash: self.flash.clone(),
            system: Chip {
                member: self.clone(),
                // The next one is the device's own, unless a fault comes first.
                reset: self.reset.replace(ResetReason::Software),
            },
            observer: Watcher {
                member: self.clone(),
                stopwatch,
                connecting: Cell::new(None),
                online: Cell::new(false),
                waiting: Cell::new(0),
            },
        }
    }
}

impl Member {
    /// The stock product, in a room where nothing changes.
    pub(super) fn climate(self: &Rc<Self>) -> Climate<Room> {
        Climate::new(Room(self.clone()))
    }

    /// A greenhouse, likewise.
    pub(super) fn greenhouse(self: &Rc<Self>) -> impl Product + use<> {
        let sensor = Sht4x::new(|| Ok((215, 450)));
        let pin = |high| Pin(Rc::new(Wire::new(high)));
        Greenhouse::new(sensor, pin(false), pin(true), Measuring(self.clone()))
    }
}

/// A Bluetooth controller that is not there: these devices are provisioned.
pub(super) struct NoRadio;

/// There is none.
#[derive(Debug)]
pub(super) struct Absent;

impl Bluetooth for NoRadio {
    type Transport<'a> = HciTransport;
    type Error = Absent;

    async fn start(&mut self) -> Result<HciTransport, Absent> {
        Err(Absent)
    }
}

/// A station that has its network as soon as it is its turn, and loses it by a fault only.
pub(super) struct Cable {
    /// Its number becomes its address.
    member: Rc<Member>,
    turnstile: Turnstile,
    turn: Turn,
}

impl Wifi for Cable {
    fn mac(&self) -> [u8; 6] {
        let [_, a, b, c] = self.member.number.to_be_bytes();
        [0x24, 0x0a, 0xc4, a, b, c]
    }

    async fn scan(&self, _: ScanRequest, _: &mut dyn FnMut(AccessPoint)) -> Result<(), u16> {
        Ok(())
    }

    async fn join(&self, _: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        self.member.link.is(true).await;
        self.turn.set_out(&self.turnstile).await;
        Ok(Ipv4Addr::LOCALHOST)
    }

    async fn leave(&self) {}

    async fn lost(&self) {
        self.member.link.is(false).await;
    }

    fn rssi_dbm(&self) -> Option<i8> {
        Some(-50)
    }

    fn access_point(&self) -> Option<AccessPoint> {
        None
    }
}

/// A sensor in a room where nothing changes, until the run ends.
pub(super) struct Room(Rc<Member>);

impl Sensor for Room {
    async fn read(&mut self) -> Result<Air, Fault> {
        if self.0.common.draining.get() {
            pending::<()>().await;
        }
        Ok(Air {
            temperature_decicelsius: Some(215),
            humidity_permille: Some(450),
        })
    }
}

/// The time that a sensor measures, which does not end once no samples are to be taken any more.
struct Measuring(Rc<Member>);

impl DelayNs for Measuring {
    async fn delay_ns(&mut self, ns: u32) {
        if self.0.common.draining.get() {
            pending::<()>().await;
        }
        Delay.delay_ns(ns).await;
    }
}

/// A chip whose clock ran on through a restart.
pub(super) struct Chip {
    member: Rc<Member>,
    /// Why this life began.
    reset: ResetReason,
}

impl System for Chip {
    fn identity(&self) -> Identity {
        Identity {
            chip: "simulated",
            built_at_unix_s: BUILT_AT_UNIX_S,
            build: device::platform::BuildId::default(),
        }
    }

    fn running(&self) -> Option<Running> {
        self.member.running.get()
    }

    fn reset_reason(&self) -> ResetReason {
        self.reset
    }

    fn retained(&self) -> &dyn retained::Memory {
        &self.member.ram
    }

    fn feed_watchdog(&self) {}

    fn unix_ms(&self) -> Option<u64> {
        u64::try_from(now_ms()).ok()
    }

    fn set_unix_ms(&self, _: u64) {}

    fn fill_random(&self, bytes: &mut [u8]) {
        SysRng
            .try_fill_bytes(bytes)
            .expect("the operating system gives randomness");
    }

    fn heap(&self) -> Option<Heap> {
        None
    }

    fn chip_temperature_decicelsius(&self) -> Option<i16> {
        None
    }

    async fn button(&self) -> Press {
        match self.member.common.claims {
            Some(mean) => sleep(chance(mean)).await,
            None => pending().await,
        }
        Press::Short
    }
}

/// Before a life there is nobody to tell.
struct Nobody;

impl Observer for Nobody {
    fn notice(&self, _: u64, _: &Event) {}

    fn show_provisioning_code(&self, _: &str) {}
}

/// Adds up what happens to one device in one life.
pub(super) struct Watcher {
    member: Rc<Member>,
    stopwatch: Stopwatch,
    connecting: Cell<Option<Instant>>,
    online: Cell<bool>,
    /// Samples of this life that are neither acknowledged nor dropped.
    waiting: Cell<u64>,
}

impl Watcher {
    fn offline(&self, counts: &mut Counts) {
        if self.online.replace(false) {
            counts.online -= 1;
        }
        self.stopwatch.stop();
    }
}

impl Observer for Watcher {
    fn notice(&self, _: u64, event: &Event) {
        let common = &self.member.common;
        let mut counts = common.counts.borrow_mut();
        match event {
            Event::Connecting { .. } => self.connecting.set(Some(Instant::now())),
            Event::Online { .. } => {
                counts.connected += 1;
                if !self.online.replace(true) {
                    counts.online += 1;
                }
                if !self.member.arrived.replace(true) {
                    counts.arrived += 1;
                }
                if let Some(since) = self.connecting.take() {
                    common.connecting.borrow_mut().record(since.elapsed());
                }
            }
            Event::Sampled(_) => {
                counts.sampled += 1;
                self.waiting.set(self.waiting.get() + 1);
                if self.online.get() {
                    self.stopwatch.get_ready();
                }
            }
            Event::Acknowledged { samples, .. } => {
                counts.acknowledged += u64::from(*samples);
                self.done_with(u64::from(*samples));
                counts.messages += 1;
                if let Some(time) = self.stopwatch.stop() {
                    common.acknowledging.borrow_mut().record(time);
                }
            }
            // Told once for each.
            Event::SamplesDropped { .. } => {
                counts.dropped += 1;
                self.done_with(1);
            }
            Event::FirmwareAccepted => counts.updates += 1,
            Event::Renewal(Renewal::Renewed) => counts.renewals += 1,
            Event::Renewal(Renewal::Failed { .. } | Renewal::AnchorsRefused { .. }) => {
                self.complain(event);
            }
            Event::ClaimOpened { .. } if !self.member.claimable.replace(true) => {
                counts.claimable += 1;
            }
            Event::ConnectionFailed { .. } => {
                counts.failed += 1;
                self.offline(&mut counts);
                self.complain(event);
            }
            Event::StorageFailed(_)
            | Event::SettingsRefused(_)
            | Event::CredentialsRefused(_)
            | Event::ClockFailed { .. }
            | Event::ServerClock(ServerClock::Contradicted { .. } | ServerClock::Refused { .. })
            | Event::BluetoothFailed
            | Event::FactoryReset
            | Event::Restarting { .. } => self.complain(event),
            _ => {}
        }
    }

    fn show_provisioning_code(&self, _: &str) {}
}

impl Watcher {
    fn done_with(&self, samples: u64) {
        self.waiting.set(self.waiting.get().saturating_sub(samples));
    }

    fn complain(&self, event: &Event) {
        let trouble = format!("{}: {event}", self.member.name);
        self.member.common.trouble.replace(Some(trouble));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut counts = self.member.common.counts.borrow_mut();
        self.offline(&mut counts);
        counts.cut += self.waiting.get();
        counts.restarts += 1;
    }
}
