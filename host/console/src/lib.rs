//! What programs for an operator share: his terminal, his files, exit codes, and the process itself.
//!
//! Here is the terminal: colours, plain lines, errors, the log of the libraries. Results go to the standard output, everything about how they come about to standard error.
//! Colours appear on a terminal only.
//!
//! The boundary: what is said, and to which command it belongs, is for those who say it.

#![warn(missing_docs)]

mod exit;
pub mod files;
mod process;
mod watchdog;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
pub use exit::Exit;
pub use flashimage::printable;
pub use process::{interrupted, now_ms, on_one_thread};
pub use watchdog::Watchdog;

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What somebody should look at.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// What is only said in passing.
pub const FAINT: Style = Style::new().dimmed();
/// What stands out.
pub const STRONG: Style = Style::new().bold();

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)] // they would be shown by --help, where these explain themselves
pub enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

/// Holds from now on, for both standard streams.
pub fn set_colors(when: ColorWhen) {
    match when {
        ColorWhen::Auto => anstream::ColorChoice::Auto,
        ColorWhen::Always => anstream::ColorChoice::Always,
        ColorWhen::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// `text` in a style. Print it with anstream's macros, which leave the style out where it would
/// be seen as rubbish.
pub fn paint(style: Style, text: impl fmt::Display) -> impl fmt::Display {
    Painted { style, text }
}

/// Tells what somebody should look at in a folder.
pub fn warn(folder: &Path, warning: &str) {
    let folder = folder.display();
    anstream::eprintln!("{} {folder}: {warning}", paint(WARN, "warning:"));
}

struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}{}",
            self.style,
            self.text,
            self.style.render_reset()
        )
    }
}

/// Tells why it did not work, with all causes in one line.
pub fn error(error: &anyhow::Error) {
    anstream::eprintln!("{} {}", paint(BAD, "error:"), one_line(error));
}

/// The error and its causes, but for those that an error above has told already.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    printable_lines(&line)
}

/// Text in which ends of lines are ours, and all else may be a stranger's.
fn printable_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// Where the log goes instead of standard error, while a view has the terminal.
static LOG_FILE: Mutex<Option<File>> = Mutex::new(None);

/// The log's way out.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match LOG_FILE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            Some(file) => file.write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Starts the log: warnings of the libraries, and more for each `-v`.
pub fn start_log(verbose: u8) {
    let level = match verbose {
        0 => log::LevelFilter::Warn,
        1 => log::LevelFilter::Info,
        2 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    let quiet = if verbose == 0 {
        log::LevelFilter::Error
    } else {
        level
    };
    env_logger::Builder::new()
        .filter_level(level)
        // A device that loses its power does not close its connection either.
        .filter_module("mbedtls_rs::session", level.min(quiet))
        // What it warns of was asked for.
        .filter_module("espflash", level.min(quiet))
        .target(env_logger::Target::Pipe(Box::new(LogWriter)))
        .format(|f, record| {
            let level = record.level().as_str().to_lowercase();
            let text = printable_lines(&record.args().to_string());
            writeln!(f, "{level} {}: {text}", record.target())
        })
        .init();
}

/// Sends the log into a file from now on, or back to standard error.
pub fn log_into(file: Option<File>) {
    *LOG_FILE.lock().unwrap_or_else(PoisonError::into_inner) = file;
}

/// Prints a line on the standard output, for commands whose output goes on and on.
///
/// # Errors
///
/// [`OutputClosed`] where nobody reads any more, as behind `| head`.
pub fn line(text: impl fmt::Display) -> anyhow::Result<()> {
    printed(writeln!(anstream::stdout(), "{text}"))
}

/// What became of printing.
///
/// # Errors
///
/// As [`line()`].
pub fn printed(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        Err(error) => Err(anyhow::Error::new(error).context("cannot print")),
    }
}

/// Nobody reads the standard output any more: a reason to end, and nobody to tell it.
#[derive(Debug)]
pub struct OutputClosed;

impl fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for OutputClosed {}

/// Tells of a file or folder that was made, and what it is.
pub fn made(path: &Path, what: &str) {
    // It is there all the same if nobody reads of it.
    let _ = line(format_args!("{}  {}", path.display(), paint(FAINT, what)));
}

/// Whether the operating system refused it to this user.
pub fn is_denied(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
}

/// `1 image`, `2 images`.
pub fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_is_told_twice() {
        let error = anyhow::anyhow!("no such file")
            .context("a.crt: no such file")
            .context("no CA here");
        assert_eq!(one_line(&error), "no CA here: a.crt: no such file");
        let denied = anyhow::Error::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(is_denied(&denied.context("ca/root.key")) && !is_denied(&error));
        let error = anyhow::anyhow!("CN \u{1b}]0;x\u{7}").context("refused");
        assert_eq!(one_line(&error), "refused: CN \\u{1b}]0;x\\u{7}");
    }
}
