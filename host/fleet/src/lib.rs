//! Many devices at once, as `esptb simulate --count` has them.
//!
//! Each device is the whole device crate with a certificate, a TLS session and a flash of its own;
//! only the radio is left out, as for a board that comes up again where its network is. MbedTLS
//! has no threads on a host, so devices live in worker processes: this program again, one for each
//! core, that talks JSON lines to its parent over pipes. The parent starts them, adds up what they
//! tell, shows it, and without `--broker` runs the server too.

#![warn(missing_docs)]

mod body;
mod crew;
mod faults;
mod limits;
mod luck;
mod member;
mod passage;
mod product;
mod protocol;
mod run;
mod server;
mod summary;
mod tally;
mod watcher;
mod worker;

pub use crew::WORKER;
pub use product::Product;
pub use run::{Broker, Plan, run};
pub use summary::Summary;
pub use tally::Percentiles;
pub use worker::run as run_worker;

// Linked for what they bring to the tests: the locks and the clock that the embedded crates ask for.
#[cfg(test)]
use {critical_section as _, hosttime as _};
