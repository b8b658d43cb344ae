//! The memory of what calls MbedTLS, the one place of the device where Rust does not look after it; and
//! what depends on secrets.
//!
//! Valgrind runs the tests of TLS and of the credentials: no read or write outside of a buffer,
//! nothing read before it was written, nothing lost. In those of `secp256r1` what is secret is
//! marked as never written, so that a jump or an address that depends on it is found. On Linux only,
//! where there is a Valgrind.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::faults::{self, Fault};
use crate::{process, workspace};

/// The tests that call MbedTLS; the one skipped leaks on purpose.
const TESTS: &[&str] = &[
    "tls::",
    "credentials::",
    "--skip=the_library_is_installed_once",
    "--test-threads=1",
];

/// What a program that Valgrind found something in ends with.
const FOUND: i32 = 9;

/// The tests that mark secrets. They look at what Valgrind found by themselves.
const SECRETS: &str = "tests::secrets::";

/// Builds the tests as the step before did, and runs those of `device` and `secp256r1` under
/// Valgrind.
///
/// # Errors
///
/// A fault in the use of memory, or a test that failed.
pub(super) fn check() -> Result<String> {
    if !cfg!(target_os = "linux") {
        return Ok("not run: Valgrind is for Linux".to_owned());
    }
    let programs = tests_of(&["device", "secp256r1"])?;
    let [device, secp256r1] = &programs[..] else {
        bail!("cargo did not name the tests of device and secp256r1");
    };
    for fault in [Fault::BeyondABufferInC, Fault::BeyondABufferInRust] {
        faults::must_end(&mut watched(device), fault, |ended| {
            ended.status.code() == Some(FOUND)
        })?;
    }
    let memory = passed(watched(device).args(TESTS))?;
    let mut valgrind = Command::new("valgrind");
    let secrets = passed(valgrind.arg("--quiet").arg(secp256r1).arg(SECRETS))?;
    Ok(format!(
        "{memory} tests, no fault; {secrets} tests, no secret told"
    ))
}

/// A program under Valgrind, which ends with [`FOUND`] if it found something.
fn watched(program: &Path) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args([
        "--quiet",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
    ]);
    valgrind.arg(format!("--error-exitcode={FOUND}"));
    valgrind.arg(program);
    valgrind
}

/// How many tests passed, at least one.
pub(super) fn passed(tests: &mut Command) -> Result<String> {
    let output = process::capture(tests)?;
    let passed = output
        .lines()
        .find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next())
        .context("the tests did not tell their result")?;
    if passed == "0" {
        bail!("no test ran: were they renamed?");
    }
    Ok(passed.to_owned())
}

/// The programs with libraries' unit tests, in the order of their names.
fn tests_of(libraries: &[&str]) -> Result<Vec<PathBuf>> {
    let mut build = process::cargo();
    build.args(["test", "--locked", "--workspace", "--lib", "--bins"]);
    let mut found = BTreeMap::new();
    for artifact in workspace::artifacts(build.arg("--no-run"))? {
        if libraries.contains(&artifact.target.name.as_str())
            && artifact.profile.test
            && let Some(program) = artifact.executable
        {
            found.insert(artifact.target.name, program.into());
        }
    }
    Ok(found.into_values().collect())
}
