//! The memory of what calls MbedTLS: the one place of the device where Rust does not look after it.
//!
//! Valgrind runs the tests of TLS and of the credentials: no read or write outside of a buffer,
//! nothing read before it was written, nothing lost. On Linux only, where there is a Valgrind.

use std::{io::BufReader, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use crate::{process, workspace};

/// The tests that call MbedTLS; the one skipped leaks on purpose.
const TESTS: &[&str] = &[
    "tls::",
    "credentials::",
    "--skip=the_library_is_installed_once",
    "--test-threads=1",
];

/// Builds the tests as the step before did, and runs those of `device` under Valgrind.
///
/// # Errors
///
/// A fault in the use of memory, or a test that failed.
pub(super) fn check() -> Result<String> {
    if !cfg!(target_os = "linux") {
        return Ok("not run: Valgrind is for Linux".to_owned());
    }
    let program = tests_of("device")?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args([
        "--quiet",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
        "--error-exitcode=9",
    ]);
    let suppressions = workspace::root().join("xtask/src/checks/valgrind.supp");
    valgrind.arg(format!("--suppressions={}", suppressions.display()));
    let output = process::capture(valgrind.arg(program).args(TESTS))?;
    let passed = output
        .lines()
        .find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next())
        .context("the tests did not tell their result")?;
    if passed == "0" {
        bail!("no test ran under Valgrind: were tls:: and credentials:: renamed?");
    }
    Ok(format!("{passed} tests, no fault"))
}

/// The program with a library's unit tests.
fn tests_of(library: &str) -> Result<PathBuf> {
    let mut build = process::cargo();
    build.args(["test", "--locked", "--workspace", "--lib", "--bins"]);
    build.args(["--no-run", "--message-format=json-render-diagnostics"]);
    let messages = process::capture(&mut build)?;
    Message::parse_stream(BufReader::new(messages.as_bytes()))
        .filter_map(Result::ok)
        .find_map(|message| match message {
            Message::CompilerArtifact(artifact)
                if artifact.target.name == library && artifact.profile.test =>
            {
                artifact.executable
            }
            _ => None,
        })
        .map(Into::into)
        .with_context(|| format!("cargo did not name the tests of {library}"))
}
