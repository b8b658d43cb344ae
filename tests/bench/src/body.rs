//! A body like the simulator's, whose socket can be kept from reading, and whose events go to a
//! function.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use device::event::Event;
use device::platform::{Bluetooth, Body, Network, Observer, Platform};
use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use simulator::World;
use simulator::flash::Flash;
use simulator::network::{Datagrams, Sockets, Stream};
use simulator::system::Chip;
use simulator::wifi::Station;
use vhci::{ControllerConfig, HciSpec, HciTransport, OpenError, SharedAir};

/// Whether what came in may be read. Clones are the same gate.
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

    /// Lets `work` go on while it is open.
    async fn pass<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| match self.0.get() {
            true => work.as_mut().poll(context),
            false => Poll::Pending,
        })
        .await
    }
}

/// The parts of the body.
pub struct Bench<O>(std::marker::PhantomData<O>);

impl<O: Fn(&Event)> Platform for Bench<O> {
    type Bluetooth = Controller;
    type Wifi = Station;
    type Network = GatedSockets;
    type Flash = Flash;
    type System = Chip;
    type Observer = Told<O>;
}

impl<O: Fn(&Event)> Bench<O> {
    /// A body in this world, with the station's address, that tells `told` what happens.
    pub fn body(
        world: &World,
        mac: [u8; 6],
        flash: Flash,
        chip: Chip,
        gate: Gate,
        told: O,
    ) -> Body<Self> {
        let station = Station::new(mac, world.wifi.clone());
        let [a, b, c, d, e, f] = mac;
        Body {
            bluetooth: Controller {
                air: world.bluetooth.clone(),
                address: [a, b, c, d, e, f.wrapping_add(2)],
            },
            mailbox: None,
            network: GatedSockets {
                inner: Sockets::new(station.link()),
                stack: GatedStack {
                    inner: Sockets::new(station.link()),
                    gate,
                },
            },
            wifi: station,
            flash,
            system: chip,
            observer: Told(told),
        }
    }
}

/// A virtual controller.
pub struct Controller {
    air: SharedAir,
    address: [u8; 6],
}

impl Bluetooth for Controller {
    type Transport<'a> = HciTransport;
    type Error = OpenError;

    async fn start(&mut self) -> Result<HciTransport, OpenError> {
        let config = ControllerConfig::with_address(self.address);
        HciSpec::Virtual.open(&self.air, config).await
    }
}

/// Tells a function.
pub struct Told<O>(O);

impl<O: Fn(&Event)> Observer for Told<O> {
    fn notice(&self, _: u64, event: &Event) {
        (self.0)(event);
    }

    fn show_provisioning_code(&self, _: &str) {}
}

/// Sockets behind a gate.
pub struct GatedSockets {
    inner: Sockets,
    stack: GatedStack,
}

/// TCP behind a gate, and names.
pub struct GatedStack {
    inner: Sockets,
    gate: Gate,
}

impl Network for GatedSockets {
    type Stack = GatedStack;
    type Udp<'a> = Datagrams;
    type Error = io::Error;

    fn stack(&self) -> &GatedStack {
        &self.stack
    }

    async fn udp(&self) -> io::Result<Datagrams> {
        self.inner.udp().await
    }
}

impl TcpConnect for GatedStack {
    type Error = io::Error;
    type Connection<'a> = GatedStream;

    async fn connect(&self, remote: SocketAddr) -> io::Result<GatedStream> {
        let inner = self.inner.stack().connect(remote).await?;
        let gate = self.gate.clone();
        Ok(GatedStream { inner, gate })
    }
}

impl Dns for GatedStack {
    type Error = io::Error;

    async fn get_host_by_name(&self, host: &str, kind: AddrType) -> io::Result<IpAddr> {
        self.inner.stack().get_host_by_name(host, kind).await
    }

    async fn get_host_by_address(&self, address: IpAddr, name: &mut [u8]) -> io::Result<usize> {
        self.inner.stack().get_host_by_address(address, name).await
    }
}

/// A TCP connection that reads only while the gate is open.
pub struct GatedStream {
    inner: Stream,
    gate: Gate,
}

impl ErrorType for GatedStream {
    type Error = io::Error;
}

impl Read for GatedStream {
    async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.gate.pass(self.inner.read(bytes)).await
    }
}

impl Write for GatedStream {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().await
    }
}
