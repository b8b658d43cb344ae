//! `cargo xtask bogo`: BoringSSL's protocol test runner against the device's TLS client.
//!
//! The runner is a program of others, written in Go, that plays a server for each of its tests. It
//! is not fetched and not built here: a checkout of BoringSSL at [`REVISION`] with the runner
//! compiled in it is named by [`FOLDER`], or lies beside this project in [`BESIDE`]. The shim
//! between it and our client is tests/bogo; what does not apply, and what differs, is listed in
//! tests/bogo/config.json with a reason each. Nothing else may fail, and what is listed as
//! different must.

mod config;
mod results;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{process, terminal, workspace};
use config::Config;
use results::Tally;

/// The revision of BoringSSL whose tests the configuration is for.
const REVISION: &str = "a0689af29e8e460f1e5380e0fb74cef1b342e810";

/// Names the checkout.
const FOLDER: &str = "ESPTB_BORINGSSL";

/// Where it is looked for otherwise: beside the project's folder.
const BESIDE: &str = "boringssl";

/// The runner in the checkout: its package, compiled as a test program of Go.
const RUNNER: &str = "ssl/test/runner/runner.test";

/// Where the shim adds why a test does not apply.
const REASONS: &str = "BOGO_REASONS";

/// The options of `cargo xtask bogo`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only tests whose names match; patterns with *, separated by semicolons
    #[arg(long, value_name = "PATTERNS")]
    filter: Option<String>,
    /// Run the client under Valgrind: takes an hour
    #[arg(long)]
    valgrind: bool,
    /// Write the table in docs/bogo.md anew
    #[arg(long, conflicts_with = "filter")]
    update: bool,
}

/// What became of the suite.
pub(crate) enum Outcome {
    /// All is as it should be; in one line.
    Passed(String),
    /// There is no runner; what to do about it.
    Skipped(String),
}

/// Runs the suite, by hand.
///
/// # Errors
///
/// There is no runner, a test failed, or the table is not up to date.
pub(crate) fn run(options: &Options) -> Result<()> {
    match perform(options)? {
        Outcome::Passed(note) => terminal::remark(note),
        Outcome::Skipped(why) => bail!("{why}"),
    }
    Ok(())
}

/// Runs the suite, as a step of `cargo xtask test`.
///
/// # Errors
///
/// As [`run`], but for the runner, which may be missing.
pub(crate) fn check() -> Result<Outcome> {
    perform(&Options {
        filter: None,
        valgrind: false,
        update: false,
    })
}

fn perform(options: &Options) -> Result<Outcome> {
    let runner = match find()? {
        Ok(runner) => runner,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let shim = workspace::build("bogo")?;
    let config = Config::read(&workspace::root().join("tests/bogo/config.json"))?;
    let ran = play(&runner, &shim, options)?;
    let tally = Tally::new(&ran, &config)?;
    let whole = options.filter.is_none();
    let faults = tally.faults(&config, whole);
    if !faults.is_empty() {
        for fault in &faults {
            anstream::eprintln!("{fault}");
        }
        bail!(
            "{} faults under BoringSSL's runner, see above",
            faults.len()
        );
    }
    if whole && !options.valgrind {
        results::table(&tally, &page(), options.update)?;
    }
    Ok(Outcome::Passed(tally.summary()))
}

/// The page with the table.
fn page() -> PathBuf {
    workspace::root().join("docs/bogo.md")
}

/// Looks for the runner; if there is none, says what to do.
fn find() -> Result<std::result::Result<PathBuf, String>> {
    let named = std::env::var_os(FOLDER).map(PathBuf::from);
    let folder = match &named {
        Some(folder) => folder.clone(),
        None => workspace::root().join("..").join(BESIDE),
    };
    if named.is_none() && !folder.exists() {
        return Ok(Err(format!(
            "no checkout of BoringSSL: tests/bogo/README.md tells what {FOLDER} names"
        )));
    }
    let head = process::capture(
        Command::new("git")
            .arg("-C")
            .arg(&folder)
            .args(["rev-parse", "HEAD"]),
    )
    .with_context(|| format!("{} is no checkout of BoringSSL", folder.display()))?;
    if head.trim() != REVISION {
        bail!(
            "{} is at {}, but the configuration is for {REVISION}: check that out",
            folder.display(),
            head.trim()
        );
    }
    let runner = folder.join(RUNNER);
    if !runner.is_file() {
        bail!(
            "{} is missing: compile the runner there, see tests/bogo/README.md",
            runner.display()
        );
    }
    Ok(Ok(runner))
}

/// What the runner reported.
struct Ran {
    /// JSON: the tests and what became of each.
    results: String,
    /// Why tests did not apply, a line for each run of the shim.
    reasons: String,
}

fn play(runner: &Path, shim: &Path, options: &Options) -> Result<Ran> {
    let root = workspace::root();
    let folder = root.join("target/bogo");
    fs::create_dir_all(&folder)?;
    let (results, reasons) = (folder.join("results.json"), folder.join("reasons"));
    for file in [&results, &reasons] {
        if file.exists() {
            fs::remove_file(file)?;
        }
    }
    let mut command = Command::new(runner);
    command
        .current_dir(runner.parent().unwrap_or(root))
        .env(REASONS, &reasons)
        .arg("-shim-path")
        .arg(shim)
        .arg("-shim-config")
        .arg(root.join("tests/bogo/config.json"))
        .arg("-json-output")
        .arg(&results)
        // All are run, so that each has a name to be counted by.
        .args(["-include-disabled", "-allow-unimplemented", "-pipe"])
        .args(["-num-workers", "2"]);
    if let Some(filter) = &options.filter {
        command.args(["-test", filter]);
    }
    if options.valgrind {
        command.args(["-valgrind", "-idle-timeout", "90s", "-test.timeout", "12h"]);
        // The thread of the time driver is there until the end.
        command.env(
            "VALGRIND_OPTS",
            "--errors-for-leak-kinds=definite --show-leak-kinds=definite",
        );
    }
    terminal::remark(process::shown(&command));
    // It prints a line for each test, and fails if one does: what that means is decided here.
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.with_context(|| format!("{} could not be started", runner.display()))?;
    Ok(Ran {
        results: fs::read_to_string(&results)
            .context("the runner came to no end: run it by hand, see tests/bogo/README.md")?,
        reasons: fs::read_to_string(&reasons).unwrap_or_default(),
    })
}
