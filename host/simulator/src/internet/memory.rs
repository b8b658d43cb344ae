//! The internet in memory: one computer with its ports.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How many bytes may be under way in each direction of a connection.
const UNDER_WAY: usize = 64 << 10;

/// The first port that is given to who asks for a free one: IANA's range (RFC 6335, section 6).
const FIRST_FREE: u16 = 49_152;

/// Who waits at which port.
#[derive(Default)]
pub(super) struct Memory(Mutex<Ports>);

#[derive(Default)]
struct Ports {
    /// How many free ports were given.
    given: u16,
    tcp: HashMap<u16, UnboundedSender<(DuplexStream, SocketAddr)>>,
    udp: HashMap<u16, UnboundedSender<(Vec<u8>, SocketAddr)>>,
}

/// What arrives at a port. Dropping it frees the port.
pub(super) struct Inbox<T> {
    port: u16,
    arrived: UnboundedReceiver<(T, SocketAddr)>,
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl<T> Inbox<T> {
    pub(super) fn address(&self) -> SocketAddr {
        at(self.port)
    }

    pub(super) async fn next(&mut self) -> (T, SocketAddr) {
        match self.arrived.recv().await {
            Some(next) => next,
            // The internet is gone, and nobody will come any more.
            None => std::future::pending().await,
        }
    }
}

impl Ports {
    /// The port that is asked for: a free one for port 0.
    fn wanted(&mut self, address: SocketAddr) -> u16 {
        match address.port() {
            0 => self.free(),
            port => port,
        }
    }

    fn free(&mut self) -> u16 {
        let port = FIRST_FREE + self.given % (u16::MAX - FIRST_FREE);
        self.given = self.given.wrapping_add(1);
        port
    }
}

/// Puts up an inbox at this port, where there is none that anybody still has.
fn put_up<T>(
    taken: &mut HashMap<u16, UnboundedSender<(T, SocketAddr)>>,
    port: u16,
) -> io::Result<Inbox<T>> {
    if taken.get(&port).is_some_and(|inbox| !inbox.is_closed()) {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    let (sender, arrived) = unbounded_channel();
    taken.insert(port, sender);
    Ok(Inbox { port, arrived })
}

impl Memory {
    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listen(&self, address: SocketAddr) -> io::Result<Inbox<DuplexStream>> {
        let mut ports = self.ports();
        let port = ports.wanted(address);
        put_up(&mut ports.tcp, port)
    }

    pub(super) fn connect(&self, to: SocketAddr) -> io::Result<DuplexStream> {
        if !to.ip().is_loopback() {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let mut ports = self.ports();
        let from = at(ports.free());
        let (here, there) = duplex(UNDER_WAY);
        let listener = ports.tcp.get(&to.port());
        match listener.and_then(|listener| listener.send((there, from)).ok()) {
            Some(()) => Ok(here),
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    pub(super) fn bind(self: &Arc<Self>, address: SocketAddr) -> io::Result<Socket> {
        let mut ports = self.ports();
        let port = ports.wanted(address);
        let inbox = put_up(&mut ports.udp, port)?;
        Ok(Socket {
            address: inbox.address(),
            inbox: tokio::sync::Mutex::new(inbox),
            internet: self.clone(),
        })
    }

    fn send(&self, bytes: &[u8], from: SocketAddr, to: SocketAddr) {
        let ports = self.ports();
        let there = ports.udp.get(&to.port()).filter(|_| to.ip().is_loopback());
        // As in any network, nobody is told if it does not arrive.
        let _ = there.map(|inbox| inbox.send((bytes.to_vec(), from)));
    }
}

/// A UDP socket.
pub(super) struct Socket {
    address: SocketAddr,
    inbox: tokio::sync::Mutex<Inbox<Vec<u8>>>,
    internet: Arc<Memory>,
}

impl Socket {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn send_to(&self, bytes: &[u8], to: SocketAddr) {
        self.internet.send(bytes, self.address(), to);
    }

    pub(super) async fn recv_from(&self, into: &mut [u8]) -> (usize, SocketAddr) {
        let (bytes, from) = self.inbox.lock().await.next().await;
        let length = bytes.len().min(into.len());
        into[..length].copy_from_slice(&bytes[..length]);
        (length, from)
    }
}

/// The addresses of a name: those of this computer.
pub(super) fn addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
    match (name, name.parse()) {
        ("localhost", _) => Ok(vec![at(0)]),
        (_, Ok(address)) => Ok(vec![SocketAddr::new(address, 0)]),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_port_is_taken_until_its_listener_is_gone() {
        let internet = Memory::default();
        let mut inbox = internet.listen(at(0)).expect("a free port");
        let address = inbox.address();
        let taken = internet.listen(address).map(drop).map_err(|e| e.kind());
        assert_eq!(taken, Err(io::ErrorKind::AddrInUse));

        let mut client = internet.connect(address).expect("somebody listens");
        let (mut server, _) = inbox.next().await;
        client.write_all(b"hello").await.expect("room");
        drop(client);
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.expect("an end");
        assert_eq!(heard, "hello");

        drop(inbox);
        let refused = internet.connect(address).map(drop).map_err(|e| e.kind());
        assert_eq!(refused, Err(io::ErrorKind::ConnectionRefused));
        internet.listen(address).expect("free again");
    }

    #[tokio::test]
    async fn datagrams_arrive_whole_or_cut_to_the_room_there_is() {
        let internet = Arc::new(Memory::default());
        let [one, two] = [0, 0].map(|port| internet.bind(at(port)).expect("a free port"));
        one.send_to(b"hello", two.address());
        one.send_to(b"nobody", at(1));
        let mut room = [0; 4];
        assert_eq!(two.recv_from(&mut room).await, (4, one.address()));
        assert_eq!(&room, b"hell");
    }

    #[test]
    fn only_this_computer_is_there() {
        let internet = Memory::default();
        let far = SocketAddr::from(([192, 0, 2, 1], 8883));
        let unreachable = internet.connect(far).map(drop).map_err(|e| e.kind());
        assert_eq!(unreachable, Err(io::ErrorKind::NetworkUnreachable));
        assert_eq!(addresses("localhost").expect("known"), [at(0)]);
        let unknown = addresses("tb.example.com").map_err(|e| e.kind());
        assert_eq!(unknown, Err(io::ErrorKind::NotFound));
    }
}
