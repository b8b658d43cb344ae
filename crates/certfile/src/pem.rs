//! PEM (RFC 7468), read as forgivingly as OpenSSL and MbedTLS do together.
//!
//! What is outside of blocks does not matter: byte order marks, comments, the bag attributes of
//! PKCS#12 tools, a zero that a C program wrote along. `-----END X----------BEGIN X-----` in one
//! line is the end of one block and the beginning of another. White space inside a block may be of
//! any kind and anywhere; the headers of RFC 1421 are passed over, but for what they say of
//! encryption.

use alloc::vec::Vec;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// The longest label that is looked for.
const LONGEST_LABEL: usize = 64;

/// A block of a file.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// What stands between `-----BEGIN ` and `-----`: printable ASCII.
    pub label: &'a str,
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// Whether it has its last line, with the same label.
    pub complete: bool,
    body: &'a [u8],
}

/// What is in a block is not Base64, or its last line is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// What a file is in which there is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// No bytes.
    Empty,
    /// Text in UTF-16, as some shells of Windows write into files.
    Utf16,
    /// DER: the same without the text around.
    Binary,
    /// Anything else.
    Unknown,
}

impl Block<'_> {
    /// Whether it is a certificate, by either of its two labels.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        matches!(self.label, "CERTIFICATE" | "X509 CERTIFICATE")
    }

    /// Whether it is a private key, in any of its forms.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether it is encrypted, in either of the two ways (RFC 5958, RFC 1421).
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.label.starts_with("ENCRYPTED") || find(self.body, b"ENCRYPTED").is_some()
    }

    /// What is in it.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn decode(&self) -> Result<Zeroizing<Vec<u8>>, Damaged> {
        if !self.complete {
            return Err(Damaged);
        }
        // At its full size from the start: a vector that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(self.body.len()));
        for line in self.body.split(|byte| matches!(byte, b'\n' | b'\r')) {
            if !line.contains(&b':') {
                text.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
            }
        }
        let length = Base64::decode_in_place(&mut text)
            .map_err(|_| Damaged)?
            .len();
        text.truncate(length);
        if text.is_empty() {
            Err(Damaged)
        } else {
            Ok(text)
        }
    }
}

/// The blocks of a file, in their order. One without a last line goes on to the next block or the
/// end of the file.
pub fn blocks(file: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let mut rest = file;
    let mut line = 1;
    core::iter::from_fn(move || {
        loop {
            let start = find(rest, BEGIN)?;
            let (before, block) = rest.split_at_checked(start)?;
            line += lines(before);
            let inside = block.get(BEGIN.len()..)?;
            let Some((label, after)) = label(inside) else {
                rest = inside;
                continue;
            };
            let next = find(after, BEGIN).unwrap_or(after.len());
            let end = ends(after)
                .take_while(|(at, ..)| *at < next)
                .find(|(_, of, _)| *of == label);
            let (body, complete, length) = match end {
                Some((at, _, length)) => (after.get(..at)?, true, length),
                None => (after.get(..next)?, false, next),
            };
            let block = Block {
                label,
                line,
                complete,
                body,
            };
            let (passed, left) = after.split_at_checked(length)?;
            line += lines(passed);
            rest = left;
            return Some(block);
        }
    })
}

/// What a file is in which [`blocks`] found none.
#[must_use]
pub fn other(file: &[u8]) -> Other {
    match file {
        [] => Other::Empty,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'-', 0, ..] | [0, b'-', ..] => Other::Utf16,
        [0x30, 0x80..=0x83, ..] => Other::Binary,
        // As short as a key for P-256 is.
        [0x30, length, rest @ ..] if usize::from(*length) == rest.len() => Other::Binary,
        _ => Other::Unknown,
    }
}

/// A label, and what comes after its dashes.
fn label(text: &[u8]) -> Option<(&str, &[u8])> {
    let window = text.get(..text.len().min(LONGEST_LABEL + DASHES.len()))?;
    let at = find(window, DASHES)?;
    let (label, rest) = text.split_at_checked(at)?;
    let label = core::str::from_utf8(label).ok()?;
    let printable = label.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    printable.then_some((label, rest.get(DASHES.len()..)?))
}

/// The last lines in a text: where each begins, of what, and where it ends.
fn ends(text: &[u8]) -> impl Iterator<Item = (usize, &str, usize)> {
    let mut from = 0;
    core::iter::from_fn(move || {
        loop {
            let at = from + find(text.get(from..)?, END)?;
            from = at + END.len();
            if let Some((label, rest)) = label(text.get(from..)?) {
                return Some((at, label, text.len() - rest.len()));
            }
        }
    })
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const ONE: &[u8] = b"-----BEGIN CERTIFICATE-----\nMAMC\nAQE=\n-----END CERTIFICATE-----";

    fn all(file: &[u8]) -> Vec<(&str, usize, Option<Vec<u8>>)> {
        blocks(file)
            .map(|block| {
                (
                    block.label,
                    block.line,
                    block.decode().ok().map(|der| der.to_vec()),
                )
            })
            .collect()
    }

    fn der() -> Option<Vec<u8>> {
        Some(vec![0x30, 3, 2, 1, 1])
    }

    #[test]
    fn blocks_are_told_apart_whatever_is_around_them() {
        let mark: &[u8] = b"\xef\xbb\xbf";
        let file = [mark, b"subject: x\n", ONE, b"\n\ntext\n", ONE, b"\n\0"].concat();
        assert_eq!(
            all(&file),
            [("CERTIFICATE", 2, der()), ("CERTIFICATE", 8, der())]
        );
        // Joined, with spaces, and with the line ends of Windows and of old Macs.
        let joined = [ONE, ONE].concat();
        assert_eq!(
            all(&joined),
            [("CERTIFICATE", 1, der()), ("CERTIFICATE", 4, der())]
        );
        for end in ["\r\n", "\r", "\n\n", " \t\n  "] {
            let text = core::str::from_utf8(ONE).unwrap().replace('\n', end);
            assert_eq!(all(text.as_bytes())[0].2, der(), "{end:?}");
        }
        assert!(all(b"").is_empty() && all(b"-----BEGIN ").is_empty());
        assert!(all(b"-----BEGIN X\n-----").is_empty());
    }

    #[test]
    fn a_block_without_its_end_swallows_no_other() {
        let cut = &ONE[..40];
        assert_eq!(
            all(&[cut, ONE].concat()),
            [("CERTIFICATE", 1, None), ("CERTIFICATE", 4, der())]
        );
        assert_eq!(all(&ONE[..ONE.len() - 1]), [("CERTIFICATE", 1, None)]);
        // The end of something else is none.
        let other = b"-----BEGIN A-----\nMAMCAQE=\n-----END B-----\n-----END A-----";
        assert_eq!(all(other), [("A", 1, None)]);
    }

    #[test]
    fn keys_and_their_encryption_are_seen() {
        let file =
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n\
            -----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
            MAMCAQE=\n-----END EC PRIVATE KEY-----\n";
        let blocks: Vec<_> = blocks(file).collect();
        assert!(!blocks[0].is_key() && !blocks[0].is_encrypted());
        assert!(blocks[1].is_key() && blocks[1].is_encrypted());
        assert_eq!(blocks[1].decode().unwrap().to_vec(), der().unwrap());
    }

    #[test]
    fn what_is_no_pem_is_told() {
        assert_eq!(other(b""), Other::Empty);
        assert_eq!(other(b"\xff\xfe-\0-\0"), Other::Utf16);
        assert_eq!(other(b"0\x82\x01\x00"), Other::Binary);
        assert_eq!(other(b"0\x03\x02\x01\x01"), Other::Binary);
        assert_eq!(other(b"hello"), Other::Unknown);
        assert_eq!(other(b"0 as text"), Other::Unknown);
    }

    #[test]
    fn no_bytes_panic() {
        let file = [ONE, b"\n", ONE].concat();
        for at in 0..file.len() {
            let mut spoilt = file.clone();
            spoilt[at] ^= 0x15;
            for block in blocks(&spoilt).chain(blocks(&spoilt[at..])) {
                let _ = block.decode();
            }
        }
    }
}
