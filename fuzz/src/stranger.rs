//! A device that waits to be provisioned over Bluetooth, and a stranger nearby whose controller
//! does whatever its host says.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bt_hci_transport::{PacketToController, PacketToHost, Transport};
use embedded_io::ErrorKind;
use vhci::{Air, ControllerConfig, Port, raw};

use crate::time::{self, Task};

/// The device's Bluetooth address, least significant byte first: its station's, made static, with the number of its
/// attribute table.
const DEVICE: [u8; 6] = [0xEF, 0xCD, 0xAB, 0, 1, 0xC2];
/// The stranger's, most significant byte first.
const STRANGER: [u8; 6] = [0xC0, 0, 0, 0, 0, 9];

/// The device's controller, as its host sees it.
pub struct Controller {
    air: Rc<RefCell<Air>>,
    port: Port,
}

fn now() -> Duration {
    Duration::from_micros(time::now_us())
}

impl embedded_io::ErrorType for Controller {
    type Error = ErrorKind;
}

impl Transport for Controller {
    async fn read<'a, P: PacketToHost<'a>>(&self, rx: &'a mut [u8]) -> Result<P, ErrorKind> {
        // Nobody wakes it: the task is polled after everything that happens on the air.
        let packet = poll_fn(|_| {
            let packet = self.air.borrow_mut().to_host(self.port, now());
            packet.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        raw::decode(&packet, rx).map_err(|_| ErrorKind::InvalidData)
    }

    async fn write<P: PacketToController>(&self, packet: &P) -> Result<(), ErrorKind> {
        let bytes = raw::encode(packet);
        self.air.borrow_mut().from_host(self.port, &bytes, now());
        Ok(())
    }
}

/// The air, with the stranger's end of it.
pub struct Stranger {
    air: Rc<RefCell<Air>>,
    port: Port,
    /// The link to the device.
    pub handle: Option<u16>,
    /// L2CAP frames that came from the device since they were last looked at.
    pub heard: Vec<Vec<u8>>,
}

impl Stranger {
    /// A stranger, and the controller for the device.
    pub fn new() -> (Self, Controller) {
        let air = Rc::new(RefCell::new(Air::new()));
        let add = |address| {
            let config = ControllerConfig::with_address(address);
            air.borrow_mut().add(config)
        };
        let controller = Controller {
            air: air.clone(),
            port: add([2, 0, 0, 0, 0, 1]),
        };
        let mut stranger = Self {
            port: add(STRANGER),
            air,
            handle: None,
            heard: Vec::new(),
        };
        stranger.prepare();
        (stranger, controller)
    }

    /// Resets the stranger's controller, and asks to be told everything.
    fn prepare(&mut self) {
        self.command(0x0C03, &[]);
        self.command(0x0C01, &[0xFF; 8]);
        self.command(0x2001, &[0xFF; 8]);
    }

    /// A command to the stranger's controller.
    pub fn command(&mut self, opcode: u16, parameters: &[u8]) {
        let [low, high] = opcode.to_le_bytes();
        let length = parameters.len().min(255);
        let head = [1, low, high, length as u8];
        self.packet(&[&head, &parameters[..length]].concat());
    }

    /// Any packet to the stranger's controller, with its H4 indicator.
    pub fn packet(&mut self, packet: &[u8]) {
        self.air.borrow_mut().from_host(self.port, packet, now());
        self.listen();
    }

    /// Sends a piece of L2CAP data; `first` if a frame begins with it.
    pub fn acl(&mut self, first: bool, data: &[u8]) {
        let [low, high] = self.handle.unwrap_or(0x40).to_le_bytes();
        let flags = if first { 0 } else { 0x10 };
        let [l0, l1] = (data.len() as u16).to_le_bytes();
        self.packet(&[&[2, low, high & 0xF | flags, l0, l1], data].concat());
    }

    /// Sends an L2CAP frame to a channel, in pieces of at most `piece` bytes.
    pub fn frame(&mut self, channel: u16, payload: &[u8], piece: usize) {
        let length = (payload.len() as u16).to_le_bytes();
        let frame = [&length, &channel.to_le_bytes(), payload].concat();
        for (index, part) in frame.chunks(piece.clamp(1, 251)).enumerate() {
            self.acl(index == 0, part);
        }
    }

    /// Asks for a link to the device. It comes about within the next moments.
    pub fn connect(&mut self) {
        let mut parameters = vec![0x10, 0, 0x10, 0, 0, 1];
        parameters.extend(DEVICE);
        parameters.extend([0, 0x18, 0, 0x28, 0, 0, 0, 0x2A, 0, 0, 0, 0, 0]);
        self.command(0x200D, &parameters);
    }

    /// Ends the link.
    pub fn disconnect(&mut self) {
        if let Some(handle) = self.handle {
            let [low, high] = handle.to_le_bytes();
            self.command(0x0406, &[low, high, 0x13]);
        }
    }

    /// Goes away, and comes back as somebody who knows the rules.
    pub fn start_over(&mut self) {
        self.disconnect();
        self.prepare();
        self.handle = None;
    }

    /// Hears what its controller has.
    fn listen(&mut self) {
        loop {
            let packet = self.air.borrow_mut().to_host(self.port, now());
            match packet.as_deref() {
                None => return,
                // LE Connection Complete, or its enhanced form, with success.
                Some([4, 0x3E, _, 0x01 | 0x0A, 0, low, high, ..]) => {
                    self.handle = Some(u16::from_le_bytes([*low, *high]));
                }
                // Disconnection Complete.
                Some([4, 0x05, ..]) => self.handle = None,
                Some([2, _, flags, _, _, data @ ..]) => {
                    match (flags >> 4 & 3, self.heard.last_mut()) {
                        (1, Some(frame)) => frame.extend(data),
                        _ => self.heard.push(data.to_vec()),
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Lets `ms` milliseconds go by for all. Gives what the device's task came to, if it ended.
    pub fn pass<T>(&mut self, device: &mut Task<'_, T>, ms: u64) -> Option<T> {
        let end = time::now_us() + ms * 1_000;
        let mut idle = 0;
        loop {
            self.air.borrow_mut().poll(now());
            if let Some(output) = device.nudge() {
                return Some(output);
            }
            self.listen();
            let air = self.air.borrow().next_deadline();
            let air = air.map(|at| at.as_micros() as u64);
            let next = [time::next_due_us(), air].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else {
                time::jump_to_us(end);
                return None;
            };
            idle = if next > time::now_us() { 0 } else { idle + 1 };
            assert!(idle < 10_000, "time stands still");
            time::jump_to_us(next);
        }
    }
}
