//! The internet's sockets as the device's network: they work while the station is joined, and break
//! when it loses its network; names and sockets can be made not to work.
//!
//! What happens to the bytes of a connection is for a relay between the device and its server.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use device::platform::Network;
use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use sntpc::NtpUdpSocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::internet::{self, Internet};
use crate::wifi::Link;

/// How the network behind the access point answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answers {
    /// As it should.
    #[default]
    Well,
    /// It refuses: no name has an address, no socket is to be had.
    No,
    /// It does not: the DNS server is silent, connections vanish in a black hole.
    Never,
}

impl Answers {
    async fn then<T>(self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        match self {
            Self::Well => work.await,
            Self::No => Err(io::ErrorKind::ConnectionRefused.into()),
            Self::Never => pending().await,
        }
    }
}

/// The network of one device, as a test wants it. Clones are the same network.
#[derive(Clone, Default)]
pub struct Conditions(Rc<Services>);

#[derive(Default)]
struct Services {
    names: Cell<Answers>,
    tcp: Cell<Answers>,
    udp: Cell<Answers>,
}

impl Conditions {
    /// How names are looked up from now on.
    pub fn names(&self, answers: Answers) {
        self.0.names.set(answers);
    }

    /// How TCP connections are opened from now on; those that stand go on.
    pub fn tcp(&self, answers: Answers) {
        self.0.tcp.set(answers);
    }

    /// How UDP sockets are opened from now on.
    pub fn udp(&self, answers: Answers) {
        self.0.udp.set(answers);
    }
}

/// TCP, UDP and names.
pub struct Sockets {
    stack: Stack,
}

/// TCP and names.
pub struct Stack {
    link: Link,
    conditions: Conditions,
    internet: Internet,
}

impl Sockets {
    /// Sockets of the host that live and die with `link`.
    #[must_use]
    pub fn new(link: Link) -> Self {
        Self::with_conditions(link, Conditions::default(), Internet::of_host())
    }

    /// The same in a network of these conditions, by way of this internet.
    #[must_use]
    pub fn with_conditions(link: Link, conditions: Conditions, internet: Internet) -> Self {
        Self {
            stack: Stack {
                link,
                conditions,
                internet,
            },
        }
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the station is not joined")
}

/// Does `work` as long as the station stays joined.
async fn while_joined<T>(link: &Link, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut link = link.clone();
    tokio::select! {
        _ = link.wait_for(|joined| !joined) => Err(cut_off()),
        done = work => done,
    }
}

impl Network for Sockets {
    type Stack = Stack;
    type Udp<'a> = Datagrams;
    type Error = io::Error;

    fn stack(&self) -> &Stack {
        &self.stack
    }

    async fn udp(&self) -> io::Result<Datagrams> {
        let Stack {
            link,
            conditions,
            internet,
        } = &self.stack;
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let opening = conditions.0.udp.get().then(internet.bind(any));
        let (socket, link) = (while_joined(link, opening).await?, link.clone());
        Ok(Datagrams { socket, link })
    }
}

impl TcpConnect for Stack {
    type Error = io::Error;
    type Connection<'a> = Stream;

    async fn connect(&self, remote: SocketAddr) -> io::Result<Stream> {
        let opening = self.conditions.0.tcp.get();
        let opening = opening.then(self.internet.connect(remote));
        Ok(Stream {
            stream: while_joined(&self.link, opening).await?,
            link: self.link.clone(),
        })
    }
}

impl Dns for Stack {
    type Error = io::Error;

    async fn get_host_by_name(&self, host: &str, kind: AddrType) -> io::Result<IpAddr> {
        let wanted = |address: &SocketAddr| match kind {
            AddrType::IPv4 => address.is_ipv4(),
            AddrType::IPv6 => address.is_ipv6(),
            AddrType::Either => true,
        };
        let lookup = self.conditions.0.names.get();
        let lookup = lookup.then(self.internet.addresses(host));
        let found = while_joined(&self.link, lookup).await?;
        found
            .iter()
            .find(|address| wanted(address))
            .map(SocketAddr::ip)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> io::Result<usize> {
        // The device never asks for the name of an address.
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A TCP connection.
pub struct Stream {
    stream: internet::Stream,
    link: Link,
}

impl ErrorType for Stream {
    type Error = io::Error;
}

impl Read for Stream {
    async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while_joined(&self.link, self.stream.read(bytes)).await
    }
}

impl Write for Stream {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while_joined(&self.link, self.stream.write(bytes)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }
}

/// A UDP socket.
pub struct Datagrams {
    socket: internet::Datagrams,
    link: Link,
}

impl NtpUdpSocket for Datagrams {
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> sntpc::Result<usize> {
        while_joined(&self.link, self.socket.send_to(bytes, to))
            .await
            .map_err(|_| sntpc::Error::Network)
    }

    async fn recv_from(&self, bytes: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        while_joined(&self.link, self.socket.recv_from(bytes))
            .await
            .map_err(|_| sntpc::Error::Network)
    }
}
