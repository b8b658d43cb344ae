//! A jig that emulated boards are put on, one after the other, behind a TCP port.
//!
//! A board is a boot ROM until it is asked to start; then it is the simulator, which boots from the
//! flash that was written, and whose console goes the same way.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::rom::Rom;

const TICK: Duration = Duration::from_millis(20);

pub(crate) struct Jig {
    port: String,
    off: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Rom>>,
}

/// A blank board with this end of its address.
pub(crate) fn blank(tail: u8) -> Rom {
    Rom::blank().with_mac(mac(tail))
}

fn mac(tail: u8) -> [u8; 6] {
    [0x24, 0x0A, 0xC4, 0, 0, tail]
}

impl Jig {
    /// With these boards to be put on, each by the end of its address.
    pub(crate) fn new(boards: Vec<(u8, Rom)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = format!("tcp:{}", listener.local_addr().expect("an address"));
        listener.set_nonblocking(true).expect("does not wait");
        let off = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&off);
        let thread = thread::spawn(move || {
            let mut done = Vec::new();
            for (tail, mut board) in boards {
                while on_jig(&listener, &mut board, tail, &ends) {}
                done.push(board);
            }
            done
        });
        Self { port, off, thread }
    }

    pub(crate) fn port(&self) -> &str {
        &self.port
    }

    /// The boards, as they were left.
    pub(crate) fn boards(self) -> Vec<Rom> {
        self.off.store(true, Ordering::Relaxed);
        self.thread.join().expect("the jig did not fail")
    }
}

/// One connection to a board. Whether the board stays: one that started, or cannot keep what is
/// written, is taken off.
fn on_jig(listener: &TcpListener, board: &mut Rom, tail: u8, off: &AtomicBool) -> bool {
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(TICK),
            Err(error) => panic!("the jig: {error}"),
        }
        if off.load(Ordering::Relaxed) {
            return false;
        }
    };
    stream.set_nonblocking(false).expect("waits");
    stream.set_read_timeout(Some(TICK)).expect("not for ever");
    board.run(&mut stream, off);
    if board.starts {
        start(board, tail, &mut stream);
        return false;
    }
    board.worn.is_none() && !off.load(Ordering::Relaxed)
}

/// Boots from the board's flash, and lets its console be heard until nobody listens.
fn start(board: &mut Rom, tail: u8, stream: &mut TcpStream) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("flash.bin");
    fs::write(&file, &board.flash).expect("writes");
    let mac = mac(tail).map(|byte| format!("{byte:02X}")).join(":");
    let mut device = Command::new(env!("CARGO_BIN_EXE_esptb"))
        .args([
            "simulate",
            "--headless",
            "--for",
            "60s",
            "--mac",
            &mac,
            "--flash",
        ])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut console = device.stdout.take().expect("a console");
    let mut listener = stream.try_clone().expect("two ends");
    let speaks = thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(n @ 1..) = console.read(&mut buffer) {
            if listener.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
    });
    let mut buffer = [0; 64];
    while !matches!(stream.read(&mut buffer), Ok(0))
        && device.try_wait().expect("is known").is_none()
    {}
    let _ = device.kill();
    let _ = device.wait();
    speaks.join().expect("speaks");
    board.flash = fs::read(&file).expect("reads");
}
