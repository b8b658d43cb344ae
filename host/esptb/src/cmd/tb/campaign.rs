//! What all campaigns of `esptb tb` have in common: waves and gates, how they go on, and what is told of them.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tb::campaign::{Campaign, Goal, Ledger, Next, Planned, Report, Rules, Share, Told, Waves};
use tb::{Error, Filter};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::devices::date;
use crate::arguments::duration;
use console::{BAD, FAINT, GOOD, STRONG, WARN, counted, paint, printable};
use console::{interrupted, now_ms, on_one_thread};

/// How long the server may be away before it is given up.
const LONGEST_OUTAGE: Duration = Duration::from_secs(600);
/// Of the devices of a wave that are shown before it begins.
const SHOWN: usize = 5;

/// Whom a campaign is for.
#[derive(Args)]
pub(super) struct Devices {
    /// The devices of this device profile
    #[arg(long, default_value = "esptb", value_name = "NAME")]
    pub(super) profile: String,
    /// Of them, those whose name begins so; % stands for any text
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

impl Devices {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            profile: Some(self.profile.clone()),
            name: self.name.clone(),
            ..Filter::default()
        }
    }
}

/// How a campaign goes.
#[derive(Args)]
#[command(next_help_heading = "Waves and gates")]
pub(super) struct Pace {
    /// A device that goes before the others; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) first: Vec<String>,
    /// How many devices are reached after each wave: numbers, or parts of all
    #[arg(long, default_value = "1,10,10%,50%,100%", value_name = "WAVES")]
    waves: Waves,
    /// How long each has to do well with it
    #[arg(long, default_value = "10m", value_parser = duration, value_name = "TIME")]
    soak: Duration,
    /// How long a device may take for it, and again for its samples
    #[arg(long, default_value = "30m", value_parser = duration, value_name = "TIME")]
    patience: Duration,
    /// How many may fail of those that were tried: a number, or a part
    #[arg(long, default_value = "1%", value_name = "N|PART")]
    most_failures: Share,
    /// How many devices are at it at once
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    at_once: u32,
    /// How often to look
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "TIME")]
    every: Duration,
    /// Let it go on after it was halted: what failed so far does not count any more
    #[arg(long, conflicts_with = "dry_run")]
    go_on: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Only tell what the campaign in --state has come to
    #[arg(long, requires = "state", conflicts_with_all = ["dry_run", "go_on"])]
    pub(super) report: bool,
    /// The report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What is said of a campaign.
pub(super) struct Words {
    /// What those do that have it: "run it well".
    pub(super) well: &'static str,
    /// What took its time: "an update".
    pub(super) one: &'static str,
    /// What was taken back when it was halted.
    pub(super) it: &'static str,
}

/// The ledger of a campaign.
pub(super) struct Opened {
    pub(super) ledger: Ledger,
    /// Where a copy is, of a dry run.
    _copy: Option<TempDir>,
}

impl Pace {
    pub(super) fn rules(&self) -> Rules {
        Rules {
            waves: self.waves.clone(),
            at_once: self.at_once as usize,
            patience: self.patience,
            soak: self.soak,
            most_failures: self.most_failures,
        }
    }

    /// Opens where it is written down what was done. What would be is tried out on a copy.
    ///
    /// # Errors
    ///
    /// That it cannot be written.
    pub(super) fn open(&self, state: &Path) -> Result<Opened> {
        let copy = self.dry_run.then(tempfile::tempdir).transpose()?;
        let path: PathBuf = match &copy {
            Some(folder) => {
                let path = folder.path().join("copy.sqlite");
                if state.exists() {
                    std::fs::copy(state, &path).with_context(|| state.display().to_string())?;
                }
                path
            }
            None => state.to_owned(),
        };
        Ok(Opened {
            ledger: Ledger::open(&path)?,
            _copy: copy,
        })
    }

    /// Does it, and tells what it has come to.
    ///
    /// # Errors
    ///
    /// That it was halted, or interrupted, or what the server says.
    pub(super) fn go(&self, campaign: &mut Campaign<'_>, words: &Words) -> Result<()> {
        if self.go_on {
            campaign.go_on()?;
        }
        let ended = on_one_thread(go(self.every, campaign));
        self.tell_report(&campaign.report(), words)?;
        match ended? {
            End::Done => Ok(()),
            End::Halted(why) => bail!(
                "halted: {why}. {} was taken back from those that did not have it yet. Look into the failures; \
                 --go-on lets it go on",
                words.it
            ),
            End::Interrupted => bail!("interrupted: run it again as it was, and it goes on"),
        }
    }

    /// Tells what one has come to, by what it wrote down.
    ///
    /// # Errors
    ///
    /// If none was begun there.
    pub(super) fn report(&self, state: Option<&Path>, words: &Words) -> Result<()> {
        let path = state.unwrap_or(Path::new(""));
        let told = match path.exists() {
            true => Report::read(&Ledger::open(path)?)?,
            false => None,
        };
        match told {
            Some(told) => self.tell_report(&told, words),
            None => bail!("{}: no campaign was begun with this file", path.display()),
        }
    }

    fn tell_report(&self, report: &Report, words: &Words) -> Result<()> {
        if self.json {
            return console::line(serde_json::json!(report));
        }
        let Goal { title, version, .. } = &report.goal;
        console::line(format_args!(
            "{} {} for {}, since {}",
            printable(title),
            printable(version),
            counted(report.devices, "device"),
            date(report.begun_ms)
        ))?;
        for (count, what, style) in [
            (report.passed, words.well, GOOD),
            (report.failed.len(), "failed", BAD),
            (report.under_way, "are at it", WARN),
            (report.already, "had it before", FAINT),
            (
                report.waiting,
                "wait for their turn, or to be online",
                FAINT,
            ),
        ] {
            if count > 0 {
                console::line(format_args!(
                    "{} {what}",
                    paint(style, format_args!("{count:6}"))
                ))?;
            }
        }
        for wave in &report.waves {
            let took = wave.ended_ms.map(|end| (end - wave.begun_ms) / 1_000);
            let took =
                took.map_or_else(|| "under way".to_owned(), |seconds| format!("{seconds} s"));
            console::line(format_args!(
                "wave {}: {} tried, {} well, {} failed, {took}",
                wave.wave, wave.tried, wave.passed, wave.failed
            ))?;
        }
        if let Some(times) = &report.update_s {
            console::line(format_args!(
                "{} took {:.0} s (half of them), {:.0} s (99 of 100), {:.0} s at most",
                words.one, times.p50, times.p99, times.max
            ))?;
        }
        for failure in &report.failed {
            console::line(format_args!(
                "{} {}: {}",
                paint(BAD, "failed"),
                printable(&failure.device),
                printable(&failure.fault)
            ))?;
        }
        Ok(())
    }
}

enum End {
    Done,
    Halted(String),
    Interrupted,
}

/// Looks again and again.
async fn go(every: Duration, campaign: &mut Campaign<'_>) -> Result<End> {
    let mut show = Show::new();
    let mut interrupted = std::pin::pin!(interrupted());
    let mut lost: Option<Instant> = None;
    loop {
        // Blocks for a moment: nothing else runs here.
        match campaign.step(now_ms(), &mut |told| show.tell(&told)) {
            Ok(Next::Look) => lost = None,
            Ok(Next::Done) => {
                show.end();
                return Ok(End::Done);
            }
            Ok(Next::Halted(why)) => {
                show.end();
                return Ok(End::Halted(why));
            }
            Err(error) if passes(&error) => {
                let since = *lost.get_or_insert_with(Instant::now);
                if since.elapsed() > LONGEST_OUTAGE {
                    show.end();
                    return Err(error.into());
                }
                show.say(&paint(WARN, format!("{error}; it is tried again")).to_string());
            }
            Err(error) => {
                show.end();
                return Err(error.into());
            }
        }
        tokio::select! {
            () = &mut interrupted => {
                show.end();
                return Ok(End::Interrupted);
            }
            () = sleep(every) => {}
        }
    }
}

/// What may be better after a while.
fn passes(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::TooMany { .. } => true,
        // 409: somebody else changed the device at the same moment.
        Error::Refused { status, .. } => *status == 409 || *status >= 500,
        _ => false,
    }
}

/// What happens, as it happens.
struct Show {
    terminal: bool,
}

impl Show {
    fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { terminal }
    }

    fn tell(&mut self, told: &Told) {
        match told {
            Told::Wave { wave, target, all } => {
                let line = format!("wave {}: {target} of {}", wave + 1, counted(*all, "device"));
                self.say(&paint(STRONG, line).to_string());
            }
            Told::Failed(name, why) => {
                let line = format!(
                    "{} {}: {}",
                    paint(BAD, "failed"),
                    printable(name),
                    printable(why)
                );
                self.say(&line);
            }
            Told::Passed(_) => {}
            Told::Counts(counts) if self.terminal => {
                let some = counts.iter().filter(|(_, count)| *count > 0);
                let some: Vec<_> = some
                    .map(|(stage, count)| format!("{count} {}", stage.name()))
                    .collect();
                eprint!("\r\x1b[K{}", some.join(", "));
                // Only how far it is gets lost.
                let _ = std::io::stderr().flush();
            }
            Told::Counts(_) => {}
        }
    }

    /// A line that stays.
    fn say(&mut self, line: &str) {
        self.end();
        anstream::eprintln!("{line}");
    }

    fn end(&mut self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// Tells what would be done.
///
/// # Errors
///
/// That nobody reads it.
pub(super) fn tell_plan(planned: &Planned) -> Result<()> {
    console::line(format_args!(
        "{}: {} have it already, {} are offline",
        counted(planned.devices, "device"),
        planned.already,
        planned.offline
    ))?;
    for (number, wave) in (1..).zip(&planned.waves) {
        let some = wave
            .iter()
            .take(SHOWN)
            .map(|name| printable(name).into_owned());
        let more = if wave.len() > SHOWN { ", …" } else { "" };
        let some = some.collect::<Vec<_>>().join(", ");
        console::line(format_args!(
            "wave {number}: {} ({some}{more})",
            counted(wave.len(), "device")
        ))?;
    }
    Ok(())
}
