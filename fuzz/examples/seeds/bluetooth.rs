//! Bluetooth: what a phone does with the device, what a stranger may try, and HCI commands.

use fuzz::script::Writer;

use crate::Corpus;

/// Seeds for the GATT layer and for the virtual radio.
pub(crate) fn write(corpus: &Corpus) {
    let phone = |number: u8| {
        let mut script = Writer::default();
        // A larger MTU, discovery, the version, a plain session, a scan, a network, its status.
        script.byte(number).byte(8).short(517);
        for request in [
            &[0x10, 1, 0, 0xFF, 0xFF, 0, 0x28][..],
            &[0x08, 1, 0, 0xFF, 0xFF, 3, 0x28],
            &[0x04, 1, 0, 0xFF, 0xFF],
        ] {
            script.byte(0).byte(251).string(request);
        }
        let writes: [(u8, &[u8]); 6] = [
            (4, b"---"),
            (2, &[0x52, 3, 0xA2, 1, 0]),
            (1, &[0x52, 4, 8, 1, 0x20, 0x78]),
            (3, b"\x08\x02\x62\x15\x0a\x04home\x12\x0dcorrect horse"),
            (3, &[8, 4, 0x72, 0]),
            (3, &[0x52, 0]),
        ];
        for (endpoint, request) in writes {
            script.byte(2).byte(endpoint).string(request);
            script.byte(9).short(900);
            script.byte(4).byte(endpoint);
            script.byte(5).byte(endpoint).short(4);
        }
        script
    };
    corpus.add("gatt", "phone", &phone(0).0);
    corpus.add("gatt", "phone_without_session", &phone(4).0);
    let mut long = Writer::default();
    long.byte(2);
    for part in 0..4 {
        long.byte(6).byte(2).short(part * 18).string(&[0x52; 18]);
    }
    long.byte(7)
        .byte(1)
        .byte(4)
        .byte(2)
        .byte(14)
        .byte(9)
        .short(2_000)
        .byte(15)
        .byte(9)
        .short(99);
    corpus.add("gatt", "long_write", &long.0);
    let mut rude = Writer::default();
    rude.byte(1);
    for opcode in (0..0x24).chain([0x52, 0xD2]) {
        rude.byte(0)
            .byte(27)
            .string(&[opcode, 9, 0, 0xFF, 0xFF, 0, 0x28]);
    }
    rude.byte(10)
        .short(5)
        .string(&[0x12, 1, 8, 0, 6, 0, 6, 0, 0, 0, 100, 0]);
    rude.byte(10).short(6).string(&[1, 3, 0, 1, 16, 7, 7]);
    rude.byte(11)
        .byte(1)
        .string(&[1, 2, 3])
        .byte(12)
        .string(&[2, 0x40, 0x20, 1, 0, 0]);
    corpus.add("gatt", "rude", &rude.0);

    let mut radio = Writer::default();
    let commands: [(u16, &[u8]); 12] = [
        (0x0C03, &[]),
        (0x0C01, &[0xFF; 8]),
        (0x2001, &[0xFF; 8]),
        (0x2006, &[0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0]),
        (0x2008, &[3, 2, 1, 6]),
        (0x200A, &[1]),
        (0x200B, &[1, 0x10, 0, 0x10, 0, 0, 0]),
        (0x200C, &[1, 0]),
        (0x2003, &[]),
        (0x1009, &[]),
        (0x2036, &[0; 25]),
        (0x2039, &[1, 1, 0, 0, 0, 0]),
    ];
    for (index, (opcode, parameters)) in commands.into_iter().enumerate() {
        radio
            .byte(4 | (index as u8 & 1))
            .short(opcode)
            .short_string(parameters);
        radio
            .byte(4 | (1 - (index as u8 & 1)))
            .short(opcode)
            .short_string(parameters);
    }
    let peer = [
        0x60, 0, 0x30, 0, 0, 0, 2, 0, 0, 0, 0, 0xC0, 0, 0x18, 0, 0x28, 0, 0, 0, 0x2A, 0,
    ];
    radio
        .byte(4)
        .short(0x200D)
        .short_string(&[&peer[..], &[0; 4]].concat());
    radio
        .byte(12)
        .short(500)
        .byte(10)
        .short_string(&[3, 0, 4, 0, 0x0A, 9, 0]);
    radio
        .byte(12)
        .short(10)
        .byte(4)
        .short(0x0406)
        .short_string(&[0x40, 0, 0x13]);
    radio
        .byte(0)
        .short_string(&[1, 3, 0x0C, 0, 4, 0x0E])
        .byte(14);
    corpus.add("hci", "two_controllers", &radio.0);
}
