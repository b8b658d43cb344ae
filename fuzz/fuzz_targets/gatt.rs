//! Bluetooth as a stranger in reach can use it: L2CAP frames and ATT requests of every kind, cut
//! as he likes, any command to his own controller, links that come and go.
//!
//! The device does not panic, its service goes on, and afterwards somebody else can connect and
//! read what it speaks.
#![no_main]

use device::event::Event;
use device::provisioning::{Proven, Service, provision};
use fuzz::body::Radio;
use fuzz::stranger::Stranger;
use fuzz::time::{self, Task};
use fuzz::{Noise, Script, phone};
use libfuzzer_sys::fuzz_target;
use protocomm::wire::version::{REQUEST, Version};

/// ATT's channel.
const ATT: u16 = 4;
/// The first of the handles that the service's values have, and how far apart they are.
const FIRST_VALUE: u16 = 9;
const STRIDE: u16 = 3;
/// Which of them is `proto-ver`.
const VERSION: u16 = FIRST_VALUE + 4 * STRIDE;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let number = script.byte_or_0();
    time::reset();
    let radio = Radio::default();
    let tell = |event: &Event| drop(event.to_string());
    let kept = std::cell::Cell::new(0);
    let keep = |_: &Proven| kept.set(kept.get() + 1);
    let (history, answer) = Default::default();
    let service = Service::new(
        phone::security(number),
        &history,
        &answer,
        &radio,
        Noise(1),
        &tell,
        &keep,
    );
    let (mut stranger, controller) = Stranger::new();
    let mut device = Task::new(provision(controller, "PROV_ABCDEF", &service, None, None));
    let mut over = stranger.pass(&mut device, 10).is_some();
    stranger.connect();
    over |= stranger.pass(&mut device, 200).is_some();
    assert!(!over && stranger.handle.is_some(), "anybody can connect");
    for _ in 0..120 {
        let Some(step) = script.byte() else { break };
        act(step, &mut stranger, &mut script);
        stranger.heard.clear();
        let ms = if step & 0xF == 9 {
            u64::from(script.short())
        } else {
            2
        };
        if let Some(result) = stranger.pass(&mut device, ms) {
            // Nobody but a client that set a network which works ends the service.
            assert!(
                result.is_ok() && kept.get() > 0,
                "a stranger ended the service"
            );
            assert_eq!(number % phone::SECURITIES, 0, "without a session");
            return;
        }
    }
    goes_on(stranger, &mut device, &|| kept.get() > 0);
});

fn act(step: u8, stranger: &mut Stranger, script: &mut Script<'_>) {
    let value = |script: &mut Script<'_>| FIRST_VALUE + STRIDE * u16::from(script.byte_or_0() % 6);
    let request = |opcode: u8, handle: u16, rest: &[u8]| {
        [&[opcode], &handle.to_le_bytes()[..], rest].concat()
    };
    match step & 0xF {
        // An ATT PDU of any kind.
        0 | 1 => {
            let piece = script.byte_or_0();
            stranger.frame(ATT, script.string(), piece.into());
        }
        // A write, a read, the rest of a long read.
        2 | 3 => {
            let handle = value(script);
            stranger.frame(ATT, &request(0x12, handle, script.string()), 251);
        }
        4 => {
            let handle = value(script);
            stranger.frame(ATT, &request(0x0A, handle, &[]), 251);
        }
        5 => {
            let handle = value(script);
            let offset = script.short().to_le_bytes();
            stranger.frame(ATT, &request(0x0C, handle, &offset), 251);
        }
        // A part of a long write, and its end.
        6 => {
            let handle = value(script);
            let part = [&script.short().to_le_bytes(), script.string()].concat();
            stranger.frame(ATT, &request(0x16, handle, &part), 251);
        }
        7 => stranger.frame(ATT, &[0x18, script.byte_or_0()], 251),
        // A larger MTU.
        8 => {
            let [low, high] = script.short().to_le_bytes();
            stranger.frame(ATT, &[0x02, low, high], 251);
        }
        // Nothing, for a while.
        9 => {}
        // Any channel; pieces that make no frame; packets that make no piece.
        10 => {
            let channel = script.short();
            stranger.frame(channel, script.string(), 251);
        }
        11 => {
            let first = script.byte_or_0() & 1 == 0;
            stranger.acl(first, script.string());
        }
        12 => stranger.packet(script.string()),
        13 => {
            let opcode = script.short();
            stranger.command(opcode, script.short_string());
        }
        14 => stranger.disconnect(),
        _ => stranger.connect(),
    }
}

/// The stranger is gone; somebody else connects and asks for the version.
fn goes_on<T>(mut client: Stranger, device: &mut Task<'_, T>, proven: &dyn Fn() -> bool) {
    client.start_over();
    // A supervision timeout, and two rounds of advertising.
    let over = client.pass(device, 45_000).is_some();
    client.connect();
    if over || client.pass(device, 1_000).is_some() {
        assert!(proven(), "a stranger ended the service");
        return;
    }
    assert!(client.handle.is_some(), "somebody else can connect");
    client.heard.clear();
    let [low, high] = VERSION.to_le_bytes();
    client.frame(ATT, &[&[0x12, low, high], REQUEST].concat(), 251);
    let mut over = client.pass(device, 50).is_some();
    client.frame(ATT, &[0x02, 0, 2], 251);
    over |= !over && client.pass(device, 50).is_some();
    client.frame(ATT, &[0x0A, low, high], 251);
    over |= !over && client.pass(device, 50).is_some();
    if over {
        assert!(proven(), "a stranger ended the service");
        return;
    }
    let heard = &client.heard;
    let answers = |opcode: u8| heard.iter().find(|frame| frame.get(4) == Some(&opcode));
    assert!(
        answers(0x13).is_some(),
        "the write is answered: {heard:02x?}"
    );
    let reply = answers(0x0B).expect("the read is answered");
    assert!(Version::decode(&reply[5..]).is_ok());
}
