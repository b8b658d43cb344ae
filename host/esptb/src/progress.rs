//! A line that counts, on a terminal.

use std::io::{self, IsTerminal, Write};

use console::{GOOD, paint};

/// How far a long piece of work is.
pub(crate) struct Progress {
    all: usize,
    every: usize,
    shown: bool,
}

impl Progress {
    /// Of so many; shown each time that so many more are done.
    pub(crate) fn new(all: usize, every: usize) -> Self {
        let shown = io::stderr().is_terminal();
        Self { all, every, shown }
    }

    /// So many are done.
    pub(crate) fn show(&self, done: usize) {
        if self.shown && (done.is_multiple_of(self.every) || done == self.all) {
            let percent = 100 * done / self.all.max(1);
            let count = paint(GOOD, format!("{percent:3} %"));
            anstream::eprint!("\r{count} {done} of {}", self.all);
            // Only how far it is gets lost.
            let _ = io::stderr().flush();
        }
    }

    /// Nothing of it stays on the terminal.
    pub(crate) fn end(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
