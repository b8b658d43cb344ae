//! `cargo xtask fuzz`: the targets under fuzz/, built with coverage instrumentation by stable
//! Rust, and run.
//!
//! `cargo fuzz run` takes the same targets, on nightly Rust. What it does not do is why it is not called here: it
//! instruments all crates alike, so that a handshake takes three times as long, and no C, of which half of TLS is; it
//! runs one target, and this runs all, tells what each reached, and fails if one found a fault. What a target needs to know of
//! itself is in fuzz/Cargo.toml.

mod build;
mod report;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use anyhow::{Context, Result, bail};

use crate::{process, sanitizer, setup, terminal, workspace};
pub(crate) use build::{INSTRUMENTED, rustc};
use report::Outcome;

/// The options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these targets
    #[arg(value_name = "TARGET")]
    only: Vec<String>,
    /// Run each target for so long
    #[arg(long, value_name = "N", default_value_t = 60, conflicts_with = "runs")]
    seconds: u64,
    /// Run each target so often
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Show the targets and what each is for
    #[arg(long)]
    list: bool,
    /// Put the smallest corpus with the same coverage into fuzz/corpus, instead of fuzzing
    #[arg(long, conflicts_with = "runs")]
    minimize: bool,
    /// Write the seeds into fuzz/corpus, instead of fuzzing
    #[arg(long, conflicts_with_all = ["runs", "minimize"])]
    seeds: bool,
    /// How many targets run at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

/// The longest input, in bytes.
const LONGEST_INPUT: u32 = 8192;
/// An input that takes longer than this, in seconds, is a fault.
const TIMEOUT_S: u32 = 20;
/// More memory than this, in MiB, is a fault.
const MEMORY_MB: u32 = 1024;

/// A fuzz target.
struct Target {
    name: String,
    /// What it covers: the first paragraph of its source.
    about: String,
    /// How often it runs in `cargo xtask test`.
    brief_runs: u64,
}

/// How long a target runs.
#[derive(Clone, Copy)]
enum Extent {
    Seconds(u64),
    Runs(u64),
    /// As often as fuzz/Cargo.toml says, from the committed corpus alone, and the same each time.
    Brief,
}

/// Fuzzes, or lists or minimizes.
pub(crate) fn run(options: &Options) -> Result<()> {
    let targets = chosen(&options.only)?;
    if options.list {
        let width = targets.iter().map(|t| t.name.len()).max().unwrap_or(0);
        for Target { name, about, .. } in &targets {
            anstream::println!("{name:width$}  {about}");
        }
        return Ok(());
    }
    if options.seeds {
        let binaries = build::build(&folder(), &["--example", "seeds"])?;
        return process::run(&mut Command::new(binaries.join("examples/seeds")));
    }
    let binaries = prepare(&targets)?;
    if options.minimize {
        return targets
            .iter()
            .try_for_each(|target| minimize(target, &binaries));
    }
    let extent = match options.runs {
        Some(runs) => Extent::Runs(runs),
        None => Extent::Seconds(options.seconds),
    };
    all(&targets, &binaries, extent, options.jobs).map(drop)
}

/// The brief run of `cargo xtask test`; returns a line for its summary.
pub(crate) fn brief() -> Result<String> {
    let targets = chosen(&[])?;
    let binaries = prepare(&targets)?;
    let executions = all(&targets, &binaries, Extent::Brief, 2)?;
    Ok(format!(
        "{} targets, {} executions",
        targets.len(),
        terminal::thousands(executions)
    ))
}

fn folder() -> PathBuf {
    workspace::root().join("fuzz")
}

fn prepare(targets: &[Target]) -> Result<PathBuf> {
    setup::run(setup::Purpose::Test)?;
    let names = targets.iter().map(|target| ["--bin", &target.name]);
    build::build(&folder(), &names.flatten().collect::<Vec<_>>())
}

/// The targets of these names, or all of them.
fn chosen(only: &[String]) -> Result<Vec<Target>> {
    let metadata = workspace::metadata(&folder())?;
    let package = metadata
        .root_package()
        .context("fuzz/Cargo.toml has no package")?;
    let runs: BTreeMap<String, u64> =
        serde_json::from_value(package.metadata["brief-runs"].clone())
            .context("fuzz/Cargo.toml: [package.metadata.brief-runs] must have numbers")?;
    let mut targets = Vec::new();
    for target in package.targets.iter().filter(|target| target.is_bin()) {
        let source = fs::read_to_string(&target.src_path)
            .with_context(|| format!("{} cannot be read", target.src_path))?;
        let brief_runs = runs.get(&target.name).with_context(|| {
            format!(
                "fuzz/Cargo.toml: [package.metadata.brief-runs] lacks {}",
                target.name
            )
        })?;
        targets.push(Target {
            name: target.name.clone(),
            about: first_paragraph(&source),
            brief_runs: *brief_runs,
        });
    }
    if let Some(unknown) = only
        .iter()
        .find(|name| targets.iter().all(|t| t.name != **name))
    {
        bail!("there is no target {unknown:?}; `cargo xtask fuzz --list` shows them");
    }
    targets.retain(|target| only.is_empty() || only.contains(&target.name));
    Ok(targets)
}

fn first_paragraph(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//! "));
    lines.collect::<Vec<_>>().join(" ")
}

/// Runs targets, some at once, and prints a table; returns the number of executions.
fn all(targets: &[Target], binaries: &Path, extent: Extent, jobs: usize) -> Result<u64> {
    let waiting = Mutex::new(targets.iter());
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut waiting| waiting.next());
                    let Some(target) = next else { return };
                    terminal::remark(format!("fuzzing {}", target.name));
                    let outcome = fuzz(target, binaries, extent);
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push((target.name.clone(), outcome));
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_default();
    let mut done = Vec::new();
    for target in targets {
        for (name, outcome) in &outcomes {
            if *name == target.name {
                let outcome = outcome
                    .as_ref()
                    .map_err(|error| anyhow::anyhow!("{error:#}"))?;
                done.push((target.name.as_str(), outcome));
            }
        }
    }
    anstream::println!("{}", report::table(&done));
    let failed = done.iter().filter(|(_, outcome)| outcome.failed).count();
    if failed > 0 {
        for (name, outcome) in &done {
            anstream::print!("{}", outcome.reproduction(name, binaries));
        }
        bail!("{failed} of {} targets found a fault", done.len());
    }
    Ok(done.iter().map(|(_, outcome)| outcome.executions).sum())
}

fn fuzz(target: &Target, binaries: &Path, extent: Extent) -> Result<Outcome> {
    let name = &target.name;
    let found = match extent {
        Extent::Brief => folder().join("target/brief").join(name),
        _ => folder().join("target/corpus").join(name),
    };
    if matches!(extent, Extent::Brief) && found.exists() {
        fs::remove_dir_all(&found)?;
    }
    let artifacts = folder().join("artifacts").join(name);
    let committed = committed(name);
    for folder in [&found, &artifacts, &committed] {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let mut command = command(binaries, name);
    command
        .arg(&found)
        .arg(&committed)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1");
    match extent {
        Extent::Seconds(seconds) => command.arg(format!("-max_total_time={seconds}")),
        Extent::Runs(runs) => command.arg(format!("-runs={runs}")),
        Extent::Brief => command
            .arg(format!("-runs={}", target.brief_runs))
            .arg("-seed=1"),
    };
    let output = command
        .output()
        .with_context(|| format!("{name} could not be started"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    Ok(Outcome::read(&text, output.status.success()))
}

/// Puts the smallest corpus of the same coverage in the place of the committed one.
fn minimize(target: &Target, binaries: &Path) -> Result<()> {
    let name = &target.name;
    let found = folder().join("target/corpus").join(name);
    let least = folder().join("target/least").join(name);
    if least.exists() {
        fs::remove_dir_all(&least)?;
    }
    for folder in [&found, &least, &committed(name)] {
        fs::create_dir_all(folder)?;
    }
    let mut merge = command(binaries, name);
    merge
        .arg("-merge=1")
        .arg(&least)
        .arg(committed(name))
        .arg(&found);
    process::run(merge.stderr(Stdio::null()))?;
    fs::remove_dir_all(committed(name))?;
    fs::create_dir_all(committed(name))?;
    let (mut files, mut bytes) = (0, 0);
    for file in fs::read_dir(&least)? {
        let file = file?;
        files += 1;
        bytes += fs::copy(file.path(), committed(name).join(file.file_name()))?;
    }
    anstream::println!(
        "{name}: {files} files, {} bytes",
        terminal::thousands(bytes)
    );
    Ok(())
}

fn committed(name: &str) -> PathBuf {
    folder().join("corpus").join(name)
}

fn command(binaries: &Path, name: &str) -> Command {
    let mut command = Command::new(binaries.join(name));
    let (variable, options) = sanitizer::OPTIONS;
    command
        .current_dir(folder())
        .env(variable, options)
        .stdin(Stdio::null())
        .arg(format!("-max_len={LONGEST_INPUT}"))
        // Long inputs early: some targets do a few dozen a second.
        .arg("-len_control=10")
        .arg(format!("-timeout={TIMEOUT_S}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_told_by_its_first_paragraph() {
        let source = "//! One,\n//! two.\n//!\n//! Three.\n#![no_main]\n//! four\n";
        assert_eq!(first_paragraph(source), "One, two.");
    }

    #[test]
    fn every_target_says_what_it_is_for_and_how_often_it_runs() {
        for target in chosen(&[]).unwrap() {
            assert!(target.about.ends_with('.'), "{}", target.name);
            assert!(target.brief_runs > 0, "{}", target.name);
        }
    }
}
