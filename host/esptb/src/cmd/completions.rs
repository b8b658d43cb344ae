//! `esptb completions`: scripts that let a shell complete the commands.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap_complete::Shell;

use console::files;

/// Print a completion script for a shell, or put it where the shell looks
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    /// Which shell [default: that of SHELL]
    shell: Option<Shell>,
    /// Put it where the shell looks for this user's own: bash, zsh and fish
    #[arg(long)]
    install: bool,
}

const AFTER_HELP: &str = "\
Examples:
  esptb completions --install
  esptb completions powershell > esptb.ps1     name it in your profile, as in `. esptb.ps1`";

/// Prints or installs the script for the whole command line, which is `cli`.
pub(crate) fn run(cmd: &Cmd, cli: &mut clap::Command) -> Result<()> {
    let shell = cmd.shell.or_else(Shell::from_env);
    let shell = shell.context(
        "SHELL does not tell which shell this is: name it, as in `esptb completions bash`",
    )?;
    let mut script = Vec::new();
    clap_complete::generate(shell, cli, "esptb", &mut script);
    if !cmd.install {
        io::stdout().write_all(&script)?;
        return Ok(());
    }
    let (path, note) = place(shell)?;
    let folder = path.parent().unwrap_or(&path);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    files::write(&path, &script)?;
    console::made(&path, note);
    Ok(())
}

/// Where a shell looks for a user's own scripts, and what there is to do besides.
fn place(shell: Shell) -> Result<(PathBuf, &'static str)> {
    Ok(match shell {
        Shell::Bash => (
            files::user_folder("XDG_DATA_HOME", ".local/share")?
                .join("bash-completion/completions/esptb"),
            "for bash, with the package bash-completion: from the next shell on",
        ),
        Shell::Fish => (
            files::user_folder("XDG_CONFIG_HOME", ".config")?.join("fish/completions/esptb.fish"),
            "for fish: from now on",
        ),
        Shell::Zsh => (
            files::home()?.join(".zfunc/_esptb"),
            "for zsh: put `fpath+=(~/.zfunc)` before `compinit` into ~/.zshrc",
        ),
        other => bail!(
            "{other} has no folder for that: print it, `esptb completions {other} > FILE`, and name the file in \
             your profile"
        ),
    })
}
