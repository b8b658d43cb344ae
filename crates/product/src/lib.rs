//! What a product is to the device that carries it.
//!
//! The device crate brings a board from the box to trusted telemetry, whatever the board is for. What it is
//! for is one type that implements [`Product`]: its name, its series, how a sample is taken. Nothing
//! here knows Wi-Fi, TLS or a chip, so that a product is tried at a desk in seconds.
//!
//! ```
//! use product::{Fault, Faults, Product, Readings, Series};
//!
//! /// A balance under a beehive.
//! struct Beehive<S> {
//!     balance: S,
//! }
//!
//! /// What it measures. What cannot be measured now is `None`, never zero.
//! struct Weight {
//!     grams: Option<i32>,
//! }
//!
//! trait Balance {
//!     async fn grams(&mut self) -> Result<i32, Fault>;
//! }
//!
//! impl<S: Balance> Product for Beehive<S> {
//!     const NAME: &'static str = "beehive";
//!     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
//!     type Reading = Weight;
//!     const SERIES: &'static [Series<Weight>] =
//!         &[Series::decimal("weight", "kg", 3, 0..=200_000, |weight| weight.grams)];
//!
//!     async fn sample(&mut self, faults: &mut Faults) -> Weight {
//!         let grams = faults.ok(self.balance.grams().await);
//!         Weight { grams }
//!     }
//! }
//!
//! // At a desk: a balance that always says the same.
//! struct Steady;
//!
//! impl Balance for Steady {
//!     async fn grams(&mut self) -> Result<i32, Fault> {
//!         Ok(31_415)
//!     }
//! }
//!
//! let mut hive = Beehive { balance: Steady };
//! let readings = product::desk::sample(&mut hive);
//! assert_eq!(readings.to_string(), "31.415 kg");
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A device is one task: its futures need no `Send`.
#![allow(async_fn_in_trait)]

mod card;
pub mod desk;
mod fault;
mod readings;
mod series;

pub use card::Card;
pub use fault::{Fault, Faults};
pub use readings::{MOST_BYTES, Readings};
pub use series::{About, Kind, MOST_SERIES, RESERVED, Schema, Series};

/// What differs between two products made with the same device.
///
/// The hardware of a product is its own: whoever puts the board together hands it over when the product is
/// made, as traits of `embedded-hal`. The device calls one method at a time and waits for it to end, so
/// that a product needs no locks; none is cut short, but where its documentation says so.
pub trait Product: Sized {
    /// The product's name, by which the server tells images for it (`fw_title`).
    const NAME: &'static str;

    /// Its version, most often `env!("CARGO_PKG_VERSION")` (`fw_version`).
    const VERSION: &'static str;

    /// What is measured at one moment, each value an `Option`.
    type Reading: 'static;

    /// The series, and where a reading has their values.
    const SERIES: &'static [Series<Self::Reading>];

    /// Measures once. The device calls this on its grid, each interval.
    ///
    /// What cannot be measured is left out of the reading, and why goes into `faults`: the operator is told
    /// each kind once, until a sample had none.
    ///
    /// What it takes longer than the interval is lost to the grid; a device whose sample takes half a
    /// minute is restarted.
    async fn sample(&mut self, faults: &mut Faults) -> Self::Reading;
}
