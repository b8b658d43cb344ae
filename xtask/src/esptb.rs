//! The operator's command line, built from here and run by other chores.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{process, workspace};

/// Builds it; returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let mut build = process::cargo();
    process::run(build.args(["build", "--quiet", "--locked", "--package", "esptb"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace::root().join("target"), PathBuf::from);
    let name = format!("debug/esptb{}", std::env::consts::EXE_SUFFIX);
    Ok(target.join(name))
}

/// Builds it, for a command line of its own.
pub(crate) fn command() -> Result<Command> {
    build().map(Command::new)
}
