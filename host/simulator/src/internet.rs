//! The internet of the desk: the computer's own sockets, or some in memory, for tests on virtual time, who have no
//! sockets of the operating system to wait for.
//!
//! In memory there is one computer, whose address is 127.0.0.1 and whose name is `localhost`; its ports are all there
//! is. Streams keep 64 KiB each way, datagrams are not lost.

mod memory;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::either::Either;

use memory::{Inbox, Memory};

/// One or the other. Clones are the same internet.
#[derive(Clone, Default)]
pub struct Internet(Option<Arc<Memory>>);

impl Internet {
    /// The one that this computer is in.
    #[must_use]
    pub fn of_host() -> Self {
        Self(None)
    }

    /// One in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self(Some(Arc::default()))
    }

    /// Listens for TCP; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If the port is taken; of the operating system.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        Ok(match &self.0 {
            None => Listener(Listening::Host(TcpListener::bind(address).await?)),
            Some(memory) => Listener(Listening::Memory(memory.listen(address)?)),
        })
    }

    /// Opens a TCP connection.
    ///
    /// # Errors
    ///
    /// If nobody listens there; of the operating system.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        match &self.0 {
            None => TcpStream::connect(to).await.and_then(of_host),
            Some(memory) => memory.connect(to).map(Stream::Right),
        }
    }

    /// Opens a UDP socket; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If the port is taken; of the operating system.
    pub async fn bind(&self, address: SocketAddr) -> io::Result<Datagrams> {
        Ok(match &self.0 {
            None => Datagrams(Bound::Host(UdpSocket::bind(address).await?)),
            Some(memory) => Datagrams(Bound::Memory(memory.bind(address)?)),
        })
    }

    /// The addresses of a name.
    ///
    /// # Errors
    ///
    /// If it has none; of the operating system.
    pub async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        match &self.0 {
            None => Ok(tokio::net::lookup_host((name, 0)).await?.collect()),
            Some(_) => memory::addresses(name),
        }
    }
}

/// Where TCP connections arrive.
pub struct Listener(Listening);

enum Listening {
    Host(TcpListener),
    Memory(Inbox<DuplexStream>),
}

impl Listener {
    /// The next connection, and where it is from.
    ///
    /// # Errors
    ///
    /// Of the operating system.
    pub async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        match &mut self.0 {
            Listening::Host(listener) => {
                let (stream, from) = listener.accept().await?;
                Ok((of_host(stream)?, from))
            }
            Listening::Memory(inbox) => {
                let (stream, from) = inbox.next().await;
                Ok((Stream::Right(stream), from))
            }
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Listening::Host(listener) => listener.local_addr(),
            Listening::Memory(inbox) => Ok(inbox.address()),
        }
    }
}

/// A TCP connection, which gathers nothing before it sends: of the computer, or in memory.
pub type Stream = Either<TcpStream, DuplexStream>;

fn of_host(stream: TcpStream) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    Ok(Stream::Left(stream))
}

/// A UDP socket.
pub struct Datagrams(Bound);

enum Bound {
    Host(UdpSocket),
    Memory(memory::Socket),
}

impl Datagrams {
    /// Where it is.
    ///
    /// # Errors
    ///
    /// Of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Bound::Host(socket) => socket.local_addr(),
            Bound::Memory(socket) => Ok(socket.address()),
        }
    }

    /// Sends one datagram; in memory, to nobody if nobody is there.
    ///
    /// # Errors
    ///
    /// Of the operating system.
    pub async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        match &self.0 {
            Bound::Host(socket) => socket.send_to(bytes, to).await,
            Bound::Memory(socket) => {
                socket.send_to(bytes, to);
                Ok(bytes.len())
            }
        }
    }

    /// The next datagram, as much of it as there is room for, and where it is from.
    ///
    /// # Errors
    ///
    /// Of the operating system.
    pub async fn recv_from(&self, into: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Bound::Host(socket) => socket.recv_from(into).await,
            Bound::Memory(socket) => Ok(socket.recv_from(into).await),
        }
    }
}
