//! How the operator sees what happens: a view that fills the terminal, or plain lines.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use protocomm::qr;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::happening::{Happening, Tone, Who};
use super::view::{Command, View};
use console::{BAD, FAINT, GOOD, paint};

/// One of the two.
pub struct Show {
    start: Instant,
    how: How,
    /// What the operator wants; silent with plain lines.
    commands: UnboundedReceiver<Command>,
}

enum How {
    View(View),
    Lines {
        /// Whether the QR code is printed, which holds the proof of possession.
        with_code: bool,
        /// Whether what happens every second is printed too.
        with_samples: bool,
    },
}

impl Show {
    /// The view, if there is a terminal to fill and plain lines are not asked for. With the view,
    /// the log of the libraries goes into the file `log`.
    ///
    /// # Errors
    ///
    /// If the terminal cannot be taken, or the log not be written.
    pub fn start(headless: bool, with_code: bool, log: &Path) -> Result<Self> {
        let (sender, commands) = mpsc::unbounded_channel();
        let start = Instant::now();
        let has_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
        let how = if headless || !has_terminal {
            How::Lines {
                with_code,
                with_samples: false,
            }
        } else {
            let file =
                File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
            console::log_into(Some(file));
            let view = View::start(start, sender)
                .context("the terminal cannot be taken (--headless prints plain lines instead)")?;
            How::View(view)
        };
        Ok(Self {
            start,
            how,
            commands,
        })
    }

    /// With every sample and acknowledgement among the plain lines, where a program reads them or
    /// somebody asked to be told more.
    pub fn telling_samples(mut self) -> Self {
        if let How::Lines { with_samples, .. } = &mut self.how {
            *with_samples =
                !io::stdout().is_terminal() || log::max_level() > log::LevelFilter::Warn;
        }
        self
    }

    /// Whether somebody watches the view and can press keys.
    pub fn is_watched(&self) -> bool {
        matches!(self.how, How::View(_))
    }

    /// Shows what happened now.
    ///
    /// # Errors
    ///
    /// If nobody reads the lines any more.
    pub fn tell(&mut self, happening: Happening) -> Result<()> {
        let at = self.start.elapsed();
        match &mut self.how {
            How::View(view) => view.tell(at, happening),
            How::Lines {
                with_code,
                with_samples,
            } => {
                let mut out = anstream::stdout().lock();
                let mut printed = write_lines(&mut out, at, &happening, *with_code);
                if let Happening::Device(_, event) = &happening
                    && happening.line().is_none()
                    && *with_samples
                {
                    let text = event.to_string();
                    printed =
                        write_line(&mut out, at, Who::Device, event.name(), Tone::Plain, &text);
                }
                console::printed(printed)?;
            }
        }
        Ok(())
    }

    /// Waits for the operator's next command: for ever, if there is no view. Cancel-safe.
    pub async fn command(&mut self) -> Command {
        match self.commands.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }

    /// Gives the terminal back.
    ///
    /// # Errors
    ///
    /// What went wrong with the view.
    pub fn end(self) -> Result<()> {
        if let How::View(view) = self.how {
            let ended = view.end();
            console::log_into(None);
            ended.context("the view broke down (--headless prints plain lines instead)")?;
        }
        Ok(())
    }
}

fn write_lines(
    out: &mut impl Write,
    at: Duration,
    happening: &Happening,
    with_code: bool,
) -> io::Result<()> {
    let mut line =
        |who: Who, name: &str, tone: Tone, text: &str| write_line(out, at, who, name, tone, text);
    if let Some(told) = happening.line() {
        return line(told.who, told.name, told.note.tone, &told.note.text);
    }
    match happening {
        Happening::Ready(place) if !place.page.is_empty() => {
            line(
                Who::Server,
                "",
                Tone::Plain,
                &format!("devices connect to {}", place.mqtt),
            )?;
            line(
                Who::Server,
                "",
                Tone::Plain,
                &format!("the page is at {}", place.page),
            )
        }
        Happening::Life { number, .. } => {
            let text = match number {
                1 => "the first life begins".to_owned(),
                2 => "the second life begins".to_owned(),
                n => format!("life {n} begins"),
            };
            line(Who::Demo, "", Tone::Plain, &text)
        }
        Happening::Stored(stored) => line(Who::Server, "", Tone::Plain, &stored.latest),
        Happening::Code(text) if with_code => {
            let mut printed = Ok(());
            qr::draw(text, qr::BORDER, &mut |row| {
                if printed.is_ok() {
                    printed = writeln!(out, "    {row}");
                }
            });
            printed?;
            writeln!(out, "    {text}")
        }
        _ => Ok(()),
    }
}

fn write_line(
    out: &mut impl Write,
    at: Duration,
    who: Who,
    name: &str,
    tone: Tone,
    text: &str,
) -> io::Result<()> {
    let at = format!("{:>9.3}", at.as_secs_f64());
    let (at, name) = (paint(FAINT, at), paint(FAINT, format!("{name:<24}")));
    match tone {
        Tone::Plain => writeln!(out, "{at}  {who:<7} {name} {text}"),
        Tone::Good => writeln!(out, "{at}  {who:<7} {name} {}", paint(GOOD, text)),
        Tone::Bad => writeln!(out, "{at}  {who:<7} {name} {}", paint(BAD, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::event::Event;

    fn printed(happening: &Happening, with_code: bool) -> String {
        let mut out = Vec::new();
        write_lines(&mut out, Duration::from_millis(4_213), happening, with_code).unwrap();
        let text = String::from_utf8(out).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_line_has_time_who_name_and_text() {
        let line = printed(&Happening::Device(4_000, Event::WifiLost), false);
        assert_eq!(
            line,
            "    4.213  device  wifi.lost                the network is lost\n"
        );
    }

    #[test]
    fn the_code_is_printed_only_where_it_is_asked_for() {
        let code = Happening::Code("{\"pop\":\"abcd1234\"}".into());
        assert_eq!(printed(&code, false), "");
        assert!(printed(&code, true).contains("abcd1234"));
    }
}
