//! `cargo xtask servers`: the device against the TLS servers of others (tests/servers).

use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, terminal, workspace};

/// The options of `cargo xtask servers`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this server, by its name in the table
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Write the table in docs/tls-servers.md anew
    #[arg(long, conflicts_with = "only")]
    update: bool,
}

/// Lets devices go to the servers, by hand.
///
/// # Errors
///
/// Something came of it that is not what the table tells.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut program = program()?;
    if let Some(only) = &options.only {
        program.args(["--only", only]);
    }
    if options.update {
        program.arg("--update");
    }
    process::run(&mut program)
}

/// The same, as a step of `cargo xtask test`; in one line, with the servers that are not there.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn check() -> Result<String> {
    let said = process::capture(&mut program()?)?;
    let last = said.lines().last().context("tests/servers says nothing")?;
    Ok(last.to_owned())
}

fn program() -> Result<Command> {
    let program = workspace::build("servers")?;
    terminal::remark("a minute, for hundreds of devices");
    Ok(Command::new(program))
}
