//! What the fuzz targets share: a script out of the fuzzer's bytes, time that jumps, randomness
//! that is the same in every run, and the fakes that stand around a device.
//!
//! Nothing here is tested code itself; the targets are in `fuzz_targets/`, one file each, and
//! README.md says what each is for.

pub mod board;
pub mod body;
pub mod broker;
pub mod heap;
pub mod phone;
pub mod script;
pub mod server;
pub mod shelf;
pub mod sparse;
pub mod stranger;
pub mod time;
pub mod tls;
pub mod world;

pub use bodykit::Noise;
pub use script::Script;
