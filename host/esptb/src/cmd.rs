//! The subcommands, one file each.

pub(crate) mod board_report;
pub(crate) mod completions;
pub(crate) mod conformance;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod factory;
pub(crate) mod firmware;
pub(crate) mod flash;
pub(crate) mod image;
pub(crate) mod man;
pub(crate) mod monitor;
pub(crate) mod new;
pub(crate) mod pki;
pub(crate) mod provision;
mod reach;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod tb;
