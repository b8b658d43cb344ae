//! The chores of the project, for people and for CI: `cargo xtask --help`.
//!
//! Everything here works from a fresh clone with Rust and a C compiler; `setup` brings the rest.

mod bench;
mod bogo;
mod chaos;
mod checks;
mod chips;
mod demo;
mod disk;
mod esptb;
mod firmware;
mod flash;
mod fuzz;
mod hil;
mod interop;
mod process;
mod purpose;
mod sanitizer;
mod servers;
mod setup;
mod size;
mod terminal;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of the project: show it, check it, measure it, bring it onto a board.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the project needs beside Rust and a C compiler
    ///
    /// As root on Debian or Ubuntu the missing packages are installed. Anywhere else the command
    /// to run is printed. Runs in a moment when everything is there.
    Setup {
        /// Only what this needs
        #[arg(
            long = "for",
            value_enum,
            default_value = "test",
            value_name = "PURPOSE"
        )]
        purpose: setup::Purpose,
    },
    /// Show the whole life of a device on this computer, from blank flash to live telemetry
    ///
    /// Installs what the demo needs, builds it, and runs `esptb demo` with the arguments given:
    /// `cargo xtask demo --help` prints them.
    #[command(disable_help_flag = true)]
    Demo {
        /// Passed on to `esptb demo`
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGS"
        )]
        arguments: Vec<String>,
    },
    /// Check everything that can be checked without a board; CI runs this
    ///
    /// Prints a heading for each step, and at the end a table with the time each took and a line
    /// `N passed, N failed, N skipped`. Exits with 0 only if nothing failed.
    Test(checks::Options),
    /// Let hundreds of faults happen to a device, and account for every sample
    ///
    /// Server killed, network cut, Wi-Fi lost, power cut, clock wrong, certificates renewed: drawn
    /// from a seed, over hours of the device's time, in minutes. Prints every fault, and a ledger
    /// that must balance to zero.
    Chaos(chaos::Options),
    /// Build the firmware for a chip and show what fills its flash and its RAM
    ///
    /// Fails if the image does not fit the app slot of the partition table.
    Firmware(firmware::Options),
    /// Build the firmware and write it onto the board that is connected
    ///
    /// With --spiffs the whole flash is written: bootloader, partition table, app and certificates;
    /// the board keeps its network. Without, the app alone. `esptb flash --help` tells the rest.
    Flash(flash::Options),
    /// Run the tests that need a board, or an emulated one; without either they are skipped
    ///
    /// Writes the firmware onto the board at --port, and follows its console: boot, certificates,
    /// provisioning; and, given a broker's certificates and a network, all the way online.
    ///
    /// With --emulator the board is emulated: first life and second, restarts, a crash and a hang are
    /// tested with it, and what needs a real one is named. Everything around it is made for the
    /// occasion, in target/hil.
    Hil(hil::Options),
    /// Fuzz whatever reads bytes from a stranger
    ///
    /// Prints how often each target ran, what it reached, and how to see a fault again. Stable Rust
    /// and a C++ compiler are enough.
    Fuzz(fuzz::Options),
    /// Run BoringSSL's protocol tests against the device's TLS client
    ///
    /// Needs a checkout of BoringSSL, which tests/bogo/README.md tells of. Fails if a test ends
    /// otherwise than docs/bogo.md tells.
    Bogo(bogo::Options),
    /// Let the device go to the TLS servers of others, each set in every way
    ///
    /// OpenSSL, GnuTLS, Mosquitto, HAProxy, nginx, Java, Go and rustls. Fails if something comes of it
    /// that is not what docs/tls-servers.md tells.
    Servers(servers::Options),
    /// Measure what all this costs, and write the figures down
    ///
    /// Builds the programs with optimisation, prints a table and writes target/bench.json; with
    /// --write also docs/performance.md and its plots. Takes some minutes; nothing else should run
    /// meanwhile.
    Bench(bench::Options),
    /// Compare the firmware's size with the figures on record
    ///
    /// Builds the firmware first. Shows what changed by more than 1 %.
    Size(size::Options),
}

fn main() -> ExitCode {
    if let Some(foreign) = std::env::var_os(fuzz::INSTRUMENTED) {
        return fuzz::rustc(&foreign);
    }
    terminal::configure();
    let done = match Cli::parse().chore {
        Chore::Setup { purpose } => setup::run(purpose),
        Chore::Demo { arguments } => demo::run(&arguments),
        Chore::Test(options) => checks::run(&options),
        Chore::Chaos(options) => chaos::run(&options),
        Chore::Firmware(options) => firmware::run(&options),
        Chore::Flash(options) => flash::run(&options),
        Chore::Hil(options) => hil::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Bogo(options) => bogo::run(&options),
        Chore::Servers(options) => servers::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Size(options) => size::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{} {error:#}", terminal::red("error:"));
            ExitCode::FAILURE
        }
    }
}
