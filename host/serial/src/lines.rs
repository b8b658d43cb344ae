//! Lines from a stream of bytes: a serial port, a TCP connection, the standard input.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::port::Board;

/// A longer line is cut: some chips send noise where they should send lines.
const LONGEST: usize = 4096;
/// How often, and how soon, a board that went away is looked for.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// The lines that a stream gives.
pub struct Lines {
    chunks: Receiver<io::Result<Vec<u8>>>,
    begun: Vec<u8>,
    ready: std::collections::VecDeque<String>,
}

/// How waiting for a line ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its end and without what would harm a terminal.
    Line(String),
    /// The time is up.
    TimeUp,
    /// The stream has ended.
    End,
}

impl Lines {
    /// Opens `-` for the standard input, `tcp:HOST:PORT`, or a serial port; lets the board start
    /// anew if `reset` says so.
    pub fn open(name: Option<&str>, reset: bool) -> Result<Self> {
        if name == Some("-") {
            return Ok(Self::new(io::stdin()));
        }
        if let Some(address) = name.and_then(|name| name.strip_prefix("tcp:")) {
            let stream = TcpStream::connect(address)
                .with_context(|| format!("tcp:{address}: nobody listens there"))?;
            return Ok(Self::new(stream));
        }
        let mut board = Board::open(name)?;
        if reset {
            let done;
            (board, done) = board.reset();
            if !done {
                let name = &board.name;
                anstream::eprintln!("{name} has no reset line: press RESET on the board");
            }
        }
        let board = board.at_console()?;
        anstream::eprintln!("listening at {}", board.name);
        Ok(Self::new(Faithful(board)))
    }

    /// Reads a stream on a thread of its own.
    pub fn new(stream: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = channel();
        thread::spawn(move || pump(stream, &sender));
        Self {
            chunks,
            begun: Vec::new(),
            ready: std::collections::VecDeque::new(),
        }
    }

    /// The next line, waiting for it until `end`, or for ever.
    ///
    /// # Errors
    ///
    /// The port failed.
    pub fn next(&mut self, end: Option<Instant>) -> Result<Next> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Next::Line(line));
            }
            let chunk = match end {
                None => self
                    .chunks
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    self.chunks.recv_timeout(left)
                }
            };
            match chunk {
                Ok(Ok(bytes)) => self.take(&bytes),
                Ok(Err(error)) => {
                    let remedy = "the board went away: was it unplugged, or does another program read from it?";
                    return Err(error).context(remedy);
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Next::TimeUp),
                Err(RecvTimeoutError::Disconnected) if !self.begun.is_empty() => self.finish(),
                Err(RecvTimeoutError::Disconnected) => return Ok(Next::End),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' || self.begun.len() >= LONGEST {
                self.finish();
            }
            if byte != b'\n' {
                self.begun.push(byte);
            }
        }
    }

    fn finish(&mut self) {
        let line = String::from_utf8_lossy(&self.begun);
        let line = anstream::adapter::strip_str(&line).to_string();
        let clean = line.chars().filter(|c| !c.is_control() || *c == '\t');
        self.ready.push_back(clean.collect());
        self.begun.clear();
    }
}

/// A board's port that is opened again when the board is: those with USB of their own leave the
/// bus while they restart.
struct Faithful(Board);

impl Read for Faithful {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let gone = match self.0.port.read(buffer) {
            Err(error) if !is_passing(&error) => error,
            read => return read,
        };
        for _ in 0..TRIES {
            thread::sleep(PAUSE);
            let again = Board::open(Some(&self.0.name)).and_then(Board::at_console);
            if let Ok(board) = again {
                self.0 = board;
                return Err(ErrorKind::Interrupted.into());
            }
        }
        Err(gone)
    }
}

/// Whether reading goes on after this.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut | ErrorKind::Interrupted | ErrorKind::WouldBlock
    )
}

fn pump(mut stream: impl Read, sender: &Sender<io::Result<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    loop {
        let told = match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => sender.send(Ok(buffer.get(..n).unwrap_or_default().to_vec())),
            // Nothing, for whoever may have gone: then the port is to be let go.
            Err(error) if is_passing(&error) => sender.send(Ok(Vec::new())),
            Err(error) => {
                // Whoever listened is gone as well, or reads it.
                let _ = sender.send(Err(error));
                return;
            }
        };
        if told.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &'static [u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes);
        let mut found = Vec::new();
        while let Next::Line(line) = lines.next(None).unwrap() {
            found.push(line);
        }
        found
    }

    #[test]
    fn lines_come_out_whole_and_harmless() {
        assert_eq!(all(b"one\r\ntwo\n\nthree"), ["one", "two", "", "three"]);
        assert_eq!(
            all(b"\x1b[0;32mI (24) boot\x1b[0m\n\x07\xff\n"),
            ["I (24) boot", "\u{fffd}"]
        );
        assert_eq!(all(b""), [""; 0]);
    }

    #[test]
    fn endless_lines_are_cut() {
        let noise: &'static [u8] = vec![b'x'; 3 * LONGEST].leak();
        let lines = all(noise);
        assert!(lines.len() >= 3 && lines.iter().all(|line| line.len() <= LONGEST));
    }

    #[test]
    fn silence_ends_with_the_time() {
        let (quiet, _open) = io::pipe().unwrap();
        let mut lines = Lines::new(quiet);
        assert_eq!(lines.next(Some(Instant::now())).unwrap(), Next::TimeUp);
    }
}
