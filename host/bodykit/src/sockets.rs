//! A tap on a network: who has one sees when connections are opened, read and written, and may have them wait. A gate
//! is one.
//!
//! What a network is, whether the host's sockets or others, is not this module's business.

use std::cell::Cell;
use std::future::{poll_fn, ready};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use device::platform::Network;
use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};

/// Stands between a device and its connections. Each connection has a clone of its own, from before it is
/// opened until it is closed.
///
/// It is asked and told, rather than handed what it is to do: a future that is handed on is there twice, and a
/// device's future has these in it.
pub trait Tap: Clone {
    /// Returns once a connection may be opened.
    fn connecting(&mut self) -> impl Future<Output = ()> {
        ready(())
    }

    /// Whether it may be read now. Who says no, sees to it that the device is polled again.
    fn may_read(&self) -> bool {
        true
    }

    /// It was read.
    fn has_read(&mut self) {}

    /// It is about to be written.
    fn writes(&mut self) {}

    /// It was written.
    fn has_written(&mut self) {}
}

/// A network with a tap on its connections.
pub struct Tapped<N, T> {
    /// The network.
    pub network: N,
    /// The tap.
    pub tap: T,
}

impl<N: Network, T: Tap> Network for Tapped<N, T> {
    type Stack = Self;
    type Udp<'a>
        = N::Udp<'a>
    where
        Self: 'a;
    type Error = N::Error;

    fn stack(&self) -> &Self {
        self
    }

    async fn udp(&self) -> Result<N::Udp<'_>, N::Error> {
        self.network.udp().await
    }
}

impl<N: Network, T: Tap> TcpConnect for Tapped<N, T> {
    type Error = <N::Stack as TcpConnect>::Error;
    type Connection<'a>
        = Stream<<N::Stack as TcpConnect>::Connection<'a>, T>
    where
        Self: 'a;

    async fn connect(&self, remote: SocketAddr) -> Result<Self::Connection<'_>, Self::Error> {
        let mut tap = self.tap.clone();
        tap.connecting().await;
        let stream = self.network.stack().connect(remote).await?;
        Ok(Stream { stream, tap })
    }
}

impl<N: Network, T> Dns for Tapped<N, T> {
    type Error = <N::Stack as Dns>::Error;

    async fn get_host_by_name(&self, host: &str, kind: AddrType) -> Result<IpAddr, Self::Error> {
        self.network.stack().get_host_by_name(host, kind).await
    }

    async fn get_host_by_address(
        &self,
        address: IpAddr,
        name: &mut [u8],
    ) -> Result<usize, Self::Error> {
        let stack = self.network.stack();
        stack.get_host_by_address(address, name).await
    }
}

/// A connection with a tap on it.
pub struct Stream<S, T> {
    stream: S,
    tap: T,
}

impl<S: ErrorType, T> ErrorType for Stream<S, T> {
    type Error = S::Error;
}

impl<S: Read, T: Tap> Read for Stream<S, T> {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, S::Error> {
        let mut read = pin!(self.stream.read(bytes));
        let read = poll_fn(|context| match self.tap.may_read() {
            true => read.as_mut().poll(context),
            false => Poll::Pending,
        })
        .await?;
        self.tap.has_read();
        Ok(read)
    }
}

impl<S: Write, T: Tap> Write for Stream<S, T> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, S::Error> {
        self.tap.writes();
        let written = self.stream.write(bytes).await?;
        self.tap.has_written();
        Ok(written)
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.stream.flush().await
    }
}

/// Whether what came in may be read. Clones are the same gate.
///
/// Opening it wakes nobody: it is for who polls the device himself.
#[derive(Clone)]
pub struct Gate(Rc<Cell<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Rc::new(Cell::new(true)))
    }
}

impl Gate {
    /// Opens or shuts it.
    pub fn set(&self, open: bool) {
        self.0.set(open);
    }
}

impl Tap for Gate {
    fn may_read(&self) -> bool {
        self.0.get()
    }
}
