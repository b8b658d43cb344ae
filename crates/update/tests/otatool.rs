//! `otadata` as ESP-IDF's otatool.py writes it, by `switch_ota_partition` of components/app_update/otatool.py
//! (espressif/esp-idf v5.4.1, 4c2820d) with the two slots of partitions.csv, from blank flash on.

use update::otadata::{Entry, State, next_sequence, selected};

/// The slot that was asked for, and both entries afterwards.
const STEPS: [(usize, [&str; 2]); 8] = [
    (0, ["01000000 9a984347", ""]),
    (1, ["01000000 9a984347", "02000000 7437f655"]),
    (0, ["03000000 11504aed", "02000000 7437f655"]),
    (0, ["03000000 11504aed", "03000000 11504aed"]),
    (1, ["03000000 11504aed", "04000000 a8689d70"]),
    (1, ["04000000 a8689d70", "04000000 a8689d70"]),
    (0, ["04000000 a8689d70", "05000000 cd0f21c8"]),
    (1, ["06000000 23a094da", "05000000 cd0f21c8"]),
];

/// Sequence and CRC in hex, with what is blank between them.
fn bytes(entry: &str) -> [u8; 32] {
    let mut bytes = [0xFF; 32];
    for (part, at) in entry.split_whitespace().zip([0, 28]) {
        let number = u32::from_str_radix(part, 16).expect("hex");
        bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    bytes
}

#[test]
fn entries_are_read_and_written_as_espressifs_tool_has_them() {
    let mut before = None;
    for (slot, entries) in STEPS {
        let entries = entries.map(bytes);
        let now = selected(entries.map(|entry| Entry::read(&entry)));
        let (_, entry) = now.expect("a valid entry");
        assert_eq!((entry.slot(2), entry.state), (slot, State::UNDEFINED));
        // Where the slot stays, the tool takes the same number again, and we the next one.
        if before.is_none_or(|before: Entry| before.slot(2) != slot) {
            let sequence = next_sequence(before, slot, 2).expect("a number");
            let written = Entry::new(sequence, State::UNDEFINED).expect("an entry");
            assert!(entries.contains(&written.to_bytes()), "{sequence}");
        }
        before = Some(entry);
    }
}
