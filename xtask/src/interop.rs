//! The tests with peers from PyPI, in a Python environment of their own under `target/`.
//!
//! What the peers are is in tests/interop/requirements.txt; what they test, in the README there.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{esptb, process, terminal, workspace};

/// What the environment was made from, kept inside it.
const STAMP: &str = "requirements.txt";

fn folder() -> PathBuf {
    workspace::root().join("tests/interop")
}

fn environment() -> PathBuf {
    workspace::root().join("target/interop")
}

fn python() -> PathBuf {
    program("python")
}

/// A program of the environment.
pub(crate) fn program(name: &str) -> PathBuf {
    // Where `venv` puts them.
    let folder = if cfg!(windows) { "Scripts" } else { "bin" };
    environment().join(folder).join(process::file_of(name))
}

/// Makes the environment, if it is not there or was made from other requirements.
///
/// # Errors
///
/// There is no Python with `venv`, or the package registry is not reached.
pub(crate) fn setup() -> Result<()> {
    let requirements = folder().join(STAMP);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let stamp = environment().join(STAMP);
    if python().exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    // Python's installer for Windows gives it no number.
    let mut venv = Command::new(if cfg!(windows) { "python" } else { "python3" });
    venv.args(["-m", "venv", "--clear"]).arg(environment());
    process::run(&mut venv).context("Debian's package for it is python3-venv")?;
    let mut pip = Command::new(python());
    pip.args(["-m", "pip", "install", "--quiet", "--requirement"]);
    process::run(pip.arg(&requirements)).context("is the package registry reachable?")?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Builds `esptb`, and the jig on which it makes boards, and lets the peers at it.
///
/// # Errors
///
/// A test failed; what is said above tells which.
pub(crate) fn test() -> Result<()> {
    let esptb = esptb::build()?;
    let jig = workspace::build("jig")?;
    let mut unittest = Command::new(python());
    unittest
        .current_dir(folder())
        .env("ESPTB", esptb)
        .env("ESPTB_JIG", jig)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    terminal::remark("in tests/interop:");
    process::run(unittest.args(["-m", "unittest", "discover", "--verbose"]))
}
