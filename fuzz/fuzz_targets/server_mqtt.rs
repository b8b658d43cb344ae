//! The server's MQTT port: any bytes, and packets of both versions put together, from somebody
//! who knows a token or not.
//!
//! The server answers with packets, ends the connection when its client does, and goes on.
#![no_main]

use fuzz::{Script, server};
use libfuzzer_sys::fuzz_target;

const TOPICS: [&str; 8] = [
    "v1/devices/me/telemetry",
    "v1/devices/me/attributes",
    "v1/devices/me/attributes/request/1",
    "v1/devices/me/rpc/response/1",
    "v1/devices/me/rpc/request/1",
    "v1/devices/me/claim",
    "v2/fw/request/1/chunk/0",
    "v1/devices/me/rpc/request/+",
];

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let kind = script.byte_or_0();
    let v5 = kind & 1 == 1;
    let mut bytes = Vec::new();
    if kind & 2 == 0 {
        let mut body = vec![
            0,
            4,
            b'M',
            b'Q',
            b'T',
            b'T',
            if v5 { 5 } else { 4 },
            0x82,
            0,
            9,
        ];
        if v5 {
            body.push(0);
        }
        let token = if kind & 4 == 0 { server::TOKEN } else { "x" };
        for text in [&b"c"[..], token.as_bytes()] {
            push(&mut body, text);
        }
        packet(&mut bytes, 0x10, &body);
    }
    for _ in 0..60 {
        let Some(step) = script.byte() else { break };
        step_of(step, v5, &mut script, &mut bytes);
    }
    let reply = server::with(|running| server::exchange(running.mqtt_addr(), &bytes, false));
    check(&reply);
    if kind & 0x38 == 0x38 {
        // Others are served as before.
        let hello = [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 9, 0, 0];
        let refused = server::with(|running| server::exchange(running.mqtt_addr(), &hello, false));
        assert_eq!(refused.first(), Some(&0x20), "a CONNACK");
    }
});

fn push(body: &mut Vec<u8>, text: &[u8]) {
    body.extend((text.len() as u16).to_be_bytes());
    body.extend_from_slice(text);
}

fn packet(bytes: &mut Vec<u8>, first: u8, body: &[u8]) {
    bytes.push(first);
    let mut length = body.len();
    while length > 127 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(body);
}

fn step_of(step: u8, v5: bool, script: &mut Script<'_>, bytes: &mut Vec<u8>) {
    let mut body = Vec::new();
    match step & 7 {
        0 => return bytes.extend_from_slice(script.string()),
        1 => {
            let first = script.byte_or_0();
            body.extend_from_slice(script.string());
            return packet(bytes, first, &body);
        }
        2..=4 => {
            let quality = step >> 4 & 3;
            push(&mut body, topic(script));
            if quality > 0 {
                body.extend([0, step | 1]);
            }
            if v5 {
                properties(step, script, &mut body);
            }
            body.extend_from_slice(script.string());
            packet(bytes, 0x30 | quality << 1 | step >> 7, &body);
        }
        5 | 6 => {
            let subscribe = step & 7 == 5;
            body.extend([0, step | 1]);
            if v5 {
                properties(step, script, &mut body);
            }
            push(&mut body, topic(script));
            if subscribe {
                body.push(script.byte_or_0());
            }
            packet(bytes, if subscribe { 0x82 } else { 0xA2 }, &body);
        }
        _ if step & 0x80 == 0 => packet(bytes, 0xC0, &[]),
        _ => packet(bytes, 0xE0, script.short_string()),
    }
}

fn topic<'a>(script: &mut Script<'a>) -> &'a [u8] {
    match TOPICS.get(usize::from(script.byte_or_0())) {
        Some(topic) => topic.as_bytes(),
        None => script.short_string(),
    }
}

fn properties(step: u8, script: &mut Script<'_>, body: &mut Vec<u8>) {
    let properties: &[u8] = match step & 0x40 {
        0 => &[],
        _ => script.short_string(),
    };
    body.push(properties.len() as u8 & 0x7F);
    body.extend_from_slice(&properties[..properties.len() & 0x7F]);
}

/// What the server sends is packets of MQTT, whole ones.
fn check(mut reply: &[u8]) {
    while let Some((&first, rest)) = reply.split_first() {
        let kind = first >> 4;
        assert!(matches!(kind, 2..=5 | 9 | 11 | 13 | 14), "{first:#x}");
        let (mut length, mut used) = (0, 0);
        loop {
            let byte = *rest.get(used).expect("a packet cut short");
            length |= usize::from(byte & 0x7F) << (7 * used);
            used += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        reply = rest.get(used + length..).expect("a packet cut short");
    }
}
