//! `esptb flash`: an image, an app or certificates onto a board.

pub(crate) mod board;
pub(crate) mod efuse;
pub(crate) mod plan;
mod progress;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use self::{
    board::{Connected, How},
    plan::Plan,
};
use super::image::Layout;
use super::monitor::Monitor;
use console::{FAINT, GOOD, paint};
use serial::lines::Lines;
use serial::places::Places;

/// Write an image, an app or certificates onto a board
///
/// Finds the board, checks that the chip is the one that this is for and that it would start it,
/// writes what differs, and verifies it. What the board keeps in NVS (its network, its proof of
/// possession) stays unless --nvs is given.
#[derive(Args)]
#[command(after_help = include_str!("../../help/flash.txt"))]
pub(crate) struct Cmd {
    /// A whole flash, as `esptb image --app` makes it
    #[arg(
        required_unless_present_any = ["app", "spiffs"],
        conflicts_with_all = ["app", "spiffs", "chip", "layout", "partitions"],
        value_name = "FILE"
    )]
    image: Option<PathBuf>,
    /// Write SPIFFS: the folder with the device's files, or the image of the partition
    #[arg(long, value_name = "DIR|FILE")]
    spiffs: Option<PathBuf>,
    /// Write NVS too, as it is in the image
    #[arg(long, requires = "image")]
    nvs: bool,
    /// Write SPIFFS even if the device would refuse the files
    #[arg(long, requires = "spiffs")]
    unchecked: bool,

    /// The board's port: /dev/ttyUSB0, or tcp:HOST:PORT [default: the only one that fits]
    #[arg(long, env = "ESPTB_PORT", value_name = "PORT", help_heading = "Board")]
    port: Option<String>,
    /// How fast to send, in bits per second
    #[arg(
        long,
        default_value_t = 460_800,
        value_name = "RATE",
        help_heading = "Board"
    )]
    baud: u32,
    /// The board waits in its boot ROM already, and stays there afterwards
    #[arg(long, help_heading = "Board")]
    no_reset: bool,
    /// Speak to the boot ROM itself, not to a helper in RAM: slow, for boards that take no helper
    #[arg(long, help_heading = "Board")]
    no_stub: bool,
    /// Show the console afterwards
    #[arg(long, conflicts_with = "no_reset", help_heading = "Board")]
    monitor: bool,

    #[command(flatten)]
    layout: Layout,
}

/// Does what was asked.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    // All that can be refused without a board is, before one is touched.
    let plan = Plan::new(&cmd)?;
    let how = How {
        port: cmd.port.as_deref(),
        baud: cmd.baud,
        no_reset: cmd.no_reset,
        no_stub: cmd.no_stub,
        quiet: false,
    };
    let mut connected = Connected::open(&how)?;
    connected.check(&plan)?;
    connected.write(&plan)?;
    console::made(
        connected.port().as_ref(),
        &format!("{}, verified", plan.summary()),
    );
    if cmd.no_reset {
        let line = "it waits in its boot ROM: press RESET to start it";
        anstream::eprintln!("{}", paint(FAINT, line));
        return Ok(());
    }
    if !cmd.monitor {
        anstream::eprintln!(
            "{}",
            paint(GOOD, "started; `esptb monitor` shows its console")
        );
        return Ok(());
    }
    let places = cmd
        .layout
        .app
        .as_deref()
        .and_then(|elf| Places::new(elf).ok());
    let monitor = Monitor {
        places,
        timestamps: true,
        ..Monitor::default()
    };
    monitor.watch(Lines::new(connected.into_console()?.port))
}
