//! Clients that do not mean well: ATT and L2CAP bytes that no decent host sends.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::time::Duration;

use device::event::Event;
use device::platform::{AccessPoint, JoinError, ScanRequest, Wifi, WifiCredentials};
use device::provisioning::{Proven, Service, provision};
use hosttime as _;
use protocomm::security::Security;
use vhci::{ControllerConfig, HciSpec, SharedAir, VirtualController};

struct Nothing;

impl Wifi for Nothing {
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0x1A, 0x2B, 0x3C]
    }

    async fn scan(&self, _: ScanRequest, _: &mut dyn FnMut(AccessPoint)) -> Result<(), u16> {
        Ok(())
    }

    async fn join(&self, _: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        Err(JoinError::NetworkNotFound)
    }

    async fn leave(&self) {}

    async fn lost(&self) {
        std::future::pending().await
    }

    fn rssi_dbm(&self) -> Option<i8> {
        None
    }

    fn access_point(&self) -> Option<AccessPoint> {
        None
    }
}

/// A central without a host stack: it says what it is told.
struct Central {
    controller: VirtualController,
    link: u16,
}

impl Central {
    fn command(&self, opcode: u16, parameters: &[u8]) {
        let [a, b] = opcode.to_le_bytes();
        self.controller
            .send(&[&[1, a, b, parameters.len() as u8], parameters].concat());
    }

    /// Connects to the device's static address, with the number of its attribute table.
    async fn connect(air: &SharedAir) -> Self {
        let config = ControllerConfig::with_address([0xC0, 0, 0, 0, 0, 2]);
        let mut central = Self {
            controller: air.controller(config),
            link: 0,
        };
        central.command(0x0C03, &[]);
        central.command(0x0C01, &[0xFF; 8]);
        let device = [0x3C, 0x2B, 0x1A, 0, 1, 0xC2];
        let connect = [
            &[0x60, 0, 0x30, 0, 0, 1][..],
            &device,
            &[0, 0x18, 0, 0x28, 0, 0, 0, 0x14, 0, 0, 0, 0, 0],
        ]
        .concat();
        central.command(0x200D, &connect);
        loop {
            // LE Connection Complete, successful.
            if let [4, 0x3E, _, 1, 0, h0, h1, ..] = central.controller.receive().await.as_slice() {
                central.link = u16::from_le_bytes([*h0, *h1]);
                return central;
            }
        }
    }

    /// Sends an L2CAP frame in fragments of `size` bytes, from its header on.
    fn frame(&self, frame: &[u8], size: usize) {
        for (i, piece) in frame.chunks(size).enumerate() {
            let [h0, h1] = (self.link | if i == 0 { 0 } else { 0x1000 }).to_le_bytes();
            let head = [2, h0, h1, piece.len() as u8, 0];
            self.controller.send(&[&head, piece].concat());
        }
    }

    fn att(&self, pdu: &[u8]) {
        let [l0, l1] = (pdu.len() as u16).to_le_bytes();
        self.frame(&[&[l0, l1, 4, 0], pdu].concat(), 251);
    }

    /// Waits until the device has taken what was sent; what it answers is not looked at.
    async fn taken(&self) {
        while !matches!(self.controller.receive().await.as_slice(), [4, 0x13, ..]) {}
    }

    /// The next ATT PDU from the device, or `None` if the link was lost.
    async fn answer(&self) -> Option<Vec<u8>> {
        loop {
            match self.controller.receive().await.as_slice() {
                [2, _, _, _, _, _, _, 4, 0, pdu @ ..] => return Some(pdu.to_vec()),
                [4, 0x05, ..] => return None,
                _ => {}
            }
        }
    }

    /// Whether the device still answers a Read Request of handle 1.
    async fn is_answered(&self) -> bool {
        self.att(&[0x0A, 1, 0]);
        loop {
            match self.answer().await.as_deref() {
                Some([0x0B, ..]) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }
}

fn run(test: impl AsyncFn(&SharedAir)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let whole = async {
        let air = SharedAir::new();
        let config = ControllerConfig::with_address([0xC0, 0, 0, 0, 0, 1]);
        let transport = HciSpec::Virtual.open(&air, config).await.unwrap();
        let events = RefCell::new(Vec::new());
        let tell = |event: &Event| events.borrow_mut().push(event.name());
        let keep = |_: &Proven| {};
        let (history, answer) = Default::default();
        let service = Service::new(
            Security::Security0,
            &history,
            &answer,
            &Nothing,
            rand::rng(),
            &tell,
            &keep,
        );
        let device = provision(transport, "PROV_1A2B3C", &service, None, None);
        tokio::select! {
            end = device => panic!("the device's Bluetooth ended: {:?} after {:?}", end.is_ok(), events.borrow()),
            () = test(&air) => {}
            () = tokio::time::sleep(Duration::from_secs(6_000)) => panic!("stuck after {:?}", events.borrow()),
        }
    };
    tokio::task::LocalSet::new().block_on(&runtime, hosttime::virtually(whole));
}

#[test]
fn malformed_att_pdus_do_no_harm() {
    run(async |air| {
        let central = Central::connect(air).await;
        let pdus: &[&[u8]] = &[
            &[],                                // nothing at all
            &[0x52],                            // a write command without a handle
            &[0x12],                            // a write request without a handle
            &[0x0A],                            // a read request without a handle
            &[0x0C, 1, 0],                      // a read blob request without an offset
            &[0x0E],                            // a read multiple request without handles
            &[0x0E, 1],                         // … with half a handle
            &[0x0E, 1, 0, 2],                   // … with one and a half
            &[0x16, 9, 0],                      // a prepare write request without an offset
            &[0x16, 9, 0, 0xFF, 0xFF, 1, 2, 3], // … at the very end
            &[0x16, 9, 0, 0xFF, 0xFF, 1, 2, 3], // … and once more
            &[0x18],                            // an execute write request without flags
            &[0x18, 7],                         // … with strange ones
            &[0x02, 0],                         // half an MTU
            &[0x02, 0, 0],                      // an MTU of 0
            &[0x10, 1, 0, 0xFF, 0xFF],          // read by group type without a type
            &[0x08, 0, 0, 0, 0, 3, 0x28],       // read by type from 0 to 0
            &[0x04, 0xFF, 0xFF, 1, 0],          // find information backwards
            &[0x06, 1, 0, 0xFF, 0xFF, 0, 0x28], // find by type value without a value
            &[0xFF],                            // no such opcode
            &[0x1E],                            // a confirmation of nothing
            &[0x0B, 1, 2, 3],                   // a response to nothing
            &[0x1D, 1, 0, 5],                   // an indication of nothing
        ];
        for pdu in pdus {
            central.att(pdu);
            central.taken().await;
        }
        assert!(central.is_answered().await, "the device lives");
    });
}

#[test]
fn malformed_l2cap_frames_cost_at_most_the_link() {
    run(async |air| {
        let frames: &[(&[u8], usize)] = &[
            (&[0], 251),                                     // half a length
            (&[0, 0, 4], 251),                               // half a channel
            (&[0, 0, 4, 0], 251),                            // an empty ATT PDU
            (&[0, 0, 4, 0], 2),                              // … in pieces
            (&[0xFF, 0xFF, 4, 0, 1], 251),                   // too long to be had
            (&[3, 0, 4, 0, 0x0A, 1, 0, 9, 9], 251),          // more than it says
            (&[3, 0, 4, 0, 0x0A, 1, 0, 9, 9], 5),            // … in pieces
            (&[0, 0, 5, 0], 251),                            // an empty signal
            (&[4, 0, 5, 0, 0x12, 1, 0xFF, 0xFF], 251),       // a signal that claims more
            (&[8, 0, 5, 0, 0x12, 1, 4, 0, 1, 2, 3, 4], 251), // a short parameter request
            (&[0, 0, 6, 0], 251),                            // an empty pairing PDU
            (&[1, 0, 6, 0, 1], 251),                         // a short pairing request
            (&[7, 0, 6, 0, 1, 3, 0, 1, 16, 1, 1], 251),      // a pairing request
            (&[1, 0, 0x40, 0, 1], 251),                      // a channel that nobody opened
        ];
        for (frame, size) in frames {
            let central = Central::connect(air).await;
            central.frame(frame, *size);
            central.att(&[0x0A, 1, 0]);
            // It goes without a word; the device notices by the supervision timeout.
            drop(central);
        }
        let central = Central::connect(air).await;
        assert!(
            central.is_answered().await,
            "the device lives, and takes the next client"
        );
    });
}

#[test]
fn clients_that_leave_before_they_were_noticed_do_not_stop_the_advertising() {
    run(async |air| {
        for _ in 0..5 {
            let central = Central::connect(air).await;
            let [h0, h1] = central.link.to_le_bytes();
            central.command(0x0406, &[h0, h1, 0x13]);
        }
        // Espressif's iOS app gives up after 20 seconds.
        let start = embassy_time::Instant::now();
        let central = Central::connect(air).await;
        let waited = start.elapsed();
        assert!(waited < embassy_time::Duration::from_secs(18), "{waited}");
        assert!(
            central.is_answered().await,
            "the device takes the next client"
        );
    });
}

/// Repeatable noise (splitmix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as usize % below
    }

    /// A frame that is right on the outside more often than not.
    fn frame(&mut self) -> Vec<u8> {
        let opcodes = [
            0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0E, 0x10, 0x12, 0x16, 0x18, 0x52,
        ];
        let channel = [4, 4, 4, 4, 4, 5, 5, 6, 0x40, 0x3A][self.next(10)];
        let mut body: Vec<u8> = (0..self.next(40)).map(|_| self.next(256) as u8).collect();
        if let [first, second, third, ..] = body.as_mut_slice() {
            if channel == 4 {
                *first = opcodes[self.next(opcodes.len())];
            } else if channel == 5 {
                *first = [0x01, 0x0A, 0x12, 0x14, 0x16, 0x17][self.next(6)];
            }
            // Handles and ranges that exist.
            *second = self.next(30) as u8;
            *third = 0;
        }
        let length = if self.next(8) == 0 {
            self.next(80)
        } else {
            body.len()
        };
        [&[length as u8, 0, channel, 0], body.as_slice()].concat()
    }
}

#[test]
fn noise_costs_at_most_the_link() {
    run(async |air| {
        let mut noise = Noise(1);
        for _ in 0..150 {
            let central = Central::connect(air).await;
            for _ in 0..8 {
                let frame = noise.frame();
                central.frame(&frame, [3, 9, 251][noise.next(3)]);
            }
            // Lets the device work on it.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
        let central = Central::connect(air).await;
        assert!(
            central.is_answered().await,
            "the device lives, and takes the next client"
        );
    });
}
