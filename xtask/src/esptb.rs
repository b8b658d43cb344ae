//! The operator's command line, built from here and run by other chores.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::workspace;

/// Builds it; returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    workspace::build("esptb")
}

/// Builds it, for a command line of its own.
pub(crate) fn command() -> Result<Command> {
    build().map(Command::new)
}
