//! `esptb board-report`: time and memory of each phase of a board's start.

mod phases;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use self::phases::Report;
use super::monitor::Console;
use crate::arguments::duration;
use console::{BAD, FAINT, WARN, paint};
use serial::event::EventLine;
use serial::lines::Next;

/// Measure the start of a board: time and memory of each phase
///
/// Lets the board start anew, reads the events on its console, and prints how long each phase took
/// by the board's own clock, and the least memory that was free in it.
#[derive(Args)]
#[command(after_help = include_str!("../../help/board-report.txt"))]
pub(crate) struct Cmd {
    #[command(flatten)]
    console: Console,
    /// The event that ends the measurement
    #[arg(long, default_value = "telemetry.acknowledged", value_name = "EVENT")]
    until: String,
    /// Give up after this time
    #[arg(long, default_value = "5m", value_parser = duration, value_name = "TIME")]
    timeout: Duration,
    /// Print JSON, all events included
    #[arg(long)]
    json: bool,
}

/// Measures.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    let mut lines = cmd.console.open()?;
    let end = Instant::now() + cmd.timeout;
    let mut report = Report::default();
    let ended = loop {
        match lines.next(Some(end))? {
            Next::Line(line) => {
                let Some(event) = EventLine::parse(&line) else {
                    tell_other(&line);
                    continue;
                };
                tell(&event);
                report.take(&event);
                if event.name == cmd.until {
                    break None;
                }
            }
            Next::TimeUp => break Some("in time"),
            Next::End => break Some("before the console ended"),
        }
    };
    if report.is_empty() {
        bail!(
            "the board told nothing: is it running this firmware, and is the port that of its \
             console? `esptb monitor` shows all that it says"
        );
    }
    if cmd.json {
        console::line(serde_json::to_string_pretty(&report.as_json())?)?;
    } else {
        console::line(report.table().trim_end())?;
    }
    match ended {
        None => Ok(()),
        Some(when) => bail!("{} did not come {when}: the report ends early", cmd.until),
    }
}

/// Bad news, and what somebody has to do, as they come.
fn tell(event: &EventLine<'_>) {
    let EventLine { name, text, .. } = event;
    if event.is_bad() {
        anstream::eprintln!("{} {text}", paint(BAD, name));
    } else if *name == "provisioning.started" {
        let what = "it waits to be provisioned (`esptb provision`, or Espressif's app):";
        anstream::eprintln!("{} {text}", paint(WARN, what));
    } else {
        anstream::eprintln!("{}", paint(FAINT, format!("{name} {text}")));
    }
}

fn tell_other(line: &str) {
    if line.contains(" PANIC ") {
        anstream::eprintln!(
            "{}: `esptb monitor --elf` decodes it",
            paint(BAD, "the board panicked")
        );
    }
}
