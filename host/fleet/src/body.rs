//! The body of a device among many. All above it is the code that runs on the chip; it has no
//! radio, a clock that is right, and an operator who looks at sums.

use std::future::pending;
use std::rc::Rc;

use bodykit::bluetooth::Absent;
use bodykit::bootloader;
use bodykit::observer::Nobody;
use bodykit::sockets::Tapped;
use bodykit::wifi::Cable;
use climate::{Air, Climate, Sensor};
use device::platform::{Body, Parts, Platform};
use embassy_time::Delay;
use embedded_hal_async::delay::DelayNs;
use greenhouse::Greenhouse;
use greenhouse::model::{Pin, Sht4x, Wire};
use product::{Fault, Product};
use simulator::internet::Internet;
use simulator::network::Sockets;
use tokio::time::sleep;

use super::member::Member;
use super::passage::{Passage, Turn};
use super::watcher::Watcher;

impl Member {
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
