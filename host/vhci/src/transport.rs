//! The transports that a host stack can be given, chosen by a string.
//!
//! | string | what it is |
//! |---|---|
//! | `virtual` | a virtual controller on air that this process shares |
//! | `tcp:HOST:PORT` | an H4 controller behind a TCP port |
//! | `hciN` | the computer's own adapter number N (Linux) |

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::SystemTime;

use bt_hci_transport::{PacketToController, PacketToHost};
use tokio::net::TcpStream;

use crate::air::ControllerConfig;
use crate::btsnoop::{Btsnoop, Direction};
use crate::controller::{SharedAir, VirtualController};
use crate::error::Error;
use crate::raw;
use crate::stream::H4Stream;

/// ACL data bytes that a host of this project reads at once: bt-hci's hosts have room for 255.
const HOST_ACL: usize = 251;

/// Which controller to use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HciSpec {
    /// A virtual controller of this process.
    Virtual,
    /// An H4 controller at `HOST:PORT`.
    Tcp(String),
    /// The computer's own adapter with this number.
    Adapter(u16),
}

/// The string names no controller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` names no Bluetooth controller: give `virtual`, `tcp:HOST:PORT` or, on Linux, `hci0`"
)]
pub struct UnknownHci(pub String);

impl FromStr for HciSpec {
    type Err = UnknownHci;

    fn from_str(s: &str) -> Result<Self, UnknownHci> {
        let unknown = || UnknownHci(s.to_owned());
        if s == "virtual" {
            Ok(Self::Virtual)
        } else if let Some(address) = s.strip_prefix("tcp:") {
            let (host, port) = address.rsplit_once(':').ok_or_else(unknown)?;
            if host.is_empty() || port.parse::<u16>().is_err() {
                return Err(unknown());
            }
            Ok(Self::Tcp(address.to_owned()))
        } else if let Some(number) = s.strip_prefix("hci") {
            number.parse().map(Self::Adapter).map_err(|_| unknown())
        } else {
            Err(unknown())
        }
    }
}

impl fmt::Display for HciSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Virtual => f.write_str("virtual"),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Adapter(n) => write!(f, "hci{n}"),
        }
    }
}

/// Why a controller could not be had; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing listens at the address.
    #[error("no H4 controller at {address}: {source} (start it, or check the address)")]
    Tcp {
        /// The address that was tried.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The adapter cannot be taken.
    #[error(
        "the adapter hci{number} cannot be taken: {source} (it needs root or CAP_NET_ADMIN, and the adapter \
         must be down: `systemctl stop bluetooth` or `hciconfig hci{number} down`)"
    )]
    Adapter {
        /// The adapter's number.
        number: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// The kernel knows no Bluetooth at all, as in most containers and virtual machines.
    #[error(
        "hci{0}: this computer's kernel has no Bluetooth: take a controller of another computer \
         (tcp:HOST:PORT), or a device that is provisioned over HTTP"
    )]
    NoBluetooth(u16),
    /// Adapters of the computer itself are reached on Linux only.
    #[error("hci{0}: adapters of the computer itself are supported on Linux only")]
    NotLinux(u16),
    /// The log cannot be written.
    #[error("the Bluetooth log {path} cannot be written: {source}")]
    Log {
        /// The file.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
}

#[cfg(target_os = "linux")]
impl OpenError {
    fn adapter(number: u16, source: io::Error) -> Self {
        // Linux's EAFNOSUPPORT, for which `ErrorKind` has no stable name.
        const NO_SUCH_FAMILY: i32 = 97;
        match source.raw_os_error() {
            Some(NO_SUCH_FAMILY) => Self::NoBluetooth(number),
            _ => Self::Adapter { number, source },
        }
    }
}

/// Any of the transports, with an optional btsnoop log.
pub struct HciTransport {
    inner: Inner,
    log: Option<Mutex<Btsnoop<File>>>,
}

enum Inner {
    Virtual(VirtualController),
    Tcp(H4Stream<TcpStream>),
    #[cfg(target_os = "linux")]
    Linux(bt_hci_linux::Transport),
}

impl HciSpec {
    /// Opens the controller. `air` and `config` are for the virtual one.
    ///
    /// # Errors
    /// Where the controller cannot be reached or taken; [`OpenError`] says what to do.
    pub async fn open(
        &self,
        air: &SharedAir,
        config: ControllerConfig,
    ) -> Result<HciTransport, OpenError> {
        let inner = match self {
            Self::Virtual => Inner::Virtual(air.controller(config)),
            Self::Tcp(address) => {
                let failed = |source| OpenError::Tcp {
                    address: address.clone(),
                    source,
                };
                let stream = TcpStream::connect(address).await.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                Inner::Tcp(H4Stream::new(stream))
            }
            #[cfg(target_os = "linux")]
            Self::Adapter(number) => Inner::Linux(
                bt_hci_linux::Transport::new(*number)
                    .map_err(|source| OpenError::adapter(*number, source))?,
            ),
            #[cfg(not(target_os = "linux"))]
            Self::Adapter(number) => return Err(OpenError::NotLinux(*number)),
        };
        Ok(HciTransport { inner, log: None })
    }
}

impl From<VirtualController> for HciTransport {
    fn from(controller: VirtualController) -> Self {
        Self {
            inner: Inner::Virtual(controller),
            log: None,
        }
    }
}

impl HciTransport {
    /// Logs everything to a btsnoop file.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn with_log(mut self, path: &Path) -> Result<Self, OpenError> {
        let file = File::create(path).map_err(|source| OpenError::Log {
            path: path.display().to_string(),
            source,
        })?;
        self.log = Some(Mutex::new(Btsnoop::new(file)));
        Ok(self)
    }

    /// The virtual controller's faults, where it is one.
    pub fn faults(&self) -> Option<crate::controller::FaultControl> {
        match &self.inner {
            Inner::Virtual(controller) => Some(controller.faults()),
            _ => None,
        }
    }

    /// Sends a packet to the controller, its indicator byte first.
    ///
    /// # Errors
    /// Where the controller is gone.
    pub async fn send(&self, packet: &[u8]) -> Result<(), Error> {
        self.log(Direction::Sent, packet);
        match &self.inner {
            Inner::Virtual(controller) => {
                controller.send(packet);
                Ok(())
            }
            Inner::Tcp(stream) => stream.send(packet).await,
            #[cfg(target_os = "linux")]
            Inner::Linux(adapter) => {
                use bt_hci_transport::Transport;
                let sent = match packet.split_first() {
                    Some((&crate::wire::h4::COMMAND, rest)) => {
                        adapter.write(&raw::RawCommand(rest)).await
                    }
                    Some((&crate::wire::h4::ACL, rest)) => adapter.write(&raw::RawAcl(rest)).await,
                    _ => Ok(()),
                };
                sent.map_err(linux_error)
            }
        }
    }

    /// Waits for the next packet of the controller, its indicator byte first. ACL data comes in
    /// pieces that the hosts of this project have room for.
    ///
    /// Cancel-safe: no packet is lost.
    ///
    /// # Errors
    /// Where the controller is gone, or is none.
    pub async fn receive(&self) -> Result<Vec<u8>, Error> {
        let packet = match &self.inner {
            Inner::Virtual(controller) => controller.receive().await,
            Inner::Tcp(stream) => stream.receive(HOST_ACL).await?,
            #[cfg(target_os = "linux")]
            Inner::Linux(adapter) => raw::read_packet(adapter).await.map_err(linux_error)?,
        };
        self.log(Direction::Received, &packet);
        Ok(packet)
    }

    fn log(&self, direction: Direction, packet: &[u8]) {
        if let Some(log) = &self.log
            && let Ok(mut log) = log.lock()
        {
            log.packet(direction, packet, SystemTime::now());
        }
    }
}

#[cfg(target_os = "linux")]
fn linux_error(e: bt_hci_linux::Error) -> Error {
    match e {
        bt_hci_linux::Error::Io(e) => Error::Io(e),
        bt_hci_linux::Error::ReadHci(e) => Error::Malformed(e),
    }
}

impl embedded_io::ErrorType for HciTransport {
    type Error = Error;
}

impl bt_hci_transport::Transport for HciTransport {
    async fn read<'a, P: PacketToHost<'a>>(&self, rx: &'a mut [u8]) -> Result<P, Error> {
        Ok(raw::decode(&self.receive().await?, rx)?)
    }

    async fn write<P: PacketToController>(&self, packet: &P) -> Result<(), Error> {
        self.send(&raw::encode(packet)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_kernel_without_bluetooth_is_not_a_matter_of_rights() {
        let told = |code| OpenError::adapter(0, io::Error::from_raw_os_error(code)).to_string();
        let (no_bluetooth, no_rights) = (told(97), told(1));
        assert!(no_bluetooth.contains("no Bluetooth") && no_bluetooth.contains("HTTP"));
        assert!(!no_bluetooth.contains("root") && no_rights.contains("root"));
    }

    #[test]
    fn controllers_are_named_by_strings() {
        for (text, spec) in [
            ("virtual", HciSpec::Virtual),
            ("tcp:127.0.0.1:6402", HciSpec::Tcp("127.0.0.1:6402".into())),
            ("tcp:[::1]:6402", HciSpec::Tcp("[::1]:6402".into())),
            ("hci0", HciSpec::Adapter(0)),
        ] {
            assert_eq!(text.parse::<HciSpec>(), Ok(spec.clone()));
            assert_eq!(spec.to_string(), text);
        }
        for text in [
            "",
            "hci",
            "hcix",
            "tcp:",
            "tcp:host",
            "tcp::1",
            "tcp:h:99999",
            "usb:0",
        ] {
            assert_eq!(text.parse::<HciSpec>(), Err(UnknownHci(text.into())));
        }
    }
}
