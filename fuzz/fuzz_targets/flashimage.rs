//! Flash images as they are read from boards: the inspection of any bytes gives a report, or an
//! error that says what to do, and shows no secret.
#![no_main]

use fuzz::{Script, board, sparse};
use libfuzzer_sys::fuzz_target;

/// What a secret in an image is made of.
const SECRET: &str = "correct horse";

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let kind = script.byte_or_0();
    let mut flash = board::blank();
    sparse::unpack(script, &mut flash);
    if kind & 1 == 0 {
        flash[board::TABLE..board::TABLE + 64].copy_from_slice(&board::table());
    }
    if kind & 2 == 0 {
        let (at, length) = board::NVS;
        board::seal_nvs(&mut flash[at..at + length]);
    }
    if kind & 4 != 0 {
        flash.truncate(board::TABLE + 64 + 16 * usize::from(kind));
    }
    let (report, peak) = fuzz::heap::peak_of(|| flashimage::inspect(&flash));
    assert!(peak <= 32 * flash.len(), "{peak} bytes of heap");
    match report {
        Ok(report) => {
            let shown = format!("{report:?}");
            assert!(shown.len() <= 4 * 1024 * 1024);
            let json = serde_json::to_string(&report).expect("a report is JSON");
            let secret = kind & 8 != 0;
            assert!(secret || !shown.contains(SECRET), "a secret is shown");
            assert!(secret || !json.contains(SECRET), "a secret is shown");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
