//! A body for the device, of the kit's parts: what is its own is a station with networks around it, and sockets
//! that say what the fuzzer says.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bodykit::bluetooth::Absent;
use bodykit::flash::Flash;
use bodykit::system::Chip;
use climate::{Air, Sensor};
use device::event::Event;
use device::platform::{
    AccessPoint, AuthMode, Heap, JoinError, Network, Observer, Parts, Running, ScanRequest, Wifi,
    WifiCredentials,
};
use embassy_time::Timer;
use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use product::Fault;
use sntpc::NtpUdpSocket;

use crate::phone;

/// The passphrase that the access point takes.
pub const PASSPHRASE: &[u8] = b"correct horse";

/// The parts of the body, by type.
pub type Fuzzed = Parts<Absent, Radio, Net, Flash, Chip, Watcher>;

/// The station. It takes its time, as radios do.
#[derive(Default)]
pub struct Radio {
    joined: Cell<bool>,
}

impl Wifi for Radio {
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0xAB, 0xCD, 0xEF]
    }

    async fn scan(
        &self,
        request: ScanRequest,
        found: &mut dyn FnMut(AccessPoint),
    ) -> Result<(), u16> {
        Timer::after_millis(1_500).await;
        if request.dwell_ms == 999 {
            return Err(7);
        }
        phone::air(20).for_each(found);
        Ok(())
    }

    async fn join(&self, network: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        Timer::after_millis(800).await;
        self.joined.set(network.passphrase.as_bytes() == PASSPHRASE);
        match network.ssid.as_bytes().first() {
            _ if self.joined.get() => Ok(Ipv4Addr::new(10, 0, 0, 7)),
            Some(b'n') => Err(JoinError::WrongPassphrase),
            Some(b'a') => Err(JoinError::NoAddress),
            Some(b'w') => Err(JoinError::Unsupported(AuthMode::Wpa3Psk)),
            Some(other) if other % 2 == 1 => Err(JoinError::Other((*other).into())),
            _ => Err(JoinError::NetworkNotFound),
        }
    }

    async fn leave(&self) {
        self.joined.set(false);
    }

    async fn lost(&self) {
        std::future::pending().await
    }

    fn rssi_dbm(&self) -> Option<i8> {
        self.joined.get().then_some(-61)
    }

    fn access_point(&self) -> Option<AccessPoint> {
        phone::air(1).next().filter(|_| self.joined.get())
    }
}

/// Datagrams that arrive, and what was sent.
#[derive(Default)]
pub struct Net {
    /// What arrives at the UDP socket, in order.
    pub incoming: RefCell<VecDeque<Datagram>>,
    sent: RefCell<Vec<u8>>,
    stack: Stack,
}

/// A datagram from a time server, or from somebody who would like to be one.
pub struct Datagram {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it repeats what the request carried, as an answer must: bytes 24 to 31 of an NTP
    /// packet are those 40 to 47 of the request (RFC 4330, section 4).
    pub is_answer: bool,
    /// Whether it comes from the address that was asked.
    pub from_server: bool,
}

/// TCP that leads nowhere, and names that are all one address.
#[derive(Default)]
pub struct Stack;

/// A UDP socket.
pub struct Udp<'a>(&'a Net);

impl Network for Net {
    type Stack = Stack;
    type Udp<'a> = Udp<'a>;
    type Error = Infallible;

    fn stack(&self) -> &Stack {
        &self.stack
    }

    async fn udp(&self) -> Result<Udp<'_>, Infallible> {
        Ok(Udp(self))
    }
}

impl NtpUdpSocket for Udp<'_> {
    async fn send_to(&self, bytes: &[u8], _: SocketAddr) -> sntpc::Result<usize> {
        *self.0.sent.borrow_mut() = bytes.to_vec();
        Ok(bytes.len())
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        Timer::after_millis(30).await;
        let arrived = self.0.incoming.borrow_mut().pop_front();
        let Some(mut datagram) = arrived else {
            return std::future::pending().await;
        };
        if datagram.is_answer
            && let Some(origin) = datagram.bytes.get_mut(24..32)
            && let Some(sent) = self.0.sent.borrow().get(40..48)
        {
            origin.copy_from_slice(sent);
        }
        let length = datagram.bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram.bytes[..length]);
        let address = if datagram.from_server { 1 } else { 2 };
        let from = SocketAddr::from(([192, 0, 2, address], 123));
        Ok((length, from))
    }
}

impl Dns for Stack {
    type Error = embedded_io_async::ErrorKind;

    async fn get_host_by_name(&self, _: &str, _: AddrType) -> Result<IpAddr, Self::Error> {
        Ok(Ipv4Addr::new(192, 0, 2, 1).into())
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, Self::Error> {
        Err(embedded_io_async::ErrorKind::Unsupported)
    }
}

impl TcpConnect for Stack {
    type Error = embedded_io_async::ErrorKind;
    type Connection<'a> = NoStream;

    async fn connect(&self, _: SocketAddr) -> Result<NoStream, Self::Error> {
        Err(embedded_io_async::ErrorKind::ConnectionRefused)
    }
}

/// A connection that cannot be had.
pub enum NoStream {}

impl ErrorType for NoStream {
    type Error = embedded_io_async::ErrorKind;
}

impl Read for NoStream {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> {
        match *self {}
    }
}

impl Write for NoStream {
    async fn write(&mut self, _: &[u8]) -> Result<usize, Self::Error> {
        match *self {}
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        match *self {}
    }
}

/// A chip that runs this image, and whose randomness is the same in every run.
pub fn chip(running: Option<Running>) -> Chip {
    let heap = || Heap {
        free: 100_000,
        least: 50_000,
    };
    let chip = Chip::new(1_700_000_000).with_seed(0).with_heap(heap);
    chip.run_from(running);
    chip
}

/// A flash that takes writes as a chip does, whatever is in it.
pub fn flash(bytes: Vec<u8>) -> Flash {
    Flash::from_bytes(bytes).without_refusals()
}

/// Somebody who reads along, and finds no secret.
#[derive(Default)]
pub struct Watcher {
    /// Samples that the broker has acknowledged.
    pub acknowledged: Cell<u64>,
}

impl Observer for Watcher {
    fn notice(&self, _: u64, event: &Event) {
        if let Event::Acknowledged { samples, .. } = event {
            let before = self.acknowledged.get();
            self.acknowledged.set(before + u64::from(*samples));
        }
        let shown = format!("{event} {event:?}");
        let secret = str::from_utf8(PASSPHRASE).unwrap_or_default();
        assert!(!shown.contains(secret), "a secret is told: {shown}");
    }

    fn show_provisioning_code(&self, _: &str) {}
}

/// A sensor that is not there.
pub struct NoSensor;

impl Sensor for NoSensor {
    async fn read(&mut self) -> Result<Air, Fault> {
        Err(Fault::Absent)
    }
}
