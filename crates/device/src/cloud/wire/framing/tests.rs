//! Streams of packets, cut in every way, against what a reader of whole packets would make of them.

use super::*;
use alloc::vec;
use alloc::vec::Vec;

use crate::cloud::tests::broker::packet;

const MOST: u32 = 200;

/// Gives a stream to a library that takes `at_once` bytes at a time, read `at_once` at a time.
fn run(stream: &[u8], at_once: usize) -> (Vec<u8>, Vec<Noticed>) {
    run_in_pieces(stream, || at_once)
}

/// The same with pieces of any size.
fn run_in_pieces(stream: &[u8], mut size: impl FnMut() -> usize) -> (Vec<u8>, Vec<Noticed>) {
    let mut framing = Framing::new(MOST);
    let (mut out, mut noticed) = (Vec::new(), Vec::new());
    let mut rest = stream;
    loop {
        let at_once = size();
        let take = |most: u32, rest: &mut &[u8]| {
            let (taken, left) = rest.split_at(at_once.min(most as usize).min(rest.len()));
            *rest = left;
            taken.to_vec()
        };
        match framing.next() {
            Next::HandOn => {
                let mut buffer = vec![0; at_once];
                let length = framing.hand_on(&mut buffer);
                assert!(length > 0, "no progress");
                out.extend(&buffer[..length]);
            }
            Next::Feed(_) | Next::Pass(_) if rest.is_empty() => return (out, noticed),
            Next::Feed(most) => {
                assert!(most > 0);
                noticed.extend(framing.feed(&take(most, &mut rest)));
            }
            Next::Pass(most) => {
                let bytes = take(most, &mut rest);
                noticed.extend(framing.pass(&bytes));
                out.extend(bytes);
            }
        }
    }
}

fn publish(first: u8, topic: &str, id: &[u8], rest: usize) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend(topic.bytes());
    body.extend(id);
    // Properties and payload full of what looks like packets.
    body.extend([0xe0, 0x01, 0x8e, 0x20].iter().cycle().take(rest));
    packet(first, &body)
}

/// The packets' way through, however they are cut.
fn check(packets: &[Vec<u8>], expected: &[Vec<u8>], shortened: &[u32]) {
    for at_once in [1, 2, 3, 7, 64, 100_000] {
        let (out, noticed) = run(&packets.concat(), at_once);
        assert_eq!(out, expected.concat(), "{at_once} at once");
        let told = noticed.iter().filter_map(|noticed| match noticed {
            Noticed::Shortened(total) => Some(*total),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), shortened);
    }
}

#[test]
fn what_fits_passes_as_it_is() {
    let whole = [
        packet(0x20, &[0, 0, 0]),
        packet(0xd0, &[]),
        publish(0x30, "a/b", &[], 195 - 3),
        publish(0x32, "a/b", &[0, 9], 0),
        packet(0x40, &[0, 1]),
    ];
    assert_eq!(whole[2].len(), MOST as usize);
    check(&whole, &whole, &[]);
}

#[test]
fn a_message_too_large_keeps_its_topic_and_identifier() {
    for (first, id) in [(0x30, &[][..]), (0x32, &[1, 2]), (0x3d, &[3, 4])] {
        for rest in [193, 200, 20_000, 3_000_000] {
            let large = publish(first, "a/b", id, rest);
            let mut body = vec![0, 3, b'a', b'/', b'b'];
            body.extend(id);
            body.push(0);
            let total = large.len() as u32;
            let before = packet(0xd0, &[]);
            let after = publish(0x32, "c", &[0, 1], 5);
            check(
                &[before.clone(), large.clone(), large, after.clone()],
                &[before, packet(first, &body), packet(first, &body), after],
                &[total, total],
            );
        }
    }
}

#[test]
fn the_largest_message_of_mqtt_is_passed_over() {
    let mut framing = Framing::new(MOST);
    framing.feed(&[0x32, 0xff, 0xff, 0xff, 0x7f]);
    framing.feed(&[0, 1, b'x', 0, 7]);
    let mut left: u32 = 268_435_455 - 5;
    while left > 0 {
        assert_eq!(framing.next(), Next::Feed(left));
        let count = left.min(65_536);
        let noticed = framing.feed(&vec![0x32; count as usize]);
        left -= count;
        assert_eq!(noticed.is_some(), left == 0);
    }
    let mut out = [0; 16];
    assert_eq!(framing.hand_on(&mut out), 8);
    assert_eq!(out[..8], [0x32, 6, 0, 1, b'x', 0, 7, 0]);
}

#[test]
fn a_topic_too_long_is_replaced() {
    let long = "t".repeat(MOST_TOPIC + 1);
    let large = publish(0x32, &long, &[0, 7], 400);
    let total = large.len() as u32;
    check(&[large], &[packet(0x32, &[0, 1, b'?', 0, 7, 0])], &[total]);
    let longest = "t".repeat(MOST_TOPIC);
    let large = publish(0x32, &longest, &[0, 7], 400);
    let total = large.len() as u32;
    check(
        &[large],
        &[publish(0x32, &longest, &[0, 7, 0], 0)],
        &[total],
    );
}

#[test]
fn what_is_no_message_is_left_to_the_library() {
    for packet in [
        packet(0x90, &[0; 300]),
        // No quality of service is 3.
        publish(0x36, "a", &[0, 1], 400),
        vec![0x30, 0xff, 0xff, 0xff, 0xff, 1, 2, 3],
    ] {
        check(
            core::slice::from_ref(&packet),
            core::slice::from_ref(&packet),
            &[],
        );
    }
    // A topic past the end of its packet.
    let mut body = vec![0xff; 300];
    body[0] = 0x7f;
    let total = packet(0x32, &body).len() as u32;
    check(&[packet(0x32, &body)], &[vec![0x32, 0]], &[total]);
}

#[test]
fn only_what_refuses_or_ends_a_connection_tells_a_reason() {
    fn reasons(stream: &[u8]) -> Vec<Noticed> {
        let mut all = Vec::new();
        for at_once in [1, 2, 64] {
            let (_, noticed) = run(stream, at_once);
            let reason = |n: &Noticed| matches!(n, Noticed::Connack(_) | Noticed::Disconnect(_));
            all.push(noticed.into_iter().filter(reason).collect::<Vec<_>>());
        }
        assert!(all.iter().all(|noticed| *noticed == all[0]), "{all:?}");
        all.swap_remove(0)
    }
    // PINGRESP, a PUBLISH full of what looks like a DISCONNECT, DISCONNECT with properties.
    let mut stream = vec![0xd0, 0, 0x30, 0x82, 0x01];
    stream.extend([0xe0, 0x8e].iter().cycle().take(130));
    stream.extend([0xe0, 2, 0x8e, 0]);
    assert_eq!(reasons(&stream), [Noticed::Disconnect(0x8e)]);
    assert_eq!(reasons(&[0xe0, 0]), [Noticed::Disconnect(0)]);
    assert_eq!(reasons(&[0xe0, 1, 0x8b]), [Noticed::Disconnect(0x8b)]);
    // CONNACK with a property.
    let connack = [0x20, 6, 0, 0x8a, 3, 0x21, 0x8a, 0x8a];
    assert_eq!(reasons(&connack), [Noticed::Connack(0x8a)]);
    let large = publish(0x30, "a", &[], 1_000);
    assert_eq!(reasons(&large), []);
}

#[test]
fn no_bytes_panic() {
    for byte in 0..=255 {
        run(&[byte; 64], 3);
        run(&[0x30, 0xff, 0x01, byte, byte, byte, byte, byte], 1);
        run(&[0xe0, 0xff, 0xff, 0xff, byte, 1, 2, 3], 2);
    }
}

#[test]
fn any_packets_in_any_pieces_are_those_of_a_reader_of_whole_packets() {
    // Numerical Recipes' generator: no more is needed.
    let mut seed: u32 = 7;
    let mut dice = |sides: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % sides
    };
    for _ in 0..500 {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..dice(12) {
            let qos = dice(3) as u8;
            let id: &[u8] = if qos > 0 { &[1, 2] } else { &[] };
            let topic = "t".repeat(dice(90) as usize);
            let rest = if dice(2) == 0 { dice(40) } else { dice(700) };
            let whole = match dice(3) {
                0 => packet(0x40, &vec![0; dice(9) as usize]),
                _ => publish(0x30 | qos << 1, &topic, id, rest as usize),
            };
            stream.extend(&whole);
            expected.extend(if whole.len() <= MOST as usize {
                whole
            } else {
                let topic = if topic.len() > MOST_TOPIC {
                    "?"
                } else {
                    &topic
                };
                let mut short = publish(0x30 | qos << 1, topic, id, 0);
                short[1] += 1;
                short.push(0);
                short
            });
        }
        let (out, _) = run_in_pieces(&stream, || 1 + dice(80) as usize);
        assert_eq!(out, expected);
    }
}
