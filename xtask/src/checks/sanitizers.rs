//! The device's tests of TLS, credentials and cloud, with our code and MbedTLS both under the sanitizers.
//!
//! Beside [`super::memory`], since each sees what the other does not: Valgrind bytes that were never
//! written and what is lost, the sanitizers what lies beyond a variable on the stack or among the
//! statics, and undefined behaviour.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use super::{
    Outcome,
    faults::{self, Ended, Fault},
    memory,
};
use crate::{process, sanitizer, workspace};

/// The tests in question.
const TESTS: &[&str] = &["tls::", "credentials::", "cloud::"];

/// Builds the tests, apart from all that is built without the sanitizers, and runs them.
///
/// # Errors
///
/// A fault that a sanitizer found, a test that failed, or a fault on purpose that was not found.
pub(super) fn check() -> Result<Outcome> {
    if !sanitizer::is_there()? {
        let why = "this installation of Rust has no runtime of the address sanitizer";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    let target = workspace::root().join("target/sanitized");
    let mut build = process::cargo();
    sanitizer::prepare(&mut build, &target, "")?;
    build
        .env("RUSTFLAGS", sanitizer::FLAG)
        .env("CARGO_TARGET_DIR", &target)
        .args(["test", "--locked", "--package", "device", "--lib"])
        // A target of its own, so that build scripts are as ever.
        .args(["--target", &workspace::host()?])
        .arg("--no-run");
    let artifacts = workspace::artifacts(&mut build)?;
    let mut tests = artifacts
        .into_iter()
        .filter(|artifact| artifact.profile.test);
    let program = tests.find_map(|artifact| artifact.executable);
    let program = program.context("cargo did not name the tests of device")?;
    let program = program.as_std_path();
    // The address sanitizer tells; undefined behaviour traps.
    let told = |ended: &Ended| {
        let what = "AddressSanitizer: heap-buffer-overflow";
        ended.errors.contains(what)
    };
    faults::must_end(&mut sanitized(program), Fault::BeyondABufferInC, told)?;
    faults::must_end(&mut sanitized(program), Fault::BeyondABufferInRust, told)?;
    faults::must_end(
        &mut sanitized(program),
        Fault::UndefinedInC,
        Ended::is_trapped,
    )?;
    let tests = memory::passed(sanitized(program).args(TESTS))?;
    Ok(Outcome::Noted(format!(
        "{tests} tests, no fault; three on purpose were found"
    )))
}

fn sanitized(program: &Path) -> Command {
    let (variable, options) = sanitizer::OPTIONS;
    let mut command = Command::new(program);
    command.env(variable, options);
    command
}
