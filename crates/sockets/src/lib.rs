//! The device's sockets over embassy-net: TCP and DNS for the broker, UDP for the time server.
//!
//! Every body without an operating system has them, with the same buffers, whatever the network
//! interface is. They are static, for there is one device in such a body; that is 6 KiB of
//! RAM, nearly all of it for the one connection.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

use core::{
    cell::{RefCell, RefMut},
    fmt::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use device::platform::Network;
use embassy_futures::select::select;
use embassy_net::{
    DhcpConfig, Runner, Stack, StackResources,
    dns::DnsSocket,
    driver::{Driver, HardwareAddress},
    tcp::{
        self,
        client::{TcpClient, TcpClientState, TcpConnection},
    },
    udp::{PacketMetadata, UdpSocket},
};
use embassy_time::{Duration, with_timeout};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use static_cell::StaticCell;

/// DHCP, DNS, SNTP, and the broker.
const SOCKETS: usize = 4;
/// One connection: a new one is only made when the old one has failed.
const CONNECTIONS: usize = 1;
/// A client with a certificate chain sends up to 6 KB in a flight; more than a few segments in the
/// air gain nothing for telemetry.
const TRANSMIT: usize = 2 * 1460;
/// Two segments: the server's chain comes in as fast as TLS takes it.
const RECEIVE: usize = 2 * 1460;
/// How long data may stay unacknowledged before the connection counts as dead.
const TCP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long DHCP may take.
const DHCP: Duration = Duration::from_secs(15);
/// How often DHCP asks for a server: four times at most, for some access points drop or hold back
/// packets until they have learnt the new station. smoltcp's default of 10 s would leave one more
/// try. Not less: an offer counts only until it asks again, and dnsmasq makes its first after 3 s,
/// in which nobody else has answered at that address.
const DISCOVER: core::time::Duration = core::time::Duration::from_secs(4);
/// An NTP packet is 48 bytes.
const UDP_BUFFER: usize = 128;

type Client = TcpClient<'static, CONNECTIONS, TRANSMIT, RECEIVE>;

/// Sets up the network stack on an interface; it asks for an address whenever the link is up. The
/// body has to run the runner.
///
/// # Panics
///
/// When called twice: its sockets are static.
#[must_use]
pub fn stack<D: Driver>(interface: D, seed: u64) -> (Stack<'static>, Runner<'static, D>) {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let mut dhcp = DhcpConfig::default();
    dhcp.hostname = Some(host_name(interface.hardware_address()));
    dhcp.retry_config.discover_timeout = DISCOVER.into();
    embassy_net::new(
        interface,
        embassy_net::Config::dhcpv4(dhcp),
        RESOURCES.init(StackResources::new()),
        seed,
    )
}

/// What the device calls itself towards DHCP, so that whoever looks at a router's list finds it: with
/// the end of its address, as its Bluetooth name has it.
fn host_name(address: HardwareAddress) -> heapless::String<32> {
    let mut name = heapless::String::new();
    let HardwareAddress::Ethernet([.., a, b, c]) = address else {
        return name;
    };
    // It has room.
    let _ = write!(name, "esptb-{a:02x}{b:02x}{c:02x}");
    name
}

/// Returns once the network is lost: the link is down, or the address is gone, for its lease ended and
/// nobody renewed it.
pub async fn lost(stack: Stack<'_>) {
    select(stack.wait_link_down(), stack.wait_config_down()).await;
}

/// The address that DHCP gives, once the link is up; `None` if none comes in time.
pub async fn address(stack: Stack<'_>) -> Option<Ipv4Addr> {
    let given = async {
        stack.wait_link_up().await;
        stack.wait_config_up().await;
        stack.config_v4().map(|config| config.address.address())
    };
    with_timeout(DHCP, given).await.ok().flatten()
}

/// The device's sockets.
pub struct Sockets {
    tcp: TcpAndDns,
    udp: RefCell<UdpSocket<'static>>,
}

impl Sockets {
    /// The sockets of `stack`.
    ///
    /// # Panics
    ///
    /// When called twice: their buffers are static.
    #[must_use]
    pub fn new(stack: Stack<'static>) -> Self {
        static TCP: StaticCell<TcpClientState<CONNECTIONS, TRANSMIT, RECEIVE>> = StaticCell::new();
        static UDP: StaticCell<UdpBuffers> = StaticCell::new();
        let UdpBuffers {
            received,
            to_send,
            received_from,
            to_send_to,
        } = UDP.init(UdpBuffers::default());
        let mut tcp = TcpClient::new(stack, TCP.init(TcpClientState::new()));
        tcp.set_timeout(Some(TCP_TIMEOUT));
        Self {
            tcp: TcpAndDns {
                tcp,
                dns: DnsSocket::new(stack),
            },
            udp: RefCell::new(UdpSocket::new(
                stack,
                received_from,
                received,
                to_send_to,
                to_send,
            )),
        }
    }
}

struct UdpBuffers {
    received: [u8; UDP_BUFFER],
    to_send: [u8; UDP_BUFFER],
    received_from: [PacketMetadata; 2],
    to_send_to: [PacketMetadata; 2],
}

impl Default for UdpBuffers {
    fn default() -> Self {
        Self {
            received: [0; UDP_BUFFER],
            to_send: [0; UDP_BUFFER],
            received_from: [PacketMetadata::EMPTY; 2],
            to_send_to: [PacketMetadata::EMPTY; 2],
        }
    }
}

impl Network for Sockets {
    type Stack = TcpAndDns;
    type Udp<'a> = Udp<'a>;
    type Error = UdpError;

    fn stack(&self) -> &TcpAndDns {
        &self.tcp
    }

    async fn udp(&self) -> Result<Udp<'_>, UdpError> {
        let mut socket = self.udp.try_borrow_mut().map_err(|_| UdpError::InUse)?;
        socket.bind(0).map_err(|_| UdpError::NotBound)?;
        Ok(Udp(socket))
    }
}

/// TCP connections and names from one place.
pub struct TcpAndDns {
    tcp: Client,
    dns: DnsSocket<'static>,
}

impl TcpConnect for TcpAndDns {
    type Error = tcp::Error;
    type Connection<'a> = TcpConnection<'a, CONNECTIONS, TRANSMIT, RECEIVE>;

    async fn connect(&self, remote: SocketAddr) -> Result<Self::Connection<'_>, tcp::Error> {
        // The stack has no IPv6, and panics when asked for it.
        if remote.is_ipv6() {
            return Err(tcp::Error::ConnectionReset);
        }
        self.tcp.connect(remote).await
    }
}

impl Dns for TcpAndDns {
    type Error = embassy_net::dns::Error;

    async fn get_host_by_name(&self, host: &str, _kind: AddrType) -> Result<IpAddr, Self::Error> {
        self.dns.get_host_by_name(host, AddrType::IPv4).await
    }

    async fn get_host_by_address(
        &self,
        _address: IpAddr,
        _name: &mut [u8],
    ) -> Result<usize, Self::Error> {
        // The stack cannot ask for it.
        Err(embassy_net::dns::Error::Failed)
    }
}

/// Why there is no UDP socket.
#[derive(Debug)]
pub enum UdpError {
    /// The one socket is already in use.
    InUse,
    /// It could not be bound.
    NotBound,
}

/// The UDP socket, closed when dropped.
pub struct Udp<'a>(RefMut<'a, UdpSocket<'static>>);

impl Drop for Udp<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl sntpc::NtpUdpSocket for Udp<'_> {
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> sntpc::Result<usize> {
        let SocketAddr::V4(to) = to else {
            return Err(sntpc::Error::Network);
        };
        let sent = self.0.send_to(bytes, to).await;
        sent.map(|()| bytes.len())
            .map_err(|_| sntpc::Error::Network)
    }

    async fn recv_from(&self, bytes: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        let (length, from) = self
            .0
            .recv_from(bytes)
            .await
            .map_err(|_| sntpc::Error::Network)?;
        Ok((
            length,
            SocketAddr::from((IpAddr::from(from.endpoint.addr), from.endpoint.port)),
        ))
    }
}
