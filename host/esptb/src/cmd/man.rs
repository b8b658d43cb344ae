//! `esptb man`: the help as man pages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::console;

/// Write man pages
///
/// One for the program and one for each command.
#[derive(Args)]
#[command(after_help = "Example:\n  esptb man ~/.local/share/man/man1 && man esptb-tb-setup")]
pub(crate) struct Cmd {
    /// The folder, which is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the pages for the whole command line, which is `cli`.
pub(crate) fn run(cmd: &Cmd, cli: clap::Command) -> Result<()> {
    let name = cmd.folder.display();
    fs::create_dir_all(&cmd.folder).with_context(|| format!("cannot make {name}"))?;
    clap_mangen::generate_to(cli, &cmd.folder)
        .with_context(|| format!("cannot write into {name}"))?;
    console::made(&cmd.folder, "man pages: esptb(1) and one for each command");
    Ok(())
}
