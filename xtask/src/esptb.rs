//! The operator's command line, built from here and run by other chores.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{process, workspace};

/// Builds it; returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let mut build = process::cargo();
    process::run(build.args(["build", "--quiet", "--locked", "--package", "esptb"]))?;
    // Cargo runs in the root, and takes a folder without a root of its own from there.
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let name = format!("debug/{}", process::file_of("esptb"));
    Ok(workspace::root().join(target).join(name))
}

/// Builds it, for a command line of its own.
pub(crate) fn command() -> Result<Command> {
    build().map(Command::new)
}
