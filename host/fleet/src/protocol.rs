//! What parent and workers say to each other: one JSON object a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::product::Product;

use super::tally::{Counts, Usage};

/// What the parent says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Make these devices and say when they are there. The first thing that is said.
    Make(Share),
    /// Switch them on, one after the other.
    Go {
        /// Before the first, in milliseconds.
        delay_ms: f64,
        /// Between two of them, in milliseconds.
        pause_ms: f64,
    },
    /// Take no more samples, but deliver those that wait.
    Drain,
}

/// A worker's share of the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Share {
    /// What they are for.
    pub(super) product: Product,
    /// Folder of the authority that makes their certificates.
    pub(super) ca: PathBuf,
    /// The numbers in their names: from, how far apart, how many.
    pub(super) first: u32,
    pub(super) step: u32,
    pub(super) count: u32,
    /// What their names begin with.
    pub(super) prefix: String,
    /// Their `settings.json`.
    pub(super) settings: String,
    /// The CAs that the broker's certificate may come from, PEM; the authority's root if none.
    pub(super) server_chain: Option<String>,
    /// The version that they run, in a slot, so that they take updates; no slot holds anything if none.
    pub(super) firmware: Option<String>,
    /// Who may sign what comes after it, PEM.
    pub(super) firmware_key: Option<String>,
    /// The mean time between two faults of a device, in milliseconds.
    pub(super) faults_ms: Option<u64>,
    /// The same of somebody who presses its button.
    pub(super) claims_ms: Option<u64>,
    /// For how many days their certificates are valid.
    pub(super) certificate_days: Option<u32>,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// The devices are there, switched off.
    Made {
        /// What the process used before it made them.
        before: Usage,
    },
    /// How it goes, every second.
    Progress(Progress),
    /// It cannot go on.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How a worker's share is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Since the start.
    pub(super) counts: Counts,
    /// Since the last time: from connecting to online, microseconds and how often.
    pub(super) connecting: Vec<(u64, u64)>,
    /// Since the last time: from the packet with the samples to their acknowledgement.
    pub(super) acknowledging: Vec<(u64, u64)>,
    /// What went wrong last, with the device's name.
    pub(super) trouble: Option<String>,
    /// What the process uses.
    pub(super) usage: Usage,
}

/// What a device is called.
pub(super) fn name(prefix: &str, number: u32) -> String {
    format!("{prefix}{number:06}")
}
