//! The host's sockets as the network of a device among many, with a stopwatch and a turnstile.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use sntpc::NtpUdpSocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::link::Link;

/// Measures from the packet that carries a sample to whatever its owner waits for.
#[derive(Clone, Default)]
pub(super) struct Stopwatch(Rc<Cell<Watch>>);

#[derive(Clone, Copy, Default)]
enum Watch {
    #[default]
    Idle,
    /// The next packet that is sent starts it.
    Ready,
    Running(Instant),
}

impl Stopwatch {
    /// The next packet to be sent starts it, unless it runs.
    pub(super) fn get_ready(&self) {
        if matches!(self.0.get(), Watch::Idle) {
            self.0.set(Watch::Ready);
        }
    }

    fn sent(&self) {
        if matches!(self.0.get(), Watch::Ready) {
            self.0.set(Watch::Running(Instant::now()));
        }
    }

    /// Stops it, and returns what it shows, if it ran.
    pub(super) fn stop(&self) -> Option<Duration> {
        match self.0.take() {
            Watch::Running(since) => Some(since.elapsed()),
            Watch::Idle | Watch::Ready => None,
        }
    }
}

/// How many devices of a process may be between their ClientHello and what answers it.
///
/// In between MbedTLS keeps the key of the key exchange in a slot of PSA's (`xxdh_psa_privkey` of
/// `mbedtls_ssl_handshake_params`), of which a process has 32 (`MBEDTLS_PSA_KEY_SLOT_COUNT`, MbedTLS
/// 3.6.5, as mbedtls-rs-sys builds it: its list `ALWAYS_OFF` has `PSA_KEY_STORE_DYNAMIC`). Some are
/// left for what a step of a handshake needs for itself.
const AT_ONCE: usize = 24;

/// How many may be between joining their network and that: each takes some seconds for what comes in
/// between (its clock), and few enough that none waits for its turn until its patience with the
/// broker's TCP is at its end.
const ON_THE_WAY: usize = 512;

/// Lets so many devices of a process on their way to the broker, and so many into the handshake. The
/// others wait, in order, before they join their network, where no patience of theirs runs out.
#[derive(Clone)]
pub(super) struct Turnstile {
    ways: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self {
            ways: Arc::new(Semaphore::new(ON_THE_WAY)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// A device's turn, from the turnstile until the handshake needs it no more.
#[derive(Clone, Default)]
pub(super) struct Turn(Rc<RefCell<Vec<OwnedSemaphorePermit>>>);

impl Turn {
    /// Waits until it may join.
    pub(super) async fn set_out(&self, turnstile: &Turnstile) {
        self.end();
        self.wait(&turnstile.ways).await;
    }

    /// Waits until it may connect.
    async fn take(&self, turnstile: &Turnstile) {
        self.wait(&turnstile.turns).await;
    }

    async fn wait(&self, semaphore: &Arc<Semaphore>) {
        // It is never closed.
        let permit = semaphore.clone().acquire_owned().await.ok();
        self.0.borrow_mut().extend(permit);
    }

    fn end(&self) {
        self.0.borrow_mut().clear();
    }
}

/// TCP and names by way of the host.
pub(super) struct Sockets {
    pub(super) link: Rc<Link>,
    pub(super) stopwatch: Stopwatch,
    pub(super) turnstile: Turnstile,
    pub(super) turn: Turn,
}

impl device::platform::Network for Sockets {
    type Stack = Self;
    type Udp<'a> = NoDatagrams;
    type Error = io::Error;

    fn stack(&self) -> &Self {
        self
    }

    async fn udp(&self) -> io::Result<NoDatagrams> {
        // For the time only, which the body has.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl TcpConnect for Sockets {
    type Error = io::Error;
    type Connection<'a> = Stream;

    async fn connect(&self, remote: SocketAddr) -> io::Result<Stream> {
        let turn = Held(self.turn.clone());
        self.turn.take(&self.turnstile).await;
        let stream = tokio::select! {
            stream = TcpStream::connect(remote) => stream?,
            () = self.link.is(false) => return Err(io::ErrorKind::NetworkDown.into()),
        };
        stream.set_nodelay(true)?;
        Ok(Stream {
            stream,
            link: self.link.clone(),
            stopwatch: self.stopwatch.clone(),
            turn,
            has_read: false,
        })
    }
}

impl Dns for Sockets {
    type Error = io::Error;

    async fn get_host_by_name(&self, host: &str, kind: AddrType) -> io::Result<IpAddr> {
        let wanted = |address: &SocketAddr| match kind {
            AddrType::IPv4 => address.is_ipv4(),
            AddrType::IPv6 => address.is_ipv6(),
            AddrType::Either => true,
        };
        let found = lookup_host((host, 0)).await?.find(wanted);
        found
            .map(|address| address.ip())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> io::Result<usize> {
        // The device never asks for the name of an address.
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Ends a turn with the connection that it was for.
struct Held(Turn);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A TCP connection.
pub(super) struct Stream {
    stream: TcpStream,
    link: Rc<Link>,
    stopwatch: Stopwatch,
    turn: Held,
    /// Whether the server has answered.
    has_read: bool,
}

impl ErrorType for Stream {
    type Error = io::Error;
}

impl Read for Stream {
    async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = tokio::select! {
            read = self.stream.read(bytes) => read?,
            () = self.link.is(false) => return Err(io::ErrorKind::NetworkDown.into()),
        };
        self.has_read = true;
        Ok(read)
    }
}

impl Write for Stream {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_read {
            // What answers a ServerHello: its key was needed before.
            self.turn.0.end();
        }
        let written = tokio::select! {
            written = self.stream.write(bytes) => written?,
            () = self.link.is(false) => return Err(io::ErrorKind::NetworkDown.into()),
        };
        self.stopwatch.sent();
        Ok(written)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }
}

/// A UDP socket that nobody can have.
pub(super) enum NoDatagrams {}

impl NtpUdpSocket for NoDatagrams {
    async fn send_to(&self, _: &[u8], _: SocketAddr) -> sntpc::Result<usize> {
        match *self {}
    }

    async fn recv_from(&self, _: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_are_let_in_than_there_are_turns() {
        let turnstile = Turnstile::default();
        let turns: Vec<_> = (0..AT_ONCE).map(|_| Turn::default()).collect();
        for turn in &turns {
            turn.set_out(&turnstile).await;
            turn.take(&turnstile).await;
        }
        let late = Turn::default();
        let waiting = late.take(&turnstile);
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, waiting).await.is_err());
        drop(Held(turns[3].clone()));
        let let_in = tokio::time::timeout(Duration::from_secs(60), late.take(&turnstile));
        assert!(let_in.await.is_ok());
    }

    #[test]
    fn the_stopwatch_runs_from_the_first_packet_after_the_sample() {
        let stopwatch = Stopwatch::default();
        stopwatch.sent();
        assert_eq!(stopwatch.stop(), None, "no sample was on its way");
        stopwatch.get_ready();
        assert_eq!(stopwatch.stop(), None, "nothing was sent");
        stopwatch.get_ready();
        stopwatch.sent();
        stopwatch.get_ready();
        stopwatch.sent();
        assert!(stopwatch.stop().is_some());
        assert_eq!(stopwatch.stop(), None);
    }
}
