//! Which port the board is at, and opening it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use espflash::connection::{Connection, Port, ResetAfterOperation, ResetBeforeOperation};
use serialport::{ErrorKind, SerialPort, SerialPortInfo, SerialPortType, UsbPortInfo};

/// How fast the boot ROM and the console speak.
pub const BAUD: u32 = 115_200;
/// Reading gives up after this time, to look whether anything else is to do.
const PATIENCE: Duration = Duration::from_millis(100);

/// Makers of the USB bridges on boards: Espressif, Silicon Labs, WCH, FTDI, Prolific.
const BRIDGES: [u16; 5] = [0x303A, 0x10C4, 0x1A86, 0x0403, 0x067B];

/// An open serial port.
pub struct Board {
    /// The port.
    pub port: Port,
    /// What the system calls it.
    pub name: String,
    /// The bridge on the board.
    pub usb: UsbPortInfo,
}

impl Board {
    /// Opens the port of that name, or else the only one that a board can be at.
    ///
    /// # Errors
    ///
    /// None or several fit: they are listed. Or the port cannot be opened.
    pub fn open(name: Option<&str>) -> Result<Self> {
        if let Some(address) = name.and_then(|name| name.strip_prefix("tcp:")) {
            return Self::over_tcp(address);
        }
        let ports = callouts(serialport::available_ports().unwrap_or_default());
        let name = match name {
            Some(name) => name.to_owned(),
            None => choose(&ports)?,
        };
        // As above: what is known of `tty.` stands at `cu.`.
        let same = callout_of(&name).unwrap_or_else(|| name.clone());
        let usb = ports
            .iter()
            .find(|port| port.port_name == name || port.port_name == same);
        let usb = usb.and_then(usb_of).cloned().unwrap_or_else(unknown);
        let port = serialport::new(&name, BAUD)
            .timeout(PATIENCE)
            .open_native()
            .map_err(|error| refused(&name, &error))?;
        Ok(Self { port, name, usb })
    }

    /// A board at the end of a TCP connection: behind a serial server, or emulated.
    #[cfg(unix)]
    fn over_tcp(address: &str) -> Result<Self> {
        let mut port = super::tcp::connect(address)?;
        port.set_timeout(PATIENCE)?;
        Ok(Self {
            port,
            name: format!("tcp:{address}"),
            usb: unknown(),
        })
    }

    #[cfg(not(unix))]
    fn over_tcp(address: &str) -> Result<Self> {
        bail!("tcp:{address}: boards over TCP want Linux or macOS; here, name a serial port")
    }

    /// Lets the board start anew. False if the port has no line for that.
    pub fn reset(self) -> (Self, bool) {
        let Self { port, name, usb } = self;
        let mut connection = Connection::new(
            port,
            usb.clone(),
            ResetAfterOperation::HardReset,
            ResetBeforeOperation::DefaultReset,
            BAUD,
        );
        let done = connection.reset().is_ok();
        let port = connection.into_serial();
        (Self { port, name, usb }, done)
    }

    /// Ready to read the console.
    pub fn at_console(mut self) -> Result<Self> {
        self.port.set_timeout(PATIENCE)?;
        self.port.set_baud_rate(BAUD)?;
        Ok(self)
    }
}

/// macOS has two names for each port: `cu.` for whoever calls out, and `tty.`, which waits for a
/// caller. One board would be two, so that the second goes where there is the first.
fn callouts(mut ports: Vec<SerialPortInfo>) -> Vec<SerialPortInfo> {
    let names: Vec<_> = ports.iter().map(|port| port.port_name.clone()).collect();
    ports.retain(|port| callout_of(&port.port_name).is_none_or(|name| !names.contains(&name)));
    ports
}

/// The name for calling out, of a port that waits for a caller.
fn callout_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix("/dev/tty.")?;
    Some(format!("/dev/cu.{rest}"))
}

fn usb_of(port: &SerialPortInfo) -> Option<&UsbPortInfo> {
    match &port.port_type {
        SerialPortType::UsbPort(usb) => Some(usb),
        _ => None,
    }
}

/// What is known of a port that is not on USB.
fn unknown() -> UsbPortInfo {
    UsbPortInfo {
        vid: 0,
        pid: 0,
        serial_number: None,
        manufacturer: None,
        product: None,
    }
}

/// The only port with the bridge of a board; else the only one on USB.
fn choose(ports: &[SerialPortInfo]) -> Result<String> {
    let on_usb: Vec<_> = ports.iter().filter(|port| usb_of(port).is_some()).collect();
    let boards: Vec<_> = on_usb
        .iter()
        .copied()
        .filter(|port| usb_of(port).is_some_and(|usb| BRIDGES.contains(&usb.vid)))
        .collect();
    let fitting = if boards.is_empty() { on_usb } else { boards };
    match fitting.as_slice() {
        [one] => Ok(one.port_name.clone()),
        [] => bail!(
            "no board is connected: plug one in by a USB cable that carries data, or name its port \
             by --port{}",
            listed(&ports.iter().collect::<Vec<_>>())
        ),
        several => bail!(
            "several boards are connected: choose one by --port{}",
            listed(several)
        ),
    }
}

fn listed(ports: &[&SerialPortInfo]) -> String {
    let mut list = String::new();
    for port in ports {
        list += &format!("\n  {}", port.port_name);
        if let Some(usb) = usb_of(port) {
            let product = usb.product.as_deref().unwrap_or("USB");
            list += &format!("  {product} ({:04x}:{:04x})", usb.vid, usb.pid);
            if let Some(serial) = &usb.serial_number {
                list += &format!(", serial number {serial}");
            }
        }
    }
    list
}

fn refused(name: &str, error: &serialport::Error) -> anyhow::Error {
    let exists = Path::new(name).exists();
    match error.kind() {
        ErrorKind::NoDevice if exists => {
            anyhow!(
                "{name} is in use by another program: end that one (a monitor?), or it is no serial port ({error})"
            )
        }
        ErrorKind::NoDevice => anyhow!(
            "there is no port {name}: without --port the one that fits is taken, or all are listed"
        ),
        ErrorKind::Io(std::io::ErrorKind::PermissionDenied) => anyhow!(
            "{name}: you may not use it; on Linux: sudo usermod -aG dialout \"$USER\", then log in \
             again"
        ),
        _ if exists => anyhow!("{name} cannot be opened as a serial port: {error}"),
        _ => anyhow!("there is no port {name}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, vid: Option<u16>) -> SerialPortInfo {
        SerialPortInfo {
            port_name: name.into(),
            port_type: match vid {
                Some(vid) => SerialPortType::UsbPort(UsbPortInfo {
                    vid,
                    product: Some("a bridge".into()),
                    ..unknown()
                }),
                None => SerialPortType::Unknown,
            },
        }
    }

    #[test]
    fn the_only_port_that_fits_is_taken() {
        let modem = port("/dev/ttyACM9", Some(0x1234));
        let board = port("/dev/ttyUSB0", Some(0x10C4));
        let other = port("/dev/ttyACM0", Some(0x303A));
        let soldered = port("/dev/ttyS0", None);
        let chosen =
            |ports: &[&SerialPortInfo]| choose(&ports.iter().copied().cloned().collect::<Vec<_>>());
        assert_eq!(
            chosen(&[&soldered, &modem, &board]).unwrap(),
            "/dev/ttyUSB0"
        );
        assert_eq!(chosen(&[&soldered, &modem]).unwrap(), "/dev/ttyACM9");
        let several = chosen(&[&modem, &board, &other]).unwrap_err().to_string();
        assert!(
            several.contains("ttyUSB0") && several.contains("ttyACM0"),
            "{several}"
        );
        assert!(!several.contains("ttyACM9"), "{several}");
        let none = chosen(&[&soldered]).unwrap_err().to_string();
        assert!(
            none.contains("plug one in") && none.contains("ttyS0"),
            "{none}"
        );
    }

    #[test]
    fn a_port_with_two_names_is_one() {
        let all = [
            ("/dev/cu.Bluetooth-Incoming-Port", None),
            ("/dev/tty.Bluetooth-Incoming-Port", None),
            ("/dev/cu.usbserial-0001", Some(0x10C4)),
            ("/dev/tty.usbserial-0001", Some(0x10C4)),
            ("/dev/tty.alone", None),
            ("/dev/ttyUSB0", None),
        ];
        let left = callouts(all.map(|(name, vid)| port(name, vid)).into());
        let names: Vec<_> = left.iter().map(|port| port.port_name.as_str()).collect();
        assert_eq!(
            names,
            [
                "/dev/cu.Bluetooth-Incoming-Port",
                "/dev/cu.usbserial-0001",
                "/dev/tty.alone",
                "/dev/ttyUSB0",
            ]
        );
        assert_eq!(choose(&left).unwrap(), "/dev/cu.usbserial-0001");
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let missing = Board::open(Some("/dev/no-such-port")).err().unwrap();
        assert!(
            missing.to_string().contains("no port /dev/no-such-port"),
            "{missing}"
        );
        assert!(Board::open(Some("/dev/null")).is_err());
    }
}
