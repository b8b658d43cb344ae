//! The operator's command line, built from here and run by other chores.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{process, workspace};

/// Builds it; returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let mut build = process::cargo();
    process::run(build.args(["build", "--quiet", "--locked", "--package", "esptb"]))?;
    Ok(workspace::program("esptb"))
}

/// Builds it, for a command line of its own.
pub(crate) fn command() -> Result<Command> {
    build().map(Command::new)
}
