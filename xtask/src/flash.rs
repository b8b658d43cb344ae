//! `cargo xtask flash`: the firmware, built and brought onto a board.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{
    chips::{self, Chip},
    esptb, firmware, process, setup, workspace,
};

/// The options of `cargo xtask flash`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The chip; those known are in firmware/Cargo.toml
    #[arg(long, value_name = "CHIP")]
    chip: Option<String>,
    /// The folder with the device's certificates: the whole flash is written, not the app alone
    #[arg(long, value_name = "DIR")]
    spiffs: Option<PathBuf>,
    /// The board's port [default: the only one that fits]
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Show the console afterwards, a panic's addresses as places in the source
    #[arg(long)]
    monitor: bool,
    /// Passed on to `esptb flash`
    #[arg(last = true, value_name = "ARGS")]
    more: Vec<String>,
}

/// Builds, makes the image, flashes.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::run(setup::Purpose::Firmware)?;
    let chip = chips::find(options.chip.as_deref())?;
    let elf = firmware::elf(&chip)?;
    let mut flash = esptb::command()?;
    flash.arg("flash");
    match &options.spiffs {
        Some(spiffs) => {
            let image = workspace::root().join("target/flash.bin");
            make(&chip, &elf, spiffs, &image)?;
            flash.arg(image);
        }
        None => {
            flash.args(["--chip", &chip.name]).arg("--app").arg(&elf);
            flash.args(chip.layout());
        }
    }
    if let Some(port) = &options.port {
        flash.args(["--port", port]);
    }
    process::run(flash.args(&options.more))?;
    if options.monitor {
        monitor(options.port.as_deref(), &elf)?;
    }
    Ok(())
}

/// Makes a flash image of the firmware and a device's files. A network in `ESPTB_WIFI` goes in.
fn make(chip: &Chip, elf: &Path, spiffs: &Path, image: &Path) -> Result<()> {
    let mut command = esptb::command()?;
    command
        .args(["image", "--chip", &chip.name, "--app"])
        .arg(elf);
    command.args(chip.layout());
    command.arg("--spiffs").arg(spiffs).arg("--out").arg(image);
    process::run(&mut command)
}

fn monitor(port: Option<&str>, elf: &Path) -> Result<()> {
    let mut monitor = esptb::command()?;
    monitor.arg("monitor").arg("--elf").arg(elf);
    if let Some(port) = port {
        monitor.args(["--port", port]);
    }
    process::run(&mut monitor)
}
