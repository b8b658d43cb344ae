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

mod attribute;
mod call;
mod card;
mod carry;
pub mod desk;
mod fault;
mod json;
mod readings;
mod series;
#[cfg(test)]
mod tests;

pub use attribute::{Attributes, Client, MOST_SHARED, Members, Shared, client, shared};
pub use call::{Call, Calls, Refusal, Refused, Reply, call};
pub use card::Card;
pub use carry::answer;
pub use fault::{Fault, Faults};
pub use json::{Expected, Fixed, FromJson, ToJson, Whole, Wrong, member};
pub use readings::Readings;
pub use series::{About, Kind, MOST_BYTES, MOST_SERIES, RESERVED, Schema, Series};

/// The page's product is compiled, and its test at the desk run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/make-your-own-product.md")]
struct MakeYourOwnProduct;

/// What differs between two products made with the same device.
///
/// The hardware of a product is its own: whoever puts the board together hands it over when the product is
/// made, as traits of `embedded-hal`. The device calls one method at a time and waits for it to end, so
/// that a product needs no locks; none is cut short, but where its documentation says so.
///
/// A lamp that the server switches, by call or by attribute, and that goes out when nobody watches it:
///
/// ```
/// use embedded_hal::digital::OutputPin;
/// use product::{Attributes, Calls, Faults, Product, Refusal, Series, call, desk, shared};
///
/// struct Lamp<P> {
///     pin: P,
///     lit: bool,
/// }
///
/// struct Moment {
///     lit: bool,
/// }
///
/// impl<P: OutputPin> Lamp<P> {
///     async fn light(&mut self, lit: bool) -> Result<(), Refusal> {
///         let set = self.pin.set_state(lit.into());
///         set.map_err(|_| Refusal("the lamp's pin does not work: check the board"))?;
///         self.lit = lit;
///         Ok(())
///     }
/// }
///
/// impl<P: OutputPin> Product for Lamp<P> {
///     const NAME: &'static str = "lamp";
///     const VERSION: &'static str = "1.0.0";
///     type Reading = Moment;
///     const SERIES: &'static [Series<Moment>] = &[Series::boolean("lit", |moment| Some(moment.lit))];
///
///     async fn sample(&mut self, _: &mut Faults) -> Moment {
///         Moment { lit: self.lit }
///     }
///
///     fn calls() -> impl Calls<Self> {
///         call("light", Self::light)
///     }
///
///     fn attributes() -> impl Attributes<Self> {
///         shared("lit", |lamp: &Self| lamp.lit, Self::light).kept()
///     }
///
///     async fn offline(&mut self) {
///         let _ = self.light(false).await;
///     }
/// }
///
/// // At a desk: a pin that leads nowhere.
/// struct Nowhere;
///
/// impl embedded_hal::digital::ErrorType for Nowhere {
///     type Error = core::convert::Infallible;
/// }
///
/// impl OutputPin for Nowhere {
///     fn set_low(&mut self) -> Result<(), Self::Error> {
///         Ok(())
///     }
///
///     fn set_high(&mut self) -> Result<(), Self::Error> {
///         Ok(())
///     }
/// }
///
/// let mut lamp = Lamp { pin: Nowhere, lit: false };
/// assert_eq!(desk::call(&mut lamp, "light", "true"), r#"{"ok":true}"#);
/// assert_eq!(desk::sample(&mut lamp).to_string(), "lit true");
/// assert!(desk::set(&mut lamp, "lit", "7").is_err());
/// desk::run(lamp.offline());
/// assert_eq!(desk::attributes(&lamp), r#"{"lit":false}"#);
/// ```
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
    /// What it takes longer than the interval is lost to the grid; a device that waits half a minute for
    /// its product is restarted.
    async fn sample(&mut self, faults: &mut Faults) -> Self::Reading;

    /// Waits for something that the server is to know at once: a button, an alarm. Returns a reading that
    /// has only what happened; it gets the time of this moment, and goes out with the next message.
    ///
    /// This alone is cut short, whenever anything else is to be done, and called again after it: it must
    /// lose nothing by that. Whoever waits for a pin to be low, loses nothing; whoever waits for it to
    /// fall, may.
    async fn event(&mut self) -> Self::Reading {
        core::future::pending().await
    }

    /// What the server can ask the product to do: a [`call`], or a tuple of them.
    fn calls() -> impl Calls<Self> {}

    /// What the server can set, and what it is told: [`shared`] and [`client`] attributes, or a tuple of
    /// them.
    fn attributes() -> impl Attributes<Self> {}

    /// For how many seconds nobody must have answered for [`offline`](Self::offline) to be called.
    const OFFLINE_AFTER_S: u32 = 300;

    /// The server answers, for the first time or again.
    async fn online(&mut self) {}

    /// Nobody has answered for [`OFFLINE_AFTER_S`](Self::OFFLINE_AFTER_S), since the start or the last
    /// connection: what nobody watches now goes into its safe state.
    async fn offline(&mut self) {}

    /// The device restarts as soon as this returns, or after ten seconds. It is the end of this value; what
    /// was under way was cut short. A crash has no time for it: pins float then until the next start, so
    /// that what must be off without a device needs a resistor that holds it there.
    async fn restarting(&mut self) {}
}
