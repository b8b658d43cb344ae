//! A case: what is looked at, why, and who says so.

use std::pin::Pin;

use crate::bench::Bench;
use crate::fault::Fault;

/// The commit of ESP-IDF that the sources of the cases belong to: v5.4.1.
pub const COMMIT: &str = "4c2820d377d1375e787bcef612f0c32c1427d183";

/// How much a failure counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// ESP-IDF's devices do so, and clients rely on it.
    Must,
    /// ESP-IDF's devices do not all do so; a device is safer or kinder if it does.
    Advice,
}

/// A case of the suite.
pub struct Case {
    /// Its name: a group and what is looked at, as `session.wrong-proof`.
    pub name: &'static str,
    /// Why anybody should care.
    pub purpose: &'static str,
    /// What the device has to do.
    pub wants: &'static str,
    /// The file of ESP-IDF at [`COMMIT`], or the standard, that says so.
    pub source: &'static str,
    /// How much a failure counts.
    pub weight: Weight,
    pub(crate) run: for<'b> fn(&'b mut Bench) -> Running<'b>,
}

/// A case under way; in the end, what was seen.
pub(crate) type Running<'b> = Pin<Box<dyn Future<Output = Result<String, Fault>> + 'b>>;
