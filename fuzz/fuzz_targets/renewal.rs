//! What a server can send of a renewal: notices, pieces of text, and certificates that they make; and what
//! flash may have kept of it.
#![no_main]

use device::credentials::{Bundle, File, Files, Identity, Renewed};
use fuzz::{Noise, Script};
use libfuzzer_sys::fuzz_target;
use renewal::kept::{self, Place, Standing};
use renewal::pieces::{Gathering, MOST_BYTES, MOST_PIECES, Notice};

/// What came by cable, and is sound.
const ROOT: &[u8] = include_bytes!("../../crates/device/tests/vectors/credentials/root.crt");

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    match script.byte_or_0() % 4 {
        0 => anything(&mut script),
        1 => cut(&mut script),
        2 => certificates(&mut script),
        _ => flash(&mut script),
    }
});

/// Any notice and any pieces: never more than is taken, and what is whole has the digest.
fn anything(script: &mut Script<'_>) {
    let text = String::from_utf8_lossy(script.string()).into_owned();
    let Some(notice) = Notice::parse(&text) else {
        return;
    };
    assert!((1..=MOST_PIECES).contains(&notice.pieces));
    let mut gathering = Gathering::new(notice, 1);
    while gathering.wanted().is_some() {
        let piece = String::from_utf8_lossy(script.string()).into_owned();
        let piece = (script.byte_or_0() != 1).then(|| piece.chars());
        let _ = gathering.take(piece);
    }
    if let Ok(bytes) = gathering.finish() {
        assert!(bytes.len() <= MOST_BYTES && renewal::digest(&bytes) == notice.digest);
    }
}

/// What is cut anywhere is put together again.
fn cut(script: &mut Script<'_>) {
    let bytes = script.string().to_vec();
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for digit in 0..4 {
            text.push(match digit <= three.len() {
                true => char::from(DIGITS[(word >> (18 - 6 * digit) & 63) as usize]),
                false => '=',
            });
        }
    }
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while pieces.len() + 1 < usize::from(MOST_PIECES) {
        let at = usize::from(script.byte_or_0()).min(rest.len());
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    pieces.push(rest);
    let digest = renewal::digest(&bytes);
    let pieces_told = pieces.len() as u16;
    let notice = Notice {
        pieces: pieces_told,
        digest,
    };
    let mut gathering = Gathering::new(notice, 1);
    for piece in pieces {
        let _ = gathering.take(Some(piece.chars()));
    }
    assert_eq!(
        gathering.finish().ok(),
        (bytes.len() <= MOST_BYTES).then_some(bytes)
    );
}

/// Certificates as they come: credentials that belong together, or an error that names what was renewed.
fn certificates(script: &mut Script<'_>) {
    let (key, chain) = (script.string().to_vec(), script.string().to_vec());
    let anchors = [script.string().to_vec(), script.string().to_vec()];
    let files = Files {
        certificate: b"",
        key: b"",
        server_chain: ROOT,
    };
    let identity = Identity {
        key: &key,
        chain: &chain,
    };
    let renewed = Renewed {
        identity: Some(identity),
        anchors: anchors.each_ref().map(|anchors| &anchors[..]),
    };
    match Bundle::prove_renewed(files, renewed, &mut Noise(3)) {
        Ok(bundle) => assert!(!bundle.common_name().trim().is_empty()),
        Err(error) => assert_eq!(error.file, File::Renewed, "{error}"),
    }
}

/// Any value in any place is one of three things.
fn flash(script: &mut Script<'_>) {
    let proven = u32::from(script.short());
    let value = script.string();
    let origin = [0; 32];
    for place in Place::BOTH {
        if kept::standing(value, place, proven, &origin) != Standing::Over {
            assert!(value.len() >= 36 && kept::content(value).len() == value.len() - 36);
        }
    }
}
