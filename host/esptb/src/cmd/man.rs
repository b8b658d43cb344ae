//! `esptb man`: the help as man pages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use console::files;

/// Write man pages
///
/// One for the program and one for each command.
#[derive(Args)]
#[command(after_help = "Example:\n  esptb man --install && man esptb-tb-setup")]
pub(crate) struct Cmd {
    /// The folder, which is made if it is not there
    #[arg(value_name = "DIR", required_unless_present = "install")]
    folder: Option<PathBuf>,
    /// Put them where `man` looks for this user's own: ~/.local/share/man/man1
    #[arg(long, conflicts_with = "folder")]
    install: bool,
}

/// Writes the pages for the whole command line, which is `cli`.
pub(crate) fn run(cmd: &Cmd, cli: clap::Command) -> Result<()> {
    let folder = match &cmd.folder {
        Some(folder) => folder.clone(),
        None => files::user_folder("XDG_DATA_HOME", ".local/share")?.join("man/man1"),
    };
    let name = folder.display();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {name}"))?;
    clap_mangen::generate_to(cli, &folder).with_context(|| format!("cannot write into {name}"))?;
    console::made(&folder, "man pages: esptb(1) and one for each command");
    Ok(())
}
