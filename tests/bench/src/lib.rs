#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod body;
pub mod images;
pub mod lives;
pub mod sessions;

pub use bodykit::sockets::Gate;
// Linked for what they bring: the locks and the clock that the embedded crates ask for.
use critical_section as _;
use hosttime as _;

/// Does what is to be counted: valgrind collects in this function only, by its name.
#[inline(never)]
pub fn measured_region<T>(work: impl FnOnce() -> T) -> T {
    std::hint::black_box(work())
}
