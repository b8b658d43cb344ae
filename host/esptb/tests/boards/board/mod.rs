//! Boards that are made up, behind pseudo-terminals.

pub(crate) mod jig;
pub(crate) mod rom;

use std::io::{Read, Write};
use std::thread;

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

/// Both ends.
pub(crate) fn pair() -> (TTYPort, Pty) {
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
