//! RustSec's advisories for the packages of all workspaces, by cargo-deny.
//!
//! The database is fetched each time, since its worth is its date. Where cargo-deny or the
//! database cannot be had the step is skipped, and says what it takes. The C library is not in
//! that database: `mbedtls.rs` holds its version against what was read of its advisories.

use std::{
    env,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result, bail};

use super::Outcome;
use crate::{process, workspace};

/// A clone of the database, for machines that do not reach it.
const CLONE: &str = "ESPTB_ADVISORIES";
/// Where cargo-deny fetches from (its default).
const DATABASE: &str = "https://github.com/RustSec/advisory-db";

/// Checks all workspaces.
///
/// # Errors
///
/// A package has an advisory that `deny.toml` does not argue.
pub(super) fn check() -> Result<Outcome> {
    if !process::installed("cargo-deny") {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed: cargo install --locked cargo-deny".to_owned(),
        ));
    }
    let clone = env::var(CLONE).ok();
    let fetched = output(&mut deny(
        workspace::root(),
        clone.as_deref(),
        &["fetch", "db"],
    ))?;
    if !fetched.status.success() {
        return match clone {
            Some(path) => bail!("{CLONE}: no advisories in {path}\n{}", text(&fetched)),
            None => Ok(Outcome::Skipped(format!(
                "{DATABASE} cannot be reached; {CLONE} names a clone of it"
            ))),
        };
    }
    let mut faults = Vec::new();
    let workspaces = workspace::all();
    for folder in &workspaces {
        let checked = output(&mut deny(
            folder,
            clone.as_deref(),
            &["check", "advisories"],
        ))?;
        if !checked.status.success() {
            faults.push(format!("{}:\n{}", folder.display(), text(&checked)));
        }
    }
    if !faults.is_empty() {
        bail!(
            "{}\nMove to a release without it, or argue it in deny.toml",
            faults.join("\n")
        );
    }
    Ok(Outcome::Noted(format!("{} workspaces", workspaces.len())))
}

fn deny(folder: &Path, clone: Option<&str>, action: &[&str]) -> Command {
    let mut command = Command::new("cargo-deny");
    command.current_dir(folder).args(["--locked", "--config"]);
    command
        .arg(workspace::root().join("deny.toml"))
        .args(action);
    if let Some(clone) = clone {
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", format!("url.{clone}.insteadOf"))
            .env("GIT_CONFIG_VALUE_0", DATABASE);
    }
    command
}

fn output(command: &mut Command) -> Result<Output> {
    command.output().context("cargo-deny does not start")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .to_owned()
}
