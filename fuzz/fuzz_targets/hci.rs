//! The virtual radio: H4 streams cut anywhere, HCI commands and data of any kind to two
//! controllers, and what is read back from them.
#![no_main]

use std::time::Duration;

use fuzz::Script;
use libfuzzer_sys::fuzz_target;
use vhci::btsnoop::{Btsnoop, Direction};
use vhci::{Air, ControllerConfig, Framer, raw};

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let mut air = Air::new();
    let ports = [1, 2].map(|n| air.add(ControllerConfig::with_address([0xC0, 0, 0, 0, 0, n])));
    let mut framers = [Framer::new(), Framer::new()];
    let mut log = Btsnoop::new(Vec::new());
    let mut now = Duration::ZERO;
    let mut packets = 0;
    for _ in 0..400 {
        let Some(step) = script.byte() else { break };
        let index = usize::from(step & 1);
        match step >> 1 & 7 {
            // A stream of bytes.
            0 | 1 => framers[index].push(script.short_string()),
            // A whole command, or data on a link that may exist.
            2..=4 => {
                let opcode = script.short().to_le_bytes();
                let parameters = script.short_string();
                let head = [1, opcode[0], opcode[1], parameters.len() as u8];
                framers[index].push(&[&head, parameters].concat());
            }
            5 => {
                let data = script.short_string();
                let head = [2, 0x40, step >> 4 << 4, data.len() as u8, 0];
                framers[index].push(&[&head, data].concat());
            }
            6 => now += Duration::from_millis(script.short().into()),
            _ => air.drop_links(ports[index], now),
        }
        while let Ok(Some(packet)) = framers[index].pop() {
            packets += 1;
            log.packet(Direction::Sent, &packet, std::time::UNIX_EPOCH);
            air.from_host(ports[index], &packet, now);
        }
        air.poll(now);
        if let Some(next) = air.next_deadline() {
            assert!(
                next + Duration::from_secs(1) > now,
                "a deadline that was missed"
            );
        }
        for port in ports {
            let mut heard = 0;
            while let Some(packet) = air.to_host(port, now) {
                heard += 1;
                assert!(heard < 10_000, "a controller that never rests");
                take(&packet);
            }
        }
    }
    let _ = (packets, log.finish());
});

/// What comes from a controller is whole, and can be read as what hosts read.
fn take(packet: &[u8]) {
    let mut framer = Framer::new();
    framer.push(packet);
    assert_eq!(framer.pop().as_ref(), Ok(&Some(packet.to_vec())));
    for piece in raw::fragment(packet.to_vec(), 27) {
        let mut rx = [0; 300];
        let read = raw::decode::<raw::RawPacket>(&piece, &mut rx);
        assert_eq!(read.expect("whole").0, piece);
    }
}
