//! Runs the steps of `cargo xtask test`, and tells how each ended: one after the other, and in a whole run some beside
//! the others. What the steps do is theirs.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{BESIDE, FORK, Options, Outcome, STEPS, Step};
use crate::{terminal, workspace};

/// One line of the summary.
#[derive(Serialize, Deserialize)]
struct Line {
    step: String,
    verdict: Verdict,
    time: Duration,
    note: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Verdict {
    Passed,
    Failed,
    Skipped,
}

impl Options {
    /// All steps, not only some that were named.
    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.lane.is_none()
    }

    /// Whether the step is of a run in which none was named, beside others or not.
    fn runs(&self, step: &Step, beside: bool) -> bool {
        (self.all || !step.long) && BESIDE.contains(&step.name) == beside
    }

    /// Whether this process runs the step.
    fn chosen(&self, step: &Step) -> bool {
        match self.only.is_empty() {
            true => self.runs(step, self.lane.is_some()),
            false => self.only.iter().any(|name| name == step.name),
        }
    }
}

/// Runs the steps.
///
/// # Errors
///
/// A step failed, or a step of that name does not exist.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        list();
        return Ok(());
    }
    let is_known = |name: &&String| STEPS.iter().any(|step| step.name == **name);
    if let Some(unknown) = options.only.iter().find(|name| !is_known(name)) {
        bail!("there is no step {unknown:?}; `cargo xtask test --list` shows them");
    }
    let start = Instant::now();
    let mut lines = Vec::new();
    let mut lane = None;
    for step in STEPS.iter().filter(|step| options.chosen(step)) {
        if failed(&lines) && !options.keep_going {
            lines.push(not_run(step));
            continue;
        }
        if step.name == FORK && options.is_whole() {
            lane = Some(Lane::fork(options)?);
        }
        lines.push(perform(step, options));
    }
    if let Some(file) = &options.lane {
        return Ok(fs::write(file, serde_json::to_vec(&lines)?)?);
    }
    if let Some(lane) = lane {
        lines.extend(lane.join()?);
    } else if options.is_whole() {
        let beside = STEPS.iter().filter(|step| options.runs(step, true));
        lines.extend(beside.map(not_run));
    }
    if options.is_whole() && !options.all {
        let long = STEPS.iter().filter(|step| step.long).map(|step| step.name);
        let long: Vec<_> = long.collect();
        terminal::remark(format!(
            "left to --all, which CI runs: {}, and the other chips in firmware",
            long.join(", ")
        ));
    }
    summarise(&lines, start.elapsed())
}

fn list() {
    let width = STEPS.iter().map(|step| step.name.len()).max().unwrap_or(0);
    for step in STEPS {
        let long = if step.long { " (with --all)" } else { "" };
        anstream::println!("{:width$}  {}{long}", step.name, step.about);
    }
}

/// Steps that run beside the others, in a process of their own: what they print would mix with what is printed
/// meanwhile.
struct Lane {
    process: Child,
    folder: PathBuf,
}

impl Lane {
    fn fork(options: &Options) -> Result<Self> {
        let folder = workspace::root().join("target/xtask-lane");
        fs::create_dir_all(&folder)?;
        let printed = File::create(folder.join("printed.txt"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["test", "--lane"]).arg(folder.join(LINES));
        command.args(options.all.then_some("--all"));
        command.args(options.keep_going.then_some("--keep-going"));
        command.stdout(printed.try_clone()?).stderr(printed);
        terminal::remark(format!(
            "beside what follows, to be shown behind it: {}",
            BESIDE.join(", ")
        ));
        let process = command.spawn().context("the steps beside the others")?;
        Ok(Self { process, folder })
    }

    /// Waits for its end, and shows what was printed.
    fn join(mut self) -> Result<Vec<Line>> {
        let status = self.process.wait()?;
        let mut printed = File::open(self.folder.join("printed.txt"))?;
        io::copy(&mut printed, &mut io::stderr())?;
        if !status.success() {
            bail!("the steps beside the others came to no end ({status})");
        }
        let lines = fs::read(self.folder.join(LINES))?;
        Ok(serde_json::from_slice(&lines)?)
    }
}

/// The file in which a lane says how its steps ended.
const LINES: &str = "lines.json";

fn failed(lines: &[Line]) -> bool {
    lines.iter().any(|line| line.verdict == Verdict::Failed)
}

fn not_run(step: &Step) -> Line {
    Line {
        step: step.name.to_owned(),
        verdict: Verdict::Skipped,
        time: Duration::ZERO,
        note: "not run after the failure above".to_owned(),
    }
}

fn perform(step: &Step, options: &Options) -> Line {
    terminal::heading(format!("{}: {}", step.name, step.about));
    let start = Instant::now();
    let result = (step.run)(options);
    let time = start.elapsed();
    let (verdict, note) = match result {
        Ok(Outcome::Passed) => (Verdict::Passed, String::new()),
        Ok(Outcome::Noted(note)) => (Verdict::Passed, note),
        Ok(Outcome::Skipped(why)) => (Verdict::Skipped, why),
        Err(error) => {
            anstream::eprintln!("{} {error:#}", terminal::red("error:"));
            (Verdict::Failed, "see above".to_owned())
        }
    };
    Line {
        step: step.name.to_owned(),
        verdict,
        time,
        note,
    }
}

fn summarise(lines: &[Line], took: Duration) -> Result<()> {
    terminal::heading("summary");
    let width = lines.iter().map(|line| line.step.len()).max().unwrap_or(0);
    for line in lines {
        let verdict = match line.verdict {
            Verdict::Passed => terminal::green("passed "),
            Verdict::Failed => terminal::red("failed "),
            Verdict::Skipped => terminal::yellow("skipped"),
        };
        let time = terminal::duration(line.time);
        let text = format!("{:width$}  {verdict}  {time:>13}  {}", line.step, line.note);
        anstream::println!("{}", text.trim_end());
    }
    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    anstream::println!("in {}", terminal::duration(took));
    anstream::println!(
        "{} passed, {} failed, {} skipped",
        count(Verdict::Passed),
        count(Verdict::Failed),
        count(Verdict::Skipped)
    );
    if failed(lines) {
        std::process::exit(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        options: Options,
    }

    fn chosen(words: &[&str]) -> Vec<&'static str> {
        let words = ["test"].iter().chain(words);
        let options = Program::parse_from(words).options;
        let chosen = STEPS.iter().filter(|step| options.chosen(step));
        chosen.map(|step| step.name).collect()
    }

    #[test]
    fn each_step_of_a_whole_run_is_one_process_s() {
        for (words, steps) in [
            (&["--all"][..], STEPS.len()),
            (&[], STEPS.iter().filter(|step| !step.long).count()),
        ] {
            let (mut here, beside) = (chosen(words), chosen(&[words, &["--lane", "f"]].concat()));
            assert!(!here.is_empty() && !beside.is_empty());
            here.extend(beside);
            here.sort();
            here.dedup();
            assert_eq!(here.len(), steps, "{words:?}");
        }
    }

    #[test]
    fn steps_that_are_named_run_here_whatever_they_are() {
        assert_eq!(chosen(&["image", "fuzz"]), ["fuzz", "image"]);
    }
}
