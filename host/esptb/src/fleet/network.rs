//! The host's sockets as the network of a device among many, with a stopwatch.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use sntpc::NtpUdpSocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

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

/// TCP and names by way of the host.
pub(super) struct Sockets {
    pub(super) stopwatch: Stopwatch,
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
        let stream = TcpStream::connect(remote).await?;
        stream.set_nodelay(true)?;
        let stopwatch = self.stopwatch.clone();
        Ok(Stream { stream, stopwatch })
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

/// A TCP connection.
pub(super) struct Stream {
    stream: TcpStream,
    stopwatch: Stopwatch,
}

impl ErrorType for Stream {
    type Error = io::Error;
}

impl Read for Stream {
    async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes).await
    }
}

impl Write for Stream {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes).await?;
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
