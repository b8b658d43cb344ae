//! One device of many, with what it has in common with the others of its worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bodykit::flash::Flash;
use bodykit::system::{BUILT_AT_UNIX_S, Chip};
use simulator::network::{Answers, Conditions};
use tokio::sync::watch;

use crate::passage::Turnstile;
use crate::tally::{Counts, Times};

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
}
