//! A device's life on this computer, and how it is shown: what `esptb demo` and `esptb simulate` are made of.
//!
//! The demo has a folder in which all of it is kept, a board under the operator's hands, a phone that
//! provisions it, a server, and a show of what happens, as a view that fills the terminal or as lines.
//!
//! The boundary: options, and what is told at the end, are the command's.

#![warn(missing_docs)]

pub mod board;
pub mod coverage;
pub mod folder;
pub mod happening;
mod phone;
pub mod play;
pub mod renew;
pub mod server;
pub mod show;
pub mod update;
pub mod view;

// Linked for what they bring to the tests: the locks and the clock that the embedded crates ask for.
#[cfg(test)]
use {critical_section as _, hosttime as _};
