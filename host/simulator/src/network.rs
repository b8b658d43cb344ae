//! The host's sockets as the device's network: they work while the station is joined, and break
//! when it loses its network.

use std::io;
use std::net::{IpAddr, SocketAddr};

use device::platform::Network;
use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use sntpc::NtpUdpSocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};

use crate::wifi::Link;

/// TCP, UDP and names by way of the host.
pub struct Sockets {
    stack: Stack,
}

/// TCP and names.
pub struct Stack {
    link: Link,
}

impl Sockets {
    /// Sockets that live and die with `link`.
    #[must_use]
    pub fn new(link: Link) -> Self {
        Self {
            stack: Stack { link },
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
        let link = self.stack.link.clone();
        let socket = while_joined(&self.stack.link, UdpSocket::bind("0.0.0.0:0")).await?;
        Ok(Datagrams { socket, link })
    }
}

impl TcpConnect for Stack {
    type Error = io::Error;
    type Connection<'a> = Stream;

    async fn connect(&self, remote: SocketAddr) -> io::Result<Stream> {
        let stream = while_joined(&self.link, TcpStream::connect(remote)).await?;
        stream.set_nodelay(true)?;
        Ok(Stream {
            stream,
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
        let found = while_joined(&self.link, lookup_host((host, 0)))
            .await?
            .find(wanted);
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
pub struct Stream {
    stream: TcpStream,
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
    socket: UdpSocket,
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
