//! A serial port at the end of a TCP connection: what comes from the one goes to the other.
//!
//! espflash speaks to serial ports only, so there is a pseudo-terminal between. It carries bytes; rates
//! and reset lines are not carried.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use espflash::connection::Port;
use serialport::{SerialPort, TTYPort};

/// How long the other end may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether the port was closed.
const TICK: Duration = Duration::from_millis(100);

/// Connects; the connection lives until the port is closed, or the other end goes.
pub(super) fn connect(address: &str) -> Result<Port> {
    let nobody = || format!("tcp:{address}: nobody listens there");
    let mut found = address.to_socket_addrs().with_context(nobody)?;
    let first = found.next().with_context(nobody)?;
    let stream = TcpStream::connect_timeout(&first, PATIENCE).with_context(nobody)?;
    // The protocol is questions and answers.
    stream.set_nodelay(true)?;
    let (mut far, near) = TTYPort::pair().context("the system has no pseudo-terminal left")?;
    far.set_timeout(TICK)?;
    let mut to_port = far.try_clone_native()?;
    let (mut from_peer, mut to_peer) = (stream.try_clone()?, stream);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n) = from_peer.read(&mut buffer) {
            let bytes = buffer.get(..n).unwrap_or_default();
            if n == 0 || send(&mut to_port, bytes).is_err() {
                break;
            }
        }
        // The other thread may wait for bytes that nobody would take.
        let _ = from_peer.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let sent = match far.read(&mut buffer) {
                Ok(n) => to_peer.write_all(buffer.get(..n).unwrap_or_default()),
                Err(error) if is_passing(&error) => to_peer.take_error().and_then(is_well),
                Err(error) => Err(error),
            };
            if sent.is_err() {
                break;
            }
        }
        let _ = to_peer.shutdown(Shutdown::Both);
    });
    Ok(near)
}

fn is_passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn is_well(error: Option<std::io::Error>) -> std::io::Result<()> {
    error.map_or(Ok(()), Err)
}

/// Writes all, though the port takes only what its buffer has room for.
fn send(port: &mut TTYPort, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match port.write(bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
