//! `esptb monitor`: a board's console.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::arguments::duration;
use console::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use serial::event::EventLine;
use serial::lines::{Lines, Next};
use serial::places::Places;

/// Show the console of a board
///
/// Lets the board start anew, so that its first line is seen too, and prints what it says: events
/// coloured, and with --elf the places of a panic's addresses. Ctrl-C ends it.
#[derive(Args)]
#[command(after_help = include_str!("../../help/monitor.txt"))]
pub(crate) struct Cmd {
    #[command(flatten)]
    console: Console,
    /// The ELF file that the board's app was made from: a panic's addresses become places
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
    /// Leave out how long ago the monitor started
    #[arg(long)]
    no_timestamps: bool,
    /// End when this event comes (such as cloud.online); exit with 1 if it does not
    #[arg(long, value_name = "EVENT")]
    until: Option<String>,
    /// End after this time
    #[arg(long = "for", value_parser = duration, value_name = "TIME")]
    duration: Option<Duration>,
}

/// Where the console is.
#[derive(Args)]
pub(crate) struct Console {
    /// The board's port: /dev/ttyUSB0, tcp:HOST:PORT, - for the standard input [default: the only
    /// one that fits]
    #[arg(long, env = "ESPTB_PORT", value_name = "PORT")]
    pub(crate) port: Option<String>,
    /// Let the board run on rather than start anew
    #[arg(long)]
    pub(crate) no_reset: bool,
}

impl Console {
    pub(crate) fn open(&self) -> Result<Lines> {
        Lines::open(self.port.as_deref(), !self.no_reset)
    }
}

/// Shows the console.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    let places = cmd.elf.as_deref().map(Places::new).transpose()?;
    let lines = cmd.console.open()?;
    Monitor {
        places,
        timestamps: !cmd.no_timestamps,
        until: cmd.until,
        duration: cmd.duration,
    }
    .watch(lines)
}

/// How a console is shown.
#[derive(Default)]
pub(crate) struct Monitor {
    pub(crate) places: Option<Places>,
    pub(crate) timestamps: bool,
    pub(crate) until: Option<String>,
    pub(crate) duration: Option<Duration>,
}

impl Monitor {
    /// Prints lines until the end.
    pub(crate) fn watch(&self, mut lines: Lines) -> Result<()> {
        let start = Instant::now();
        let end = self.duration.map(|duration| start + duration);
        loop {
            match lines.next(end)? {
                Next::Line(line) => {
                    if self.show(&line, start.elapsed())? {
                        return Ok(());
                    }
                }
                Next::TimeUp | Next::End => {
                    return match &self.until {
                        Some(name) => bail!("{name} did not come"),
                        None => Ok(()),
                    };
                }
            }
        }
    }

    /// Prints a line; tells whether it is the one that was waited for.
    fn show(&self, line: &str, at: Duration) -> Result<bool> {
        let stamp = match self.timestamps {
            true => format!("[{:9.3}] ", at.as_secs_f64()),
            false => String::new(),
        };
        let stamp = paint(FAINT, stamp);
        let event = EventLine::parse(line);
        match &event {
            Some(event) => {
                let style = match event {
                    event if event.is_bad() => BAD,
                    event if event.is_good() => GOOD,
                    _ => STRONG,
                };
                let at = paint(FAINT, format!("{:8}", event.uptime_ms));
                let name = paint(style, format!("{:<22}", event.name));
                console::line(format_args!("{stamp}{at} {name} {}", event.text))?;
            }
            None => match log_style(line) {
                Some(style) => console::line(format_args!("{stamp}{}", paint(style, line)))?,
                None => console::line(format_args!("{stamp}{line}"))?,
            },
        }
        for place in self.places.iter().flat_map(|places| places.of(line)) {
            console::line(format_args!("    {}", paint(WARN, place)))?;
        }
        Ok(event.is_some_and(|event| self.until.as_deref() == Some(event.name)))
    }
}

/// Levels of ESP-IDF's log and of the `log` crate, and panics.
fn log_style(line: &str) -> Option<anstyle::Style> {
    if line.starts_with("E (") || line.starts_with("ERROR ") || line.contains(" PANIC ") {
        Some(BAD)
    } else if line.starts_with("W (") || line.starts_with("WARN ") {
        Some(WARN)
    } else {
        None
    }
}
