//! `esptb completions`: scripts that let a shell complete the commands.

use std::io;

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    /// Which shell
    shell: Shell,
}

const AFTER_HELP: &str = "\
Examples:
  bash   esptb completions bash > ~/.local/share/bash-completion/completions/esptb
  zsh    esptb completions zsh > ~/.zfunc/_esptb     (with ~/.zfunc in fpath)
  fish   esptb completions fish > ~/.config/fish/completions/esptb.fish";

/// Prints the script for the whole command line, which is `cli`.
pub(crate) fn run(cmd: Cmd, cli: &mut clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(cmd.shell, cli, "esptb", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(())
}
