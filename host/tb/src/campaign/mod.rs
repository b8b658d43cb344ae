//! Campaigns: something new for many devices, in waves: a version of the firmware, certificates, or the
//! broker's authorities.
//!
//! After each wave comes a gate: its devices are online again with it, send samples and do not
//! crash. A campaign halts when too many fail, and then takes back what those were given that have not
//! begun. What was done is in a [`Ledger`]: a campaign that was interrupted goes on from there.
//!
//! [`Campaign::step`] looks at the devices once and does what is to be done; when to look again is the
//! caller's affair, and so is what to do with the time between.

mod anchors;
mod brings;
mod certificates;
mod firmware;
mod gate;
mod ledger;
mod member;
mod pieces;
mod report;
mod requests;
mod run;
mod seen;
mod task;
mod waves;

use std::time::Duration;

use serde::Serialize;

pub use anchors::Anchors;
pub use certificates::{Certificates, Issued};
pub use firmware::{Firmware, find, upload};
pub use ledger::Ledger;
pub use member::Stage;
pub use pieces::Pieces;
pub use report::{Report, WaveReport};
pub use run::{Campaign, Next, Order, Planned, Told};
pub use task::Task;
pub use waves::{Share, Waves};

/// What a campaign brings, and where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// The product, or what kind of thing it is.
    pub title: String,
    /// The version, or whose it is.
    pub version: String,
    /// SHA-256 of what makes it what it is: of the package, of the certificates.
    pub sha256: String,
    /// The server.
    pub server: String,
}

/// How a campaign goes.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How many devices are reached after each wave.
    pub waves: Waves,
    /// How many may be at it at once.
    pub at_once: usize,
    /// How long a device may take, and again for its samples after it.
    pub patience: Duration,
    /// How long a device has to run the version well.
    pub soak: Duration,
    /// How many may fail of those that were tried.
    pub most_failures: Share,
}
