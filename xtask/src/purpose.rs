//! What somebody wants to do with the project.

use clap::ValueEnum;

/// What the machine is being prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// `cargo xtask demo` and everything under host/
    Demo,
    /// `cargo xtask firmware` and `size`
    Firmware,
    /// `cargo xtask test`: all of the above, and the peers that the tests talk to
    Test,
    /// `cargo xtask bench`: what measures, and what is measured against
    Bench,
}
