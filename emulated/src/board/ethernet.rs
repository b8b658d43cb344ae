//! The network card: virtio-net for embassy-net, with a plug that can be pulled.

use core::{
    cell::{Cell, RefCell, UnsafeCell},
    task::Context,
};

use critical_section::Mutex;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use virtio_drivers::{
    device::net::VirtIONetRaw, transport::DeviceType, transport::mmio::MmioTransport,
};

use super::virtio::{self, Memory};

/// The largest Ethernet frame without its checksum.
const MTU: usize = 1514;
/// What virtio puts before each frame (virtio 1.2, 5.1.6).
const HEADER: usize = 12;
/// Frames in each direction: what a driver of a chip has room for, more or less.
const FRAMES: usize = 8;

type Frame = [u8; 1536];

#[repr(C, align(4))]
struct Frames(UnsafeCell<[Frame; 2 * FRAMES]>);

// SAFETY: each frame is lent to one user at a time, see `Card::plug_in`.
unsafe impl Sync for Frames {}

#[unsafe(link_section = ".dma.frames")]
static FRAMES_MEMORY: Frames = Frames(UnsafeCell::new([[0; 1536]; 2 * FRAMES]));

/// Whether the station is joined: without that nothing is sent or received.
static PLUGGED: Mutex<Cell<bool>> = Mutex::new(Cell::new(false));
/// Who is to be told that the plug moved.
static WATCHING: AtomicWaker = AtomicWaker::new();

/// Plugs the cable in, or pulls it.
pub(crate) fn plug(plugged: bool) {
    critical_section::with(|cs| PLUGGED.borrow(cs).set(plugged));
    WATCHING.wake();
}

/// Whether the cable is plugged in.
pub(crate) fn plugged() -> bool {
    critical_section::with(|cs| PLUGGED.borrow(cs).get())
}

/// The card, as embassy-net wants it.
pub(crate) struct Ethernet {
    card: RefCell<Card>,
    interrupted: &'static AtomicWaker,
    mac: [u8; 6],
}

struct Card {
    virtio: VirtIONetRaw<Memory, MmioTransport<'static>, FRAMES>,
    /// Frames that the card fills, by virtio's token.
    receiving: [Option<&'static mut Frame>; FRAMES],
    /// Frames that the card sends, by virtio's token.
    sending: [Option<&'static mut Frame>; FRAMES],
    /// Frames that can be filled and sent.
    free: heapless::Vec<&'static mut Frame, FRAMES>,
}

impl Ethernet {
    /// Starts the card.
    ///
    /// # Panics
    ///
    /// If QEMU was started without one, or this was called before.
    pub(crate) fn start() -> Self {
        let (device, interrupted) = virtio::find(DeviceType::Network);
        let virtio = VirtIONetRaw::new(device).expect("the network card starts");
        let mac = virtio.mac_address();
        let mut card = Card {
            virtio,
            receiving: [const { None }; FRAMES],
            sending: [const { None }; FRAMES],
            free: heapless::Vec::new(),
        };
        // SAFETY: the card was found, which it is only once; so nobody else has the frames.
        let frames = unsafe { &mut *FRAMES_MEMORY.0.get() };
        for (index, frame) in frames.iter_mut().enumerate() {
            if index < FRAMES {
                card.receive_into(frame);
            } else {
                // As many as there is room for.
                let _ = card.free.push(frame);
            }
        }
        Self {
            card: RefCell::new(card),
            interrupted,
            mac,
        }
    }

    /// The station's address.
    pub(crate) fn mac(&self) -> [u8; 6] {
        self.mac
    }
}

impl Card {
    /// Lets the card fill a frame.
    fn receive_into(&mut self, frame: &'static mut Frame) {
        // SAFETY: the frame is kept here, untouched, until virtio gives its token back.
        let token = unsafe { self.virtio.receive_begin(frame) };
        let token = token.expect("there are as many places as frames");
        self.receiving[usize::from(token)] = Some(frame);
    }

    /// The next frame that was received, and where in it the Ethernet frame is.
    fn received(&mut self) -> Option<Received> {
        let token = self.virtio.poll_receive()?;
        let frame = self.receiving[usize::from(token)].take()?;
        // SAFETY: it is the frame of this token.
        let place = unsafe { self.virtio.receive_complete(token, frame) };
        let (start, length) = place.unwrap_or((HEADER, 0));
        Some(Received {
            frame,
            start,
            length,
        })
    }

    /// Takes back what was sent.
    fn collect(&mut self) {
        while let Some(token) = self.virtio.poll_transmit() {
            let Some(frame) = self.sending[usize::from(token)].take() else {
                return;
            };
            // SAFETY: it is the frame of this token, of the length that was sent or longer.
            if let Err(error) = unsafe { self.virtio.transmit_complete(token, frame) } {
                log::warn!("the network card: {error}");
            }
            // There is room: it came from there.
            let _ = self.free.push(frame);
        }
    }

    fn send(&mut self, frame: &'static mut Frame, length: usize) {
        // The frame is longer than any header.
        let _ = self.virtio.fill_buffer_header(frame);
        // SAFETY: the frame is kept here, untouched, until virtio gives its token back.
        match unsafe { self.virtio.transmit_begin(&frame[..HEADER + length]) } {
            Ok(token) => self.sending[usize::from(token)] = Some(frame),
            Err(error) => {
                log::warn!("the network card: {error}");
                let _ = self.free.push(frame);
            }
        }
    }
}

struct Received {
    frame: &'static mut Frame,
    start: usize,
    length: usize,
}

impl Driver for Ethernet {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        self.interrupted.register(context.waker());
        let card = self.card.get_mut();
        card.collect();
        if card.free.is_empty() {
            return None;
        }
        let mut received = card.received()?;
        // What arrives while the station is not joined was never in the air.
        while !plugged() {
            card.receive_into(received.frame);
            received = card.received()?;
        }
        Some((
            Incoming {
                card: &self.card,
                received,
            },
            Outgoing { card: &self.card },
        ))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Outgoing<'_>> {
        self.interrupted.register(context.waker());
        let card = self.card.get_mut();
        card.collect();
        (!card.free.is_empty()).then_some(Outgoing { card: &self.card })
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        WATCHING.register(context.waker());
        if plugged() {
            LinkState::Up
        } else {
            LinkState::Down
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities.max_burst_size = Some(FRAMES);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

/// A frame that was received.
pub(crate) struct Incoming<'a> {
    card: &'a RefCell<Card>,
    received: Received,
}

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        let Received {
            frame,
            start,
            length,
        } = self.received;
        let end = (start + length).min(frame.len());
        let result = read(&mut frame[start..end]);
        self.card.borrow_mut().receive_into(frame);
        result
    }
}

/// Room for a frame to send.
pub(crate) struct Outgoing<'a> {
    card: &'a RefCell<Card>,
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let frame = self.card.borrow_mut().free.pop();
        let frame = frame.expect("a token is given out only while a frame is free");
        let result = write(&mut frame[HEADER..HEADER + length]);
        if plugged() {
            self.card.borrow_mut().send(frame, length);
        } else {
            let _ = self.card.borrow_mut().free.push(frame);
        }
        result
    }
}
