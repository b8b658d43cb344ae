//! Two or more controllers, one clock that the test moves, bytes in and bytes out.

mod links;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Air with a clock.
struct Bench {
    air: Air,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self {
            air: Air::new(),
            now: Duration::ZERO,
        }
    }

    /// A controller whose host has reset it and unmasked everything.
    fn host(&mut self, n: u8) -> Port {
        let port = self
            .air
            .add(ControllerConfig::with_address([0xC0, 0, 0, 0, 0, n]));
        self.ok(port, 0x0C03, &[]);
        self.ok(port, 0x0C01, &[0xFF; 8]);
        self.ok(port, 0x2001, &[0xFF; 8]);
        port
    }

    fn send(&mut self, port: Port, opcode: u16, parameters: &[u8]) {
        let [a, b] = opcode.to_le_bytes();
        let packet = [&[1, a, b, parameters.len() as u8], parameters].concat();
        self.air.from_host(port, &packet, self.now);
    }

    /// Everything that is due for a host.
    fn take(&mut self, port: Port) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.air.to_host(port, self.now)).collect()
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(t) = self.air.next_deadline().filter(|t| *t <= end) {
            self.now = self.now.max(t);
            self.air.poll(self.now);
        }
        self.now = end;
        self.air.poll(end);
    }

    /// Sends a command that is answered by Command Complete, and returns its status and values.
    fn run(&mut self, port: Port, opcode: u16, parameters: &[u8]) -> Vec<u8> {
        self.send(port, opcode, parameters);
        let [a, b] = opcode.to_le_bytes();
        let answers: Vec<_> = self
            .take(port)
            .into_iter()
            .filter(|p| p[1] == 0x0E)
            .collect();
        assert_eq!(answers.len(), 1, "one answer to {opcode:#06x}");
        assert_eq!(answers[0][3..6], [1, a, b]);
        answers[0][6..].to_vec()
    }

    fn ok(&mut self, port: Port, opcode: u16, parameters: &[u8]) {
        assert_eq!(
            self.run(port, opcode, parameters)[0],
            0,
            "{opcode:#06x} succeeds"
        );
    }

    fn advertise(&mut self, port: Port) {
        self.ok(
            port,
            0x2006,
            &[0x00, 0x01, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0],
        );
        let mut data = [0; 32];
        data[..4].copy_from_slice(&[3, 2, 1, 6]);
        self.ok(port, 0x2008, &data);
        let mut response = [0; 32];
        response[..6].copy_from_slice(&[5, 4, 9, b'D', b'e', b'v']);
        self.ok(port, 0x2009, &response);
        self.ok(port, 0x200A, &[1]);
    }

    fn connect(&mut self, central: Port, peripheral: u8) {
        let parameters = [
            &[0x60, 0, 0x30, 0, 0, 0, peripheral, 0, 0, 0, 0, 0xC0, 0][..],
            &[0x18, 0, 0x28, 0, 0, 0, 0x2A, 0, 0, 0, 0, 0],
        ]
        .concat();
        self.send(central, 0x200D, &parameters);
        assert!(
            self.take(central)
                .contains(&vec![4, 0x0F, 4, 0, 1, 0x0D, 0x20]),
            "the attempt is accepted"
        );
        self.wait(500 * MS);
    }

    /// Two hosts with a link between them; their queues are empty, handles are 0x0040.
    fn linked() -> (Self, Port, Port) {
        let mut bench = Self::new();
        let (a, b) = (bench.host(1), bench.host(2));
        bench.advertise(b);
        bench.connect(a, 2);
        bench.take(a);
        bench.take(b);
        (bench, a, b)
    }

    fn acl(&mut self, port: Port, flags: u8, data: &[u8]) {
        let [l0, l1] = (data.len() as u16).to_le_bytes();
        self.air.from_host(
            port,
            &[&[2, 0x40, flags << 4, l0, l1], data].concat(),
            self.now,
        );
    }
}

/// The subevents of LE Meta events.
fn subevents(packets: &[Vec<u8>]) -> Vec<u8> {
    packets
        .iter()
        .filter(|p| p[1] == 0x3E)
        .map(|p| p[3])
        .collect()
}

#[test]
fn a_controller_introduces_itself() {
    let mut b = Bench::new();
    let port = b.host(7);
    assert_eq!(
        b.run(port, 0x1009, &[]),
        [0, 7, 0, 0, 0, 0, 0xC0],
        "the address, least significant byte first"
    );
    assert_eq!(b.run(port, 0x2002, &[]), [0, 251, 0, 8], "LE buffers");
    let version = b.run(port, 0x1001, &[]);
    assert_eq!((version.len(), version[1]), (9, 0x0D));
    let commands = b.run(port, 0x1002, &[]);
    assert_eq!(commands.len(), 65);
    assert_ne!(commands[1 + 5] & 0x80, 0, "reset is octet 5, bit 7");
    assert_eq!(b.run(port, 0x1003, &[])[1 + 4], 0x60, "LE, and no BR/EDR");
    assert_eq!(
        b.run(port, 0x2003, &[])[2] & 0x10,
        0x10,
        "extended advertising"
    );
}

#[test]
fn no_command_stays_without_an_answer() {
    let mut b = Bench::new();
    let port = b.host(1);
    for opcode in 0..=u16::MAX {
        if opcode == 0x0C35 {
            continue; // Host Number Of Completed Packets has no answer
        }
        b.send(port, opcode, &[0; 64]);
        let answers = b
            .take(port)
            .iter()
            .filter(|p| matches!(p[1], 0x0E | 0x0F))
            .count();
        assert_eq!(answers, 1, "{opcode:#06x}");
    }
    b.send(port, 0xFC01, &[]);
    assert_eq!(
        b.take(port),
        [[4, 0x0F, 4, 0x01, 1, 0x01, 0xFC]],
        "Unknown HCI Command"
    );
}

#[test]
fn short_parameters_are_refused() {
    let mut b = Bench::new();
    let port = b.host(1);
    for opcode in [
        0x0C01, 0x2006, 0x2008, 0x200B, 0x2011, 0x2022, 0x2036, 0x2037, 0x2041,
    ] {
        let answer = b.run(port, opcode, &[]);
        assert!(
            answer == [0x12] || answer == [0x0C],
            "{opcode:#06x}: {answer:02x?}"
        );
    }
    // Truncated below what its length byte says, and no packet at all.
    b.air.from_host(port, &[1, 0x06], b.now);
    b.air.from_host(port, &[], b.now);
    b.air.from_host(port, &[2, 0x40], b.now);
    assert!(b.take(port).is_empty());
}

#[test]
fn an_active_scanner_hears_the_advertisement_and_the_scan_response() {
    let mut b = Bench::new();
    let (scanner, advertiser) = (b.host(1), b.host(2));
    b.advertise(advertiser);
    b.ok(scanner, 0x200B, &[1, 0x10, 0, 0x10, 0, 0, 0]);
    b.ok(scanner, 0x200C, &[1, 1]);
    b.wait(1000 * MS);
    let reports = b.take(scanner);
    let address = [0, 2, 0, 0, 0, 0, 0xC0];
    let adv = [
        &[4, 0x3E, 15, 2, 1, 0],
        &address[..],
        &[3, 3, 2, 1],
        &[0xD8],
    ]
    .concat();
    assert_eq!(reports.len(), 2, "duplicates are filtered: {reports:02x?}");
    assert_eq!(reports[0][..14], adv[..14]);
    assert_eq!(reports[1][5], 4, "a scan response");
    assert_eq!(&reports[1][13..18], [5, 4, 9, b'D', b'e']);
    b.ok(scanner, 0x200C, &[1, 0]);
    b.wait(1000 * MS);
    assert!(
        b.take(scanner).len() >= 10,
        "every event, without the filter"
    );
    b.ok(scanner, 0x200C, &[0, 0]);
    b.wait(1000 * MS);
    assert!(b.take(scanner).is_empty());
}

#[test]
fn lost_reports_are_lost() {
    let mut b = Bench::new();
    let (scanner, advertiser) = (b.host(1), b.host(2));
    b.air.faults(scanner).unwrap().lost_reports = u32::MAX;
    b.advertise(advertiser);
    b.ok(scanner, 0x200B, &[0, 0x10, 0, 0x10, 0, 0, 0]);
    b.ok(scanner, 0x200C, &[1, 0]);
    b.wait(1000 * MS);
    assert!(b.take(scanner).is_empty());
    b.air.faults(scanner).unwrap().lost_reports = 1;
    b.wait(1000 * MS);
    assert!(!b.take(scanner).is_empty());
}

#[test]
fn the_two_advertising_interfaces_do_not_mix() {
    let mut b = Bench::new();
    let port = b.host(1);
    b.advertise(port);
    assert_eq!(b.run(port, 0x203B, &[]), [0x0C]);
    b.ok(port, 0x0C03, &[]);
    assert_eq!(b.run(port, 0x203B, &[]), [0, 8]);
    assert_eq!(b.run(port, 0x200A, &[1]), [0x0C]);
}

/// Extended parameters for set 0, every 160 ms.
fn set_parameters(properties: u16) -> Vec<u8> {
    let [p0, p1] = properties.to_le_bytes();
    [
        &[0, p0, p1, 0, 1, 0, 0, 1, 0, 7, 0][..],
        &[0; 7],
        &[0, 127, 1, 0, 1, 0, 0],
    ]
    .concat()
}

#[test]
fn extended_advertising_is_heard_and_answered_by_extended_hosts() {
    let mut b = Bench::new();
    let (central, peripheral) = (b.host(1), b.host(2));
    assert_eq!(b.run(peripheral, 0x2036, &set_parameters(0x01)), [0, 0]);
    let data = [0xAB; 251];
    b.ok(peripheral, 0x2037, &[&[0, 1, 1, 251], &data[..]].concat());
    b.ok(peripheral, 0x2037, &[&[0, 2, 1, 49], &data[..49]].concat());
    b.ok(peripheral, 0x2039, &[1, 1, 0, 0, 0, 0]);
    b.ok(central, 0x2041, &[0, 0, 1, 1, 0x10, 0, 0x10, 0]);
    b.ok(central, 0x2042, &[1, 1, 0, 0, 0, 0]);
    b.wait(10 * MS);
    let reports = b.take(central);
    assert_eq!(
        subevents(&reports),
        [0x0D, 0x0D],
        "300 bytes in two reports"
    );
    assert_eq!(reports[0][5..7], [0x21, 0], "connectable, more to come");
    assert_eq!(reports[1][5..7], [0x01, 0], "complete");
    assert_eq!(
        usize::from(reports[0][28]) + usize::from(reports[1][28]),
        300
    );

    let phy = [
        0x60, 0, 0x30, 0, 0x18, 0, 0x28, 0, 0, 0, 0x2A, 0, 0, 0, 0, 0,
    ];
    b.send(
        central,
        0x2043,
        &[&[0, 0, 0, 2, 0, 0, 0, 0, 0xC0, 1], &phy[..]].concat(),
    );
    b.wait(500 * MS);
    assert!(subevents(&b.take(central)).contains(&0x0A));
    let packets = b.take(peripheral);
    assert_eq!(subevents(&packets), [0x0A, 0x12, 0x07]);
    assert_eq!(
        packets[1][3..],
        [0x12, 0, 0, 0x40, 0, 0],
        "set 0 ended with link 0x0040"
    );
}

#[test]
fn limited_sets_end_by_themselves() {
    let mut b = Bench::new();
    let (port, listener) = (b.host(1), b.host(2));
    b.run(port, 0x2036, &set_parameters(0x13));
    b.ok(port, 0x2039, &[1, 1, 0, 10, 0, 0]);
    b.wait(99 * MS);
    assert!(b.take(port).is_empty());
    b.wait(2 * MS);
    assert_eq!(
        b.take(port)[0][3..6],
        [0x12, 0x3C, 0],
        "Advertising Timeout"
    );
    b.ok(listener, 0x2041, &[0, 0, 1, 0, 0x10, 0, 0x10, 0]);
    b.ok(listener, 0x2042, &[1, 0, 30, 0, 0, 0]);
    b.ok(port, 0x2039, &[1, 1, 0, 0, 0, 2]);
    b.wait(500 * MS);
    assert_eq!(
        b.take(port)[0][3..],
        [0x12, 0x43, 0, 0, 0, 2],
        "Limit Reached after two events"
    );
    let heard = subevents(&b.take(listener));
    assert_eq!(
        heard,
        [0x0D, 0x0D, 0x11],
        "two reports, then the end of the scan"
    );
}

#[test]
fn the_accept_list_governs_whom_a_controller_hears() {
    let mut b = Bench::new();
    let (scanner, advertiser) = (b.host(1), b.host(2));
    b.advertise(advertiser);
    b.ok(scanner, 0x200B, &[0, 0x10, 0, 0x10, 0, 0, 1]);
    b.ok(scanner, 0x200C, &[1, 0]);
    b.wait(500 * MS);
    assert!(b.take(scanner).is_empty());
    b.ok(scanner, 0x2011, &[0, 2, 0, 0, 0, 0, 0xC0]);
    b.wait(500 * MS);
    assert!(!b.take(scanner).is_empty());
}

#[test]
fn random_addresses_have_to_be_set_before_they_are_used() {
    let mut b = Bench::new();
    let port = b.host(1);
    b.ok(port, 0x200B, &[1, 0x10, 0, 0x10, 0, 1, 0]);
    assert_eq!(b.run(port, 0x200C, &[1, 0]), [0x12]);
    b.ok(port, 0x2005, &[1, 2, 3, 4, 5, 0xC6]);
    b.ok(port, 0x200C, &[1, 0]);
    assert_eq!(
        b.run(port, 0x2005, &[1, 2, 3, 4, 5, 0xC6]),
        [0x0C],
        "not while scanning"
    );
}

/// Repeatable noise (splitmix64).
fn noise(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn hosts_that_send_noise_do_no_harm() {
    let mut state = 1;
    for round in 0..200 {
        let (mut b, a, c) = Bench::linked();
        for _ in 0..200 {
            let port = if noise(&mut state) & 1 == 0 { a } else { c };
            let length = noise(&mut state) as usize % 40;
            let mut packet: Vec<u8> = (0..length)
                .map(|_| noise(&mut state) as u8 >> (noise(&mut state) % 8))
                .collect();
            if let [kind, o0, o1, ..] = packet.as_mut_slice() {
                // Mostly commands that exist, and data for the link that exists.
                *kind = [1, 1, 1, 2, 2, *kind][noise(&mut state) as usize % 6];
                if *kind == 1 {
                    (*o0, *o1) = (*o0 % 0x50, [0x20, 0x20, 0x0C, 0x04, 0x10][round % 5]);
                } else {
                    (*o0, *o1) = (0x40, *o1 & 0x30);
                }
            }
            b.air.from_host(port, &packet, b.now);
            b.wait(Duration::from_millis(noise(&mut state) % 40));
            b.take(a);
            b.take(c);
        }
        // Both still do what a controller does first.
        for port in [a, c] {
            b.ok(port, 0x0C03, &[]);
        }
    }
}

#[test]
fn a_controller_of_bluetooth_4_does_not_know_the_extended_commands() {
    let mut b = Bench::new();
    let config = ControllerConfig {
        extended: false,
        ..ControllerConfig::default()
    };
    let port = b.air.add(config);
    b.send(port, 0x2036, &[0; 25]);
    assert_eq!(b.take(port), [[4, 0x0F, 4, 0x01, 1, 0x36, 0x20]]);
    assert_eq!(b.run(port, 0x2003, &[])[2] & 0x10, 0);
    assert_eq!(b.run(port, 0x1002, &[])[1 + 36], 0, "none of octet 36");
}
