//! `cargo xtask chaos`: a device among hundreds of faults, and a ledger of every sample.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{terminal, workspace};

/// The options of `cargo xtask chaos`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the faults are drawn from; the same seed makes the same faults
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many seeds to run, one after the other, from that one on
    #[arg(long, default_value_t = 1, value_name = "N")]
    seeds: u64,
    /// How many faults in each run
    #[arg(long, default_value_t = 200, value_name = "N")]
    faults: usize,
    /// Seconds of the device's time in a real second; a busy computer needs fewer
    #[arg(long, default_value_t = 60, value_name = "N")]
    rate: u32,
}

/// Runs it.
///
/// # Errors
///
/// A sample is not accounted for, or the device did not come back.
pub(crate) fn run(options: &Options) -> Result<()> {
    terminal::remark("building the chaos run (some minutes the first time)");
    let mut chaos = Command::new(workspace::build("chaos")?);
    for (name, value) in [
        ("--seed", options.seed),
        ("--seeds", options.seeds),
        ("--faults", options.faults as u64),
        ("--rate", options.rate.into()),
    ] {
        chaos.arg(name).arg(value.to_string());
    }
    if !chaos.status()?.success() {
        bail!("the chaos run failed");
    }
    Ok(())
}
