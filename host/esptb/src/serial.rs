//! Boards on a serial line, and whatever else gives a board's bytes: finding and opening the port,
//! its console line by line, and what stands in those lines.

pub(crate) mod event;
pub(crate) mod lines;
pub(crate) mod places;
pub(crate) mod port;
#[cfg(unix)]
mod tcp;
