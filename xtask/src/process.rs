//! Running other programs, with errors that name the command and what to do.

use std::{
    ffi::OsStr,
    io,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// The `cargo` that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo run` tells this program of its own package. A build script that looks at such names (some have)
    // would be run anew after each build that was not started here.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    // The folder of this package lies in that of the project.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// A command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs a command with the terminal as its own; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    crate::terminal::remark(shown(command));
    let status = command
        .status()
        .map_err(|error| not_started(command, error))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command and returns what it wrote to stdout; stderr goes to the terminal.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| not_started(command, error))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", shown(command), output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` did not print UTF-8", shown(command)))
}

/// Runs a command, shows what it wrote to stderr, and returns it; stdout goes to the terminal.
pub(crate) fn capture_errors(command: &mut Command) -> Result<String> {
    crate::terminal::remark(shown(command));
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| not_started(command, error))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anstream::eprint!("{said}");
    if !output.status.success() {
        bail!("`{}` failed ({})", shown(command), output.status);
    }
    Ok(said)
}

/// Whether a program of this name is found in `PATH`.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let file = file_of(program);
    std::env::split_paths(&path).any(|folder| folder.join(&file).is_file())
}

/// What this system calls the file of a program: `clang`, or `clang.exe`.
pub(crate) fn file_of(program: &str) -> String {
    format!("{program}{}", std::env::consts::EXE_SUFFIX)
}

fn not_started(command: &Command, error: io::Error) -> anyhow::Error {
    let shown = shown(command);
    match error.kind() {
        io::ErrorKind::NotFound => {
            anyhow::anyhow!("`{shown}`: the program is not installed; try `cargo xtask setup`")
        }
        _ => anyhow::Error::new(error).context(format!("`{shown}` could not be started")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_the_name_that_this_system_gives_its_file() {
        assert!(installed("cargo"), "which runs this test");
        assert!(!installed("no-such-program"));
        assert_eq!(file_of("clang").ends_with(".exe"), cfg!(windows));
    }

    #[test]
    fn command_lines_can_be_pasted() {
        let mut command = Command::new("/usr/bin/apt-get");
        command.args(["install", "--yes", "it's", ""]);
        assert_eq!(shown(&command), r"apt-get install --yes 'it'\''s' ''");
    }
}
