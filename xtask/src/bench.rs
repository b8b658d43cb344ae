//! `cargo xtask bench`: what the project costs, measured in a way that anyone can repeat.
//!
//! The programs that are measured are in `tests/bench` and `host/esptb`; this module runs them,
//! collects figures, and writes them: a table, `target/bench.json`, and with `--write` the plots
//! and the figures of docs/performance.md.

mod campaign;
mod fleet;
mod images;
mod instructions;
mod lives;
mod page;
mod plot;
mod promises;
mod record;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::{process, setup, terminal, workspace};
use record::Record;

/// The options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these; of the others the last run's figures are kept
    #[arg(value_enum, value_name = "WHAT")]
    only: Vec<What>,
    /// Write the plots and the figures of docs/performance.md
    #[arg(long)]
    write: bool,
    /// ESP-IDF's components/spiffs/spiffsgen.py [default: that of IDF_PATH]
    #[arg(long, value_name = "FILE")]
    spiffsgen: Option<PathBuf>,
    /// Devices of the largest fleet
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    devices: u32,
    /// Devices of the fleet that gets a new version, and of the one that gets new certificates
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    campaign_devices: u32,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Instructions of single pieces of work, by valgrind
    Instructions,
    /// SPIFFS images: as whole processes beside spiffsgen.py, and in batches
    Images,
    /// The heap of a device in each phase of its life
    Heap,
    /// Fleets of simulated devices, against the local server and against Mosquitto
    Fleet,
    /// A new version for a fleet of ten thousand, or of --campaign-devices
    Rollout,
    /// New certificates for such a fleet
    Renewal,
}

/// Measures, and writes what came of it.
///
/// # Errors
///
/// A program could not be built or run, a fleet lost a sample, or a figure is beyond what is promised.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::run(setup::Purpose::Bench)?;
    let mut build = process::cargo();
    build.args(["build", "--locked", "--release"]);
    process::run(build.args(["--package", "bench", "--package", "esptb"]))?;
    let mut record = Record::load()?;
    record.machine = record::machine()?;
    for what in What::value_variants() {
        if !options.only.is_empty() && !options.only.contains(what) {
            continue;
        }
        terminal::heading(format!("{what:?}").to_lowercase());
        let figures = match what {
            What::Instructions => instructions::measure()?,
            What::Images => images::measure(options.spiffsgen.as_deref())?,
            What::Heap => lives::measure()?,
            What::Fleet => fleet::measure(options.devices)?,
            What::Rollout => campaign::ROLLOUT.rehearse(options.campaign_devices)?,
            What::Renewal => campaign::RENEWAL.rehearse(options.campaign_devices)?,
        };
        for figure in figures {
            anstream::println!("{}", figure.shown());
            record.put(figure);
        }
        // What was measured stays, whatever becomes of the rest.
        record.save()?;
    }
    terminal::remark(format!("all figures: {}", record::path().display()));
    if options.write {
        page::write(&record)?;
    }
    promises::check(&record)
}

/// A program of the release build.
fn program(name: &str) -> Command {
    let folder = workspace::root().join("target/release");
    Command::new(folder.join(process::file_of(name)))
}

/// A folder for what a measurement leaves, empty.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = workspace::root().join("target/bench").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
