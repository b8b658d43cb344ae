#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod efuse;
mod rom;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use efuse::Efuses;
pub use rom::Rom;

const TICK: Duration = Duration::from_millis(20);

/// A jig, with its boards.
pub struct Jig {
    port: String,
    off: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Rom>>,
}

/// A blank board with this end of its address.
pub fn blank(tail: u8) -> Rom {
    Rom::blank().with_mac([0x24, 0x0A, 0xC4, 0, 0, tail])
}

impl Jig {
    /// With these boards to be put on. What they are once they start is this `esptb`.
    ///
    /// # Panics
    ///
    /// If there is no port.
    pub fn new(esptb: &Path, boards: Vec<Rom>) -> Self {
        Self::telling(esptb, boards, |_| ())
    }

    /// As [`new`](Self::new); and each board is told of once it was taken off.
    ///
    /// # Panics
    ///
    /// If there is no port.
    pub fn telling(
        esptb: &Path,
        boards: Vec<Rom>,
        mut tell: impl FnMut(&Rom) + Send + 'static,
    ) -> Self {
        let esptb: PathBuf = esptb.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = format!("tcp:{}", listener.local_addr().expect("an address"));
        listener.set_nonblocking(true).expect("does not wait");
        let off = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&off);
        let thread = thread::spawn(move || {
            let mut done = Vec::new();
            for mut board in boards {
                while on_jig(&listener, &mut board, &esptb, &ends) {}
                tell(&board);
                done.push(board);
            }
            done
        });
        Self { port, off, thread }
    }

    /// Where it is, as `--port` takes it.
    pub fn port(&self) -> &str {
        &self.port
    }

    /// Switches it off. The boards, as they were left.
    ///
    /// # Panics
    ///
    /// If the jig failed.
    pub fn boards(self) -> Vec<Rom> {
        self.off.store(true, Ordering::Relaxed);
        self.wait()
    }

    /// Goes on until all boards were taken off.
    ///
    /// # Panics
    ///
    /// If the jig failed.
    pub fn wait(self) -> Vec<Rom> {
        self.thread.join().expect("the jig did not fail")
    }
}

/// One connection to a board. Whether the board stays: one that started, or cannot keep what is
/// written, is taken off.
fn on_jig(listener: &TcpListener, board: &mut Rom, esptb: &Path, off: &AtomicBool) -> bool {
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
        start(board, esptb, &mut stream);
        return false;
    }
    board.worn.is_none() && !off.load(Ordering::Relaxed)
}

/// Boots from the board's flash, and lets its console be heard until nobody listens.
fn start(board: &mut Rom, esptb: &Path, stream: &mut TcpStream) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("flash.bin");
    fs::write(&file, &board.flash).expect("writes");
    let mac = board.mac().map(|byte| format!("{byte:02X}")).join(":");
    let mut command = Command::new(esptb);
    command
        .args([
            "simulate",
            "--headless",
            "--for",
            "60s",
            "--mac",
            &mac,
            "--flash",
        ])
        .arg(&file);
    // What its HMAC computes with, as somebody burned it; the last one, for a simulated chip has but one.
    if let Some((block, key)) = board.efuses.hmac_keys().pop() {
        let file = folder.path().join(format!("hmac{block}.bin"));
        fs::write(&file, key).expect("writes");
        let file = file.display();
        command.args(["--efuse-key", &format!("{block}:{file}")]);
    }
    let mut device = command
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
