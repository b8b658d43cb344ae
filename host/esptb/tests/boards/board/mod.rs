//! Boards that are made up, behind pseudo-terminals.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use jig::{Jig, Rom};
use serialport::{SerialPort, TTYPort};

/// The near end of a pseudo-terminal, kept open until it is dropped.
pub(crate) struct Pty {
    _near: TTYPort,
    name: String,
}

impl Pty {
    /// The name under which it is opened.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A board that runs.
pub(crate) struct Running {
    pty: Pty,
    off: Arc<AtomicBool>,
    thread: JoinHandle<Rom>,
}

impl Running {
    pub(crate) fn name(&self) -> &str {
        self.pty.name()
    }

    pub(crate) fn power_off(self) -> Rom {
        self.off.store(true, Ordering::Relaxed);
        self.thread.join().expect("the board did not fail")
    }
}

pub(crate) trait PowerOn {
    /// Behind a pseudo-terminal.
    fn power_on(self) -> Running;
}

impl PowerOn for Rom {
    fn power_on(mut self) -> Running {
        let (far, pty) = pair();
        let off = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&off);
        let thread = thread::spawn(move || {
            self.run(far, &ends);
            self
        });
        Running { pty, off, thread }
    }
}

/// A jig for the program that is tested.
pub(crate) fn on_jig(boards: Vec<Rom>) -> Jig {
    Jig::new(Path::new(env!("CARGO_BIN_EXE_esptb")), boards)
}

/// Both ends.
fn pair() -> (TTYPort, Pty) {
    let (far, near) = TTYPort::pair().expect("a pseudo-terminal");
    let name = near.name().expect("a name");
    let pty = Pty { _near: near, name };
    (far, pty)
}

/// A board that says this, as soon as somebody listens, and then nothing more.
pub(crate) fn console(text: &'static str) -> Pty {
    let (mut far, pty) = pair();
    far.write_all(text.as_bytes()).expect("there is room");
    // Whatever is sent to it has to be read, and the port must stay.
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while !matches!(far.read(&mut buffer), Ok(0)) {}
    });
    pty
}
