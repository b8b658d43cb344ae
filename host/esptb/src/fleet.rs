//! Many devices at once: `esptb simulate --count`.
//!
//! Each device is the whole device crate with a certificate, a TLS session and a flash of its own;
//! only the radio is left out, as for a board that comes up again where its network is. MbedTLS
//! has no threads on a host, so devices live in worker processes: this program again, one for each
//! core, that talks JSON lines to its parent over pipes. The parent starts them, adds up what they
//! tell, shows it, and without `--broker` runs the server too.

mod body;
mod crew;
mod faults;
mod limits;
mod luck;
mod passage;
mod protocol;
mod run;
mod server;
mod summary;
mod tally;
mod watcher;
mod worker;

pub(crate) use run::{Broker, Options, run};
pub(crate) use worker::run as run_worker;
