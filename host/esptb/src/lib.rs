//! `esptb`: the operator's command line, from blank flash to live telemetry.
//!
//! One file per subcommand under `cmd`, each with its arguments (`Cmd`) and one `run`. What they
//! do is in the crates beside this one; here are the words around it: help, progress, errors and
//! exit codes.
//!
//! It is a library for products outside this repository: [`desk`] is the program that shows one of them.

#![warn(missing_docs)]

mod arguments;
mod clock;
mod cmd;
#[cfg(test)]
mod examples;
mod progress;
mod prompt;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
// Linked for what they bring: the locks and the clock that the embedded crates ask for.
use console::Exit;
use critical_section as _;
use hosttime as _;
use simulator::Wiring;

/// Operate ESP32 devices from blank flash to ThingsBoard.
#[derive(Parser)]
#[command(
    name = "esptb",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = AFTER_HELP,
)]
struct Cli {
    /// Say more: twice for everything that the libraries have to say
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = GLOBAL)]
    verbose: u8,
    /// When to use colours; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = GLOBAL)]
    color: console::ColorWhen,
    #[command(subcommand)]
    command: Command,
}

const GLOBAL: &str = "Global options";

const AFTER_HELP: &str = "\
Where to begin:
  esptb demo                 the whole life of a device, on this computer
  esptb pki init             certificates of your own
  esptb flash                an image onto a board
  esptb new                  a product of your own
  esptb <COMMAND> --help     each command explains itself, with examples

Exit codes: 0 done, 1 failed, 2 wrong arguments.";

#[derive(Subcommand)]
enum Command {
    Demo(cmd::demo::Cmd),
    Pki(cmd::pki::Cmd),
    Image(cmd::image::Cmd),
    Firmware(cmd::firmware::Cmd),
    Flash(cmd::flash::Cmd),
    Factory(cmd::factory::Cmd),
    Monitor(cmd::monitor::Cmd),
    BoardReport(cmd::board_report::Cmd),
    Simulate(Box<cmd::simulate::Cmd>),
    Provision(cmd::provision::Cmd),
    Conformance(cmd::conformance::Cmd),
    Serve(cmd::serve::Cmd),
    Tb(cmd::tb::Cmd),
    Doctor(cmd::doctor::Cmd),
    Completions(cmd::completions::Cmd),
    Man(cmd::man::Cmd),
    New(cmd::new::Cmd),
}

/// The whole of `esptb`.
#[must_use]
pub fn main() -> ExitCode {
    // Shares of work, for `simulate --count` and `image --batch` alone. They are no commands, so
    // that no shell completes them.
    let first = std::env::args_os().nth(1);
    let worker: Option<fn() -> anyhow::Result<()>> =
        match first.as_deref().and_then(std::ffi::OsStr::to_str) {
            Some(fleet::WORKER) => Some(fleet::run_worker),
            Some("proof-worker") => Some(cmd::image::run_worker),
            _ => None,
        };
    if let Some(work) = worker {
        console::start_log(0);
        return ended(work());
    }
    let cli = Cli::parse();
    console::set_colors(cli.color);
    console::start_log(cli.verbose);
    ended(match cli.command {
        Command::Demo(cmd) => cmd::demo::run(cmd),
        Command::Pki(cmd) => cmd::pki::run(cmd),
        Command::Image(cmd) => cmd::image::run(cmd),
        Command::Firmware(cmd) => cmd::firmware::run(cmd),
        Command::Flash(cmd) => cmd::flash::run(cmd),
        Command::Factory(cmd) => cmd::factory::run(cmd),
        Command::Monitor(cmd) => cmd::monitor::run(cmd),
        Command::BoardReport(cmd) => cmd::board_report::run(cmd),
        Command::Simulate(cmd) => cmd::simulate::run(*cmd),
        Command::Provision(cmd) => cmd::provision::run(cmd),
        Command::Conformance(cmd) => cmd::conformance::run(cmd),
        Command::Serve(cmd) => cmd::serve::run(cmd),
        Command::Tb(cmd) => cmd::tb::run(cmd),
        Command::Doctor(cmd) => cmd::doctor::run(cmd),
        Command::Completions(cmd) => cmd::completions::run(&cmd, &mut Cli::command()),
        Command::Man(cmd) => cmd::man::run(&cmd, Cli::command()),
        Command::New(cmd) => cmd::new::run(&cmd),
    })
}

/// The program of a product's own desk: what `esptb demo` shows with the stock product, with the one that
/// `W` wires up. It takes the options of `esptb demo`.
#[must_use]
pub fn desk<W: Wiring + Default + 'static>() -> ExitCode {
    /// Show the whole life of a device with this product, on this computer.
    #[derive(Parser)]
    #[command(name = "desk")]
    struct Desk {
        #[command(flatten)]
        demo: cmd::demo::Cmd,
    }
    let desk = Desk::parse();
    console::start_log(0);
    ended(cmd::demo::run_with::<W>(desk.demo, "cargo run -p desk --"))
}

/// Tells of an error, and gives the exit code.
fn ended(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<console::OutputClosed>() => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            error
                .downcast_ref::<Exit>()
                .map_or(ExitCode::FAILURE, |exit| ExitCode::from(exit.code()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_declared_without_contradiction() {
        Cli::command().debug_assert();
    }
}
