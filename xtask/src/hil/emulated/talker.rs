//! A program that goes on in the background, and what it prints, line by line. It ends with its value.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{process, terminal};

/// How long a line may be waited for. Far more than anything takes: it ends tests of what hangs, on a
/// machine that has much else to do.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// The program.
pub(super) struct Talker {
    child: Child,
    name: String,
    lines: Receiver<String>,
    /// All that was taken so far.
    said: Vec<String>,
}

impl Talker {
    /// Starts it; what it prints goes into a file as well.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let shown = process::shown(command);
        terminal::remark(&shown);
        let name = shown.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let mut log = File::create(log).with_context(|| log.display().to_string())?;
        let mut child = command
            // Open, and silent: the emulator takes an end here for one of its console.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{shown}` could not be started"))?;
        let mut output = BufReader::new(child.stdout.take().context("it has no output")?);
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // A ROM speaks before the console is set, so that not all of it is text.
            while output.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
                let _ = log.write_all(&bytes);
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                bytes.clear();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            name,
            lines,
            said: Vec::new(),
        })
    }

    /// Whether it goes on.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Takes lines until one of which `find` makes something. What stops the wait otherwise is an
    /// error of `find`'s, the program's end, or that nothing comes.
    pub(super) fn until<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&str) -> Result<Option<T>>,
    ) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{}: {what} did not come{}", self.name, self.last())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended before {what}{}", self.name, self.last())
                }
            };
            self.said.push(line.clone());
            if let Some(found) = find(&line)? {
                return Ok(found);
            }
        }
    }

    /// Waits for a line that has `mark`, and returns what is behind that.
    pub(super) fn behind(&mut self, mark: &str) -> Result<String> {
        self.until(mark, |line| {
            Ok(line
                .split_once(mark)
                .map(|(_, rest)| rest.trim().to_owned()))
        })
    }

    /// What was taken so far.
    pub(super) fn said(&self) -> &[String] {
        &self.said
    }

    /// The same, with what has come and was not waited for.
    pub(super) fn all(&mut self) -> &[String] {
        self.said.extend(self.lines.try_iter());
        &self.said
    }

    fn last(&self) -> String {
        let last = self
            .said
            .last()
            .map(|line| format!("; its last line: {line}"));
        last.unwrap_or_default()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cargo(arguments: &[&str]) -> Talker {
        let log = std::env::temp_dir().join(format!("xtask-talker-{}", std::process::id()));
        Talker::start(process::cargo().args(arguments), &log).unwrap()
    }

    #[test]
    fn a_line_is_found_by_its_mark_and_an_end_is_an_error() {
        let mut talker = cargo(&["--version"]);
        assert!(
            talker
                .behind("cargo ")
                .unwrap()
                .starts_with(char::is_numeric)
        );
        let error = talker.behind("more").unwrap_err().to_string();
        assert!(
            error.contains("ended before more; its last line: cargo "),
            "{error}"
        );
        assert_eq!(talker.said().len(), 1);
    }
}
