//! `esptb factory run --seal` with emulated boards: what is burned, what flash and folder then have, and where it
//! goes on.

use std::fs;
use std::path::Path;
use std::process::Output;

use jig::{Rom, blank};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::board::on_jig;
use super::common::app_bytes;
use super::factory::{RUN, file, plant};
use super::{done, err, esptb, failed};

/// An app that says it opens sealed keys, as what was built with the feature does.
fn sealing_app() -> Vec<u8> {
    let mut app = app_bytes(0x3010);
    let (body, checksum) = (32..app.len() - 48, app.len() - 33);
    let form = seal::FORM.as_bytes();
    app[0x800..][..form.len()].copy_from_slice(form);
    app[checksum] = app[body].iter().fold(0xEF, |sum, byte| sum ^ byte);
    let digest = Sha256::digest(&app[..=checksum]);
    app[checksum + 1..].copy_from_slice(&digest);
    app
}

fn sealing_plant() -> TempDir {
    let folder = plant();
    fs::write(folder.path().join("app.bin"), sealing_app()).expect("writes");
    folder
}

/// Makes the boards that are on the jig.
fn run(path: &Path, boards: Vec<Rom>, more: &[&str]) -> (Output, Vec<Rom>) {
    let jig = on_jig(boards);
    let mut arguments = RUN.to_vec();
    arguments.extend(["--count", "1", "--wait", "4s", "--port", jig.port()]);
    arguments.extend(more);
    let output = esptb(path, &arguments).output().expect("starts");
    (output, jig.boards())
}

fn only(mut boards: Vec<Rom>) -> Rom {
    assert_eq!(boards.len(), 1);
    boards.pop().expect("a board")
}

const SEAL: [&str; 2] = ["--seal", "--yes"];
const KEY: &str = "devices/SN-000001/device.key";

#[test]
fn a_board_gets_a_key_that_nobody_keeps_and_its_own_is_sealed_with_it() {
    let folder = sealing_plant();
    let path = folder.path();
    let (output, boards) = run(path, vec![blank(1)], &SEAL);
    // It started, opened its key, and advertised.
    assert!(done(&output).contains("done SN-000001"), "{}", err(&output));
    assert!(
        err(&output).contains("its key is sealed with a new one in BLOCK_KEY0"),
        "{}",
        err(&output)
    );
    let board = only(boards);
    // The key, its purpose, its protection.
    assert_eq!(board.efuses.burned, [4, 0, 0]);
    assert_eq!(board.efuses.purpose(0), 8);
    assert!(!board.efuses.is_readable(4) && !board.efuses.is_writable(4));
    assert_eq!(board.efuses.blocks[0][0], 1 << 23 | 1 << 8);
    let burned = board.efuses.bytes(0);
    assert!(burned.iter().any(|&byte| byte != 0));
    // Neither flash nor folder has it, nor the private key.
    let sealed = file(&board.flash, "device.key");
    assert_eq!(fs::read(path.join(KEY)).expect("a key"), sealed);
    let key = seal::Key::new(
        seal::Block::ALL[0],
        burned.as_slice().try_into().expect("32"),
    );
    let opened = seal::Sealed::parse(&sealed).and_then(|sealed| sealed.open(&key));
    let opened = opened.expect("it is sealed with what was burned");
    let text = str::from_utf8(&opened).expect("PEM");
    let secret = text.lines().nth(1).expect("a line of it").as_bytes();
    let of_folder = fs::read_dir(path.join("devices/SN-000001")).expect("a folder");
    let files = of_folder.map(|entry| fs::read(entry.expect("a file").path()).expect("reads"));
    for bytes in files.chain([board.flash.clone(), output.stdout, output.stderr]) {
        for needle in [burned.as_slice(), secret] {
            assert!(!bytes.windows(needle.len()).any(|part| part == needle));
        }
    }

    // Made once more, it goes on with the key that it has.
    let mut again = SEAL.to_vec();
    again.push("--again");
    let mut board = board;
    board.flash.fill(0xFF);
    let (output, boards) = run(path, vec![board], &again);
    assert!(done(&output).contains("done SN-000001"), "{}", err(&output));
    let board = only(boards);
    assert_eq!(board.efuses.burned.len(), 3);
    assert_eq!(file(&board.flash, "device.key"), sealed);
    // Without the option it is not written: the app may be one that cannot open it.
    let (output, _) = run(path, vec![board], &["--again"]);
    failed(&output, "is sealed for its board: give --seal");
}

#[test]
fn a_sealed_key_on_another_board_is_found_out_at_its_start() {
    let folder = sealing_plant();
    let path = folder.path();
    let (output, boards) = run(path, vec![blank(1)], &SEAL);
    done(&output);
    // Another chip behind the same address: its key is another.
    let mut board = only(boards);
    board.efuses.blocks[4][3] ^= 1;
    let (output, _) = run(path, vec![board], &["--seal", "--yes", "--again"]);
    failed(&output, "credentials.refused");
    assert!(
        err(&output).contains("sealed with another chip's key"),
        "{}",
        err(&output)
    );
}

#[test]
fn an_interruption_anywhere_is_gone_on_from_and_burns_nothing_twice() {
    // Nothing was burned; the key; the key and its purpose.
    for most in 0..3 {
        let folder = sealing_plant();
        let path = folder.path();
        let mut board = blank(1);
        board.efuses.most = Some(most);
        let (output, boards) = run(path, vec![board], &SEAL);
        failed(&output, "try again");
        let mut board = only(boards);
        assert_eq!(
            board.written, 0,
            "no flash is written before its key is sealed"
        );
        // In the clear until it is done, so that nothing is lost.
        let key = fs::read(path.join(KEY)).expect("a key");
        assert!(key.starts_with(b"-----BEGIN"));
        board.efuses.most = None;
        let (output, boards) = run(path, vec![board], &SEAL);
        assert!(done(&output).contains("done SN-000001"), "{}", err(&output));
        let board = only(boards);
        assert_eq!(board.efuses.burned[0], 4);
        let keys: Vec<_> = board
            .efuses
            .hmac_keys()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, [0], "{most}");
        assert!(!path.join("devices/SN-000001/.device.key.sealed").exists());
    }
}

#[test]
fn blocks_in_use_are_left_alone() {
    let folder = sealing_plant();
    let path = folder.path();
    let mut board = blank(1);
    // What others put there; something without a purpose; one that cannot be written.
    board.efuses.blocks[0][2] = 9 << 24;
    board.efuses.blocks[4][0] = 7;
    board.efuses.blocks[5][7] = 7;
    board.efuses.blocks[0][0] = 1 << 25;
    let (output, boards) = run(path, vec![board], &SEAL);
    assert!(done(&output).contains("done SN-000001"), "{}", err(&output));
    assert!(err(&output).contains("BLOCK_KEY3"), "{}", err(&output));
    let board = only(boards);
    assert_eq!(board.efuses.burned, [7, 0, 0]);

    // The folder is lost: its key is nobody's any more, and another is burned only if that is meant.
    fs::remove_dir_all(path.join("devices")).expect("removes");
    let mut again = SEAL.to_vec();
    again.push("--again");
    let (output, boards) = run(path, vec![board], &again);
    failed(
        &output,
        "BLOCK_KEY3 of this board has a key that nobody can read",
    );
    again.push("--seal-anew");
    let (output, boards) = run(path, boards, &again);
    assert!(done(&output).contains("done SN-000001"), "{}", err(&output));
    assert!(err(&output).contains("BLOCK_KEY4"), "{}", err(&output));

    // One whose blocks are all taken.
    let mut board = only(boards);
    board.efuses.blocks[9][0] = 1;
    fs::remove_dir_all(path.join("devices")).expect("removes");
    let (output, _) = run(path, vec![board], &again);
    failed(&output, "no block of eFuses for keys is free");
}

#[test]
fn what_could_not_open_a_sealed_key_is_refused_before_a_board_is_touched() {
    let folder = plant();
    let path = folder.path();
    let (output, boards) = run(path, vec![blank(1)], &SEAL);
    failed(&output, "app.bin opens no sealed keys");
    assert!(only(boards).efuses.burned.is_empty());
    fs::write(path.join("app.bin"), sealing_app()).expect("writes");
    let (output, boards) = run(path, vec![blank(1)], &["--seal"]);
    failed(&output, "give --yes as well if that is meant");
    assert!(only(boards).efuses.burned.is_empty());
    // A chip without an HMAC.
    let mut app = sealing_app();
    app[12] = 12;
    let end = app.len() - 32;
    let digest = Sha256::digest(&app[..end]);
    app[end..].copy_from_slice(&digest);
    fs::write(path.join("other.bin"), app).expect("writes");
    let arguments = [
        "factory",
        "run",
        "--app",
        "other.bin",
        "--broker",
        "mqtts://tb.example.com",
        "--port",
        "tcp:127.0.0.1:1",
        "--seal",
        "--yes",
    ];
    let output = esptb(path, &arguments).output().expect("starts");
    failed(&output, "the esp32c2 has no HMAC");
}
