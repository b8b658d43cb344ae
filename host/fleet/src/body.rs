//! The body of a device among many. All above it is the code that runs on the chip; it has no
//! radio, a clock that is right, and an operator who looks at sums.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use bodykit::bluetooth::Absent;
use bodykit::bootloader;
use bodykit::flash::Flash;
use bodykit::observer::Nobody;
use bodykit::sockets::Tapped;
use bodykit::system::Chip;
use bodykit::wifi::Cable;
use climate::{Air, Climate, Sensor};
use device::platform::{Body, Parts, Platform};
use embassy_time::Delay;
use embedded_hal_async::delay::DelayNs;
use greenhouse::Greenhouse;
use greenhouse::model::{Pin, Sht4x, Wire};
use product::{Fault, Product};
use simulator::internet::Internet;
use simulator::network::{Answers, Conditions, Sockets};
use tokio::sync::watch;
use tokio::time::sleep;

use super::passage::{Passage, Turn, Turnstile};
use super::tally::{Counts, Times};
use super::watcher::Watcher;
use bodykit::system::BUILT_AT_UNIX_S;

/// What the devices of a worker have in common.
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
    /// No time servers: the clocks are right.
    pub(super) network: Conditions,
}

impl Default for Common {
    fn default() -> Self {
        let network = Conditions::default();
        network.udp(Answers::No);
        Self {
            counts: RefCell::default(),
            connecting: RefCell::default(),
            acknowledging: RefCell::default(),
            trouble: RefCell::default(),
            claims: None,
            draining: Cell::new(false),
            turnstile: Turnstile::default(),
            network,
        }
    }
}

/// One device, with what survives its restart.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) flash: Flash,
    pub(super) chip: Chip,
    pub(super) common: Rc<Common>,
    /// How long it has no power before it starts next.
    pub(super) pause: Cell<Duration>,
    /// Whether it has its network.
    pub(super) link: watch::Sender<bool>,
    /// Whether it has been online.
    pub(super) arrived: Cell<bool>,
    /// Whether it has allowed a claim.
    pub(super) claimable: Cell<bool>,
}

impl Member {
    /// A device with this flash, switched off.
    pub(super) fn new(name: String, number: u32, flash: Flash, common: Rc<Common>) -> Self {
        let chip = Chip::new(BUILT_AT_UNIX_S).with_computers_time();
        chip.restart();
        Self {
            name,
            number,
            flash,
            chip,
            common,
            pause: Cell::new(Duration::ZERO),
            link: watch::Sender::new(true),
            arrived: Cell::new(false),
            claimable: Cell::new(false),
        }
    }

    /// What comes before a life: power, the bootloader, and a pause after crashes.
    pub(super) async fn start(&self) {
        sleep(self.pause.take()).await;
        let running = bootloader::start(&mut self.flash.clone(), || self.chip.restart());
        self.chip.run_from(running);
        self.chip.begin(&Nobody).await;
    }

    /// A body for its next life.
    pub(super) fn body(self: &Rc<Self>) -> Body<impl Platform + use<>> {
        let (turn, turnstile) = (Turn::default(), self.common.turnstile.clone());
        let passage = Passage::new(turn.clone(), turnstile.clone());
        let [_, a, b, c] = self.number.to_be_bytes();
        let conditions = self.common.network.clone();
        Parts {
            bluetooth: Absent,
            wifi: Cable {
                mac: [0x24, 0x0a, 0xc4, a, b, c],
                link: self.link.subscribe(),
                let_in: async move || turn.set_out(&turnstile).await,
            },
            observer: Watcher::new(self.clone(), passage.stopwatch.clone()),
            network: Tapped {
                network: Sockets::with_conditions(
                    self.link.subscribe(),
                    conditions,
                    Internet::of_host(),
                ),
                tap: passage,
            },
            flash: self.flash.clone(),
            system: self.chip.clone(),
        }
        .body()
    }

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
