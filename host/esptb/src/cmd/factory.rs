//! `esptb factory`: boards in series, from the boot ROM to the label.

mod bench;
mod labels;
mod list;
mod run;
mod seal;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use factory::Ledger;

use console::now_ms;

/// Make boards in series: certificate, flash, first start, label
///
/// A board is known by its address. It gets its serial number in a ledger, a SQLite file, before
/// anything is made for it: no number is given twice and none is left out, wherever this is interrupted,
/// and a board that is put on again goes on with its own number.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
Examples:
  esptb factory run --app firmware --broker mqtts://tb.example.com --port /dev/ttyUSB0
  esptb factory run --app firmware --settings common.json --first A7-0001 --count 100 \\
      --port /dev/ttyUSB0 --port /dev/ttyUSB1 --printer 192.168.1.9
  esptb factory list                       every board, and whether it all adds up
  esptb factory list --unfinished --format csv
  esptb factory label SN-000012            its label once more
  esptb factory scrap SN-000013 --reason 'no radio'

Run it again after an interruption, as it was: it goes on. Keep the ledger with the CA: it knows which
numbers are taken.";

#[derive(Subcommand)]
enum Task {
    Run(Box<run::Cmd>),
    List(list::Cmd),
    Label(labels::Cmd),
    Scrap(list::Scrap),
}

/// Where it is written down who got which number.
#[derive(Args)]
struct LedgerFile {
    /// The ledger
    #[arg(long, default_value = "factory.sqlite", value_name = "FILE")]
    ledger: PathBuf,
}

impl LedgerFile {
    /// Opens it; one that is not there is made by `run` alone.
    fn open(&self) -> Result<Ledger> {
        let path = self.ledger.display();
        if !self.ledger.exists() {
            anyhow::bail!(
                "there is no ledger {path}: `esptb factory run` makes one, --ledger names it"
            );
        }
        Ok(Ledger::open(&self.ledger, now_ms)?)
    }
}

/// Does what was asked.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    match cmd.task {
        Task::Run(cmd) => run::run(&cmd),
        Task::List(cmd) => list::run(&cmd),
        Task::Label(cmd) => labels::run(&cmd),
        Task::Scrap(cmd) => list::scrap(&cmd),
    }
}
