//! The programs of tests that are not beside the code, several at a time: most of what they do is wait
//! for a device whose time runs faster, but not infinitely.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{process, terminal, workspace};
use anyhow::{Context, Result, bail};

/// How many programs run at a time, for each core.
const PER_CORE: usize = 2;

/// A program of tests.
struct Program {
    name: String,
    file: PathBuf,
    /// The package's folder, in which cargo lets its tests run.
    folder: PathBuf,
    bytes: u64,
}

/// Builds the programs and runs them; after a failure no other one is started, unless `keep_going`.
///
/// # Errors
///
/// A test failed.
pub(super) fn check(keep_going: bool) -> Result<String> {
    let mut programs = build()?;
    // The larger they are, the longer they tend to take. From the end.
    programs.sort_by_key(|program| program.bytes);
    let count = programs.len();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let left = Mutex::new(programs);
    let failed = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..cores * PER_CORE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no thread panics").pop();
                    let Some(program) = next.filter(|_| !stop.load(Ordering::Relaxed)) else {
                        return;
                    };
                    if let Err(error) = run(&program) {
                        stop.store(!keep_going, Ordering::Relaxed);
                        failed
                            .lock()
                            .expect("no thread panics")
                            .push(format!("{error:#}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics");
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(format!("{count} programs"))
}

fn build() -> Result<Vec<Program>> {
    let mut build = process::cargo();
    build.args(["test", "--locked", "--workspace", "--test", "*"]);
    let mut programs = Vec::new();
    for artifact in workspace::artifacts(build.arg("--no-run"))? {
        if artifact.target.is_test()
            && let Some(file) = artifact.executable
        {
            let folder = artifact.manifest_path.parent();
            programs.push(Program {
                name: artifact.target.src_path.to_string(),
                bytes: fs::metadata(&file)?.len(),
                file: file.into(),
                folder: folder.context("a manifest without a folder")?.into(),
            });
        }
    }
    Ok(programs)
}

/// Runs one, and shows what it printed when it has ended.
fn run(program: &Program) -> Result<()> {
    let start = Instant::now();
    let mut tests = Command::new(&program.file);
    tests.current_dir(&program.folder);
    tests.env("CARGO_MANIFEST_DIR", &program.folder);
    let output = tests.stdin(Stdio::null()).output()?;
    let name = program
        .name
        .strip_prefix(&workspace::root().display().to_string());
    let name = name.unwrap_or(&program.name).trim_start_matches('/');
    let time = Duration::from_secs(start.elapsed().as_secs());
    let printed = String::from_utf8_lossy(&output.stdout);
    terminal::remark(format!("{name}, in {}", terminal::duration(time)));
    anstream::println!("{}", printed.trim());
    if output.status.success() {
        return Ok(());
    }
    anstream::eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    bail!("{name}: {}", output.status);
}
