//! Boards on a serial line, and whatever else gives a board's bytes: finding and opening the port,
//! its console line by line, and what stands in those lines.
//!
//! The boundary: what is written onto a board is for those who write it.

#![warn(missing_docs)]

pub mod event;
pub mod lines;
pub mod places;
pub mod port;
#[cfg(unix)]
mod tcp;

// Linked for what they bring to the tests: the locks and the clock that the embedded crates ask for.
#[cfg(test)]
use {critical_section as _, hosttime as _};
