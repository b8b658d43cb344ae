//! How far writing is: a bar on a terminal, a line for each piece elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use espflash::target::ProgressCallbacks;

use console::{FAINT, GOOD, paint};

const WIDTH: usize = 30;

pub(super) struct Progress<'a> {
    /// Name, offset and length of each piece.
    names: Vec<(&'a str, u32, usize)>,
    now: usize,
    blocks: usize,
    start: Instant,
    live: bool,
    /// Others tell of other boards on the same terminal.
    quiet: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(names: Vec<(&'a str, u32, usize)>, quiet: bool) -> Self {
        Self {
            names,
            now: 0,
            blocks: 1,
            start: Instant::now(),
            live: !quiet && io::stderr().is_terminal(),
            quiet,
        }
    }

    fn name(&self) -> String {
        let (name, offset, _) = self.names.get(self.now).copied().unwrap_or_default();
        format!("{name:<16} {offset:#9x}")
    }

    fn line(&self, text: &str) {
        if self.live {
            anstream::eprint!("\r\x1b[K{} {text}", self.name());
            // Only how far it is gets lost.
            let _ = io::stderr().flush();
        }
    }
}

impl ProgressCallbacks for Progress<'_> {
    fn init(&mut self, _offset: u32, blocks: usize) {
        self.blocks = blocks.max(1);
        self.start = Instant::now();
        self.line("erasing");
    }

    fn update(&mut self, block: usize) {
        let full = WIDTH * block / self.blocks;
        let bar = paint(GOOD, "#".repeat(full));
        let rest = " ".repeat(WIDTH.saturating_sub(full));
        let percent = 100 * block / self.blocks;
        self.line(&format!("[{bar}{rest}] {percent:3} %"));
    }

    fn verifying(&mut self) {
        self.line("verifying");
    }

    fn finish(&mut self, skipped: bool) {
        let (_, _, length) = self.names.get(self.now).copied().unwrap_or_default();
        let seconds = self.start.elapsed().as_secs_f64();
        // `cargo xtask hil` reads these lines.
        let verdict = if skipped {
            "is there already".to_owned()
        } else {
            format!("{length} bytes in {seconds:.1} s, verified")
        };
        if self.live {
            eprint!("\r\x1b[K");
        }
        if !self.quiet {
            anstream::eprintln!("{} {}", self.name(), paint(FAINT, verdict));
        }
        self.now += 1;
    }
}
