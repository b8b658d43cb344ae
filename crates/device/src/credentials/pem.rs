//! PEM as far as it must be known to tell the certificates of a file apart (RFC 7468).
//!
//! Decoding is MbedTLS's.

use alloc::vec::Vec;
use zeroize::Zeroizing;

use super::{CredentialsError, Fault, File, Terminated};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// The certificates of a file, each from its first line to its last. One without a last line goes
/// to the end of the file, to be refused by the parser.
pub(super) fn certificates(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = file;
    core::iter::from_fn(move || {
        let start = find(rest, BEGIN)?;
        let block = rest.get(start..)?;
        let end = find(block, END).map_or(block.len(), |at| at + END.len());
        let (block, after) = block.split_at_checked(end)?;
        rest = after;
        Some(block)
    })
}

/// Whether there is a private key of any kind: certificates are PEM, too.
pub(super) fn has_key(file: &[u8]) -> bool {
    find(file, b"PRIVATE KEY-----").is_some()
}

/// The text with a zero at its end.
pub(super) fn terminated(file: File, text: &[u8]) -> Result<Terminated, CredentialsError> {
    if text.is_empty() {
        return Err(file.has(Fault::Empty));
    }
    // MbedTLS would stop reading there, and what follows would be lost without a word.
    if text.contains(&0) || find(text, b"-----BEGIN ").is_none() {
        return Err(file.has(Fault::NotPem));
    }
    // At its full size from the start: a vector that grows leaves copies behind.
    let mut copy = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    copy.extend_from_slice(text);
    copy.push(0);
    Ok(Terminated(copy))
}

/// Whether a key is encrypted, in either of the two ways (RFC 5958, RFC 1421): MbedTLS, built without
/// ciphers for that, only says that it cannot read it.
pub(super) fn is_encrypted(key: &[u8]) -> bool {
    find(key, b"ENCRYPTED").is_some()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart() {
        let one: &[u8] = b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----";
        let file = [b"subject: x\n", one, b"\n\ntext\n", one, b"\n"].concat();
        assert!(certificates(&file).eq([one, one]));
        let cut = &file[..file.len() - 10];
        assert_eq!(certificates(cut).count(), 2);
        assert_eq!(certificates(b"").count(), 0);
        assert_eq!(certificates(b"-----BEGIN PRIVATE KEY-----").count(), 0);
    }

    #[test]
    fn text_that_mbedtls_would_cut_is_refused() {
        assert!(terminated(File::Key, b"-----BEGIN X-----\0").is_err());
        assert!(terminated(File::Key, b"").is_err());
        assert!(terminated(File::Key, b"x").is_err());
        let text = terminated(File::Key, b"-----BEGIN X-----").unwrap();
        assert_eq!(text.to_bytes_with_nul(), b"-----BEGIN X-----\0");
    }
}
