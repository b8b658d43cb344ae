#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod label;
mod ledger;
mod line;
mod series;

pub use label::{Label, Unprintable};
pub use ledger::{Account, Board, Ledger, LedgerError, Stage, Trial, Visit};
pub use line::{Ended, Line, Station};
pub use series::{NotASerial, Series};

/// What a board says of itself in its boot ROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The station's address, by which the board is known.
    pub mac: [u8; 6],
    /// The chip, as `esp32c3`.
    pub chip: String,
}

/// `24:0A:C4:1A:2B:3C`.
pub fn shown_mac(mac: &[u8; 6]) -> String {
    let parts: Vec<_> = mac.iter().map(|byte| format!("{byte:02X}")).collect();
    parts.join(":")
}
