//! The world and the boards in it.

use std::rc::Rc;

use bodykit::bluetooth::{self, Controller};
use bodykit::flash::Flash;
use bodykit::observer::{Notice, Watchers};
use bodykit::sensor::Dht11;
use bodykit::system::Chip;
use bodykit::wifi::{Network, Station, WifiAir};
use bodykit::{Wiring, bootloader, tls};
use device::event::RestartReason;
use device::platform::{Body, Mailbox, Parts};
use tokio::sync::mpsc::UnboundedReceiver;
use vhci::{HciSpec, SharedAir};

use crate::internet::Internet;
use crate::network::{Conditions, Sockets};

/// What is in the air around the devices. Clones are the same world.
#[derive(Clone)]
pub struct World {
    /// Virtual Bluetooth controllers meet here.
    pub bluetooth: SharedAir,
    /// The Wi-Fi networks.
    pub wifi: WifiAir,
    /// What is behind their access points.
    pub internet: Internet,
}

impl World {
    /// A world with these Wi-Fi networks, in the internet that this computer is in.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self {
            bluetooth: SharedAir::new(),
            wifi: WifiAir::new(networks),
            internet: Internet::of_host(),
        }
    }
}

/// A board with its flash: the simulated device. Its product is the stock one, or that of other `W`.
pub struct Simulator<W = Dht11> {
    /// Its flash, which survives everything.
    pub flash: Flash,
    /// Its clock, reset reason and button.
    pub chip: Chip,
    /// Its Wi-Fi station.
    pub station: Station,
    /// What its product is wired to.
    pub wiring: W,
    /// The network behind the access point, as this board has it.
    pub network: Conditions,
    watchers: Watchers,
    hci: HciSpec,
    air: SharedAir,
    internet: Internet,
    mac: [u8; 6],
    mailbox: Option<Rc<Mailbox>>,
}

impl<W: Wiring> Simulator<W> {
    /// A board with this flash and station address, switched off. `built_at_unix_s` is when its
    /// firmware claims to have been built.
    #[must_use]
    pub fn new(flash: Flash, mac: [u8; 6], built_at_unix_s: u64, world: &World) -> Self
    where
        W: Default,
    {
        Self {
            flash,
            chip: Chip::new(built_at_unix_s),
            station: Station::new(mac, world.wifi.clone()),
            wiring: W::default(),
            network: Conditions::default(),
            watchers: Watchers::default(),
            hci: HciSpec::Virtual,
            air: world.bluetooth.clone(),
            internet: world.internet.clone(),
            mac,
            mailbox: None,
        }
    }

    /// Gives the board another Bluetooth controller than a virtual one.
    #[must_use]
    pub fn with_hci(mut self, hci: HciSpec) -> Self {
        self.hci = hci;
        self
    }

    /// Takes provisioning requests from `mailbox` too, as an HTTP server puts them there.
    #[must_use]
    pub fn with_mailbox(mut self, mailbox: Rc<Mailbox>) -> Self {
        self.mailbox = Some(mailbox);
        self
    }

    /// Watches what happens from now on, in this life and the next ones.
    #[must_use]
    pub fn watch(&self) -> UnboundedReceiver<Notice> {
        self.watchers.watch()
    }

    /// Lives one life, from boot to restart; dropping the future cuts the power.
    pub async fn live(&self) -> RestartReason {
        self.start();
        self.chip.begin(&self.watchers).await;
        let parts = Parts {
            bluetooth: Controller {
                spec: self.hci.clone(),
                air: self.air.clone(),
                address: bluetooth::address(self.mac),
            },
            wifi: self.station.clone(),
            network: Sockets::with_conditions(
                self.station.link(),
                self.network.clone(),
                self.internet.clone(),
            ),
            flash: self.flash.clone(),
            system: self.chip.clone(),
            observer: self.watchers.clone(),
        };
        let body = Body {
            mailbox: self.mailbox.clone(),
            ..parts.body()
        };
        // A restart takes the radio down.
        let _off = Off(&self.station);
        let why = device::run(body, self.wiring.product(), tls::library()).await;
        self.chip.restart();
        why
    }

    /// What comes before the device.
    fn start(&self) {
        let running = bootloader::start(&mut self.flash.clone(), || self.chip.restart());
        self.chip.run_from(running);
    }

    /// Lives one life after the other.
    pub async fn live_on(&self) -> std::convert::Infallible {
        loop {
            self.live().await;
        }
    }
}

/// Takes the station off the air when the life ends, however it does.
struct Off<'a>(&'a Station);

impl Drop for Off<'_> {
    fn drop(&mut self) {
        self.0.cut();
    }
}
