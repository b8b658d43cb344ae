//! What no line may ever show: proofs, passphrases and private keys, looked for in every event and
//! everything that is logged, as text, in hexadecimal, and as numbers in a list.
//!
//! It looks at lines only; what is on flash or on the air is for others to look at.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// Lines that are remembered, for a secret that is learned after it was told.
const REMEMBERED: usize = 2_000;

thread_local! {
    /// The secrets of this thread's scenario, and the lines that had one.
    static SEARCH: RefCell<Search> = const { RefCell::new(Search::new()) };
}

struct Search {
    secrets: Vec<Secret>,
    found: Vec<String>,
    recent: VecDeque<Line>,
}

/// The ways in which somebody may write a secret down.
#[derive(PartialEq, Eq)]
struct Secret {
    /// As it is, where it is text.
    text: Option<String>,
    /// In hexadecimal and as a list of numbers, without white space.
    digits: [String; 4],
}

/// A line, and the same without white space.
struct Line {
    text: String,
    dense: String,
}

impl Secret {
    fn new(bytes: &[u8]) -> Self {
        let join = |digits: fn(&u8) -> String, between: &str| {
            let digits: Vec<_> = bytes.iter().map(digits).collect();
            digits.join(between)
        };
        Self {
            text: String::from_utf8(bytes.to_vec()).ok(),
            digits: [
                join(|byte| format!("{byte:02x}"), ""),
                join(|byte| format!("{byte:02X}"), ""),
                join(|byte| format!("{byte}"), ","),
                join(|byte| format!("{byte:x}"), ","),
            ],
        }
    }

    fn is_in(&self, line: &Line) -> bool {
        self.text
            .as_ref()
            .is_some_and(|text| line.text.contains(text.as_str()))
            || self.digits.iter().any(|digits| line.dense.contains(digits))
    }
}

impl Search {
    const fn new() -> Self {
        Self {
            secrets: Vec::new(),
            found: Vec::new(),
            recent: VecDeque::new(),
        }
    }

    fn look_at(&mut self, text: &str) {
        let line = Line {
            text: text.to_owned(),
            dense: text.split_whitespace().collect(),
        };
        if self.secrets.iter().any(|secret| secret.is_in(&line)) {
            self.found.push(line.text);
            return;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    fn add(&mut self, secret: Secret) {
        if self.secrets.contains(&secret) {
            return;
        }
        let told = self.recent.iter().filter(|line| secret.is_in(line));
        self.found.extend(told.map(|line| line.text.clone()));
        self.secrets.push(secret);
    }
}

/// From now on no line of this thread may have this in it, nor may the last ones have had.
pub fn hide(secret: &str) {
    hide_bytes(secret.as_bytes());
}

fn hide_bytes(secret: &[u8]) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        static SEARCHER: Searcher = Searcher;
        log::set_logger(&SEARCHER).expect("nobody else logs in this process");
        log::set_max_level(LevelFilter::Trace);
    });
    // An open network has no passphrase to hide.
    if !secret.is_empty() {
        SEARCH.with(|search| search.borrow_mut().add(Secret::new(secret)));
    }
}

/// As [`hide`], for a private key in PEM: each of its lines is a secret, its first and last are
/// not; and so are the bytes that the lines stand for.
pub fn hide_key(pem: &str) {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    lines.for_each(hide);
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        hide_bytes(private_part(key.secret_der()));
    }
}

/// What only the owner of a key knows, out of its DER, which has the public key in it too: the
/// scalar of a curve, after its version (RFC 5915), or the end of RSA's coefficient (RFC 8017).
fn private_part(der: &[u8]) -> &[u8] {
    const VERSION_1_THEN_OCTETS: [u8; 4] = [2, 1, 1, 4];
    let mut places = der.windows(4);
    if let Some(at) = places.position(|bytes| bytes == VERSION_1_THEN_OCTETS)
        && let Some((&length, rest)) = der[at + 4..].split_first()
        && let Some(scalar) = rest.get(..length.into())
    {
        return scalar;
    }
    &der[der.len().saturating_sub(64)..]
}

/// Looks at a line that was shown.
pub fn shown(line: &str) {
    SEARCH.with(|search| search.borrow_mut().look_at(line));
}

/// The lines of this thread that gave a secret away. Nothing is secret afterwards.
#[must_use]
pub fn given_away() -> Vec<String> {
    SEARCH.with(|search| search.replace(Search::new()).found)
}

struct Searcher;

impl Log for Searcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        SEARCH.with(|search| {
            let search = search.try_borrow();
            search.is_ok_and(|search| !search.secrets.is_empty())
        })
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // Made before the search begins, for it may log in turn.
            let line = format!("{}: {}", record.target(), record.args());
            shown(&line);
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use pki::{KeyAlgorithm, Options, Pki, Profile};

    #[test]
    fn what_is_logged_or_shown_is_searched() {
        hide("open sesame");
        hide_key("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n");
        log::trace!("the passphrase is {}", "open sesame");
        log::error!("-----BEGIN PRIVATE KEY-----");
        shown("key MIGH");
        shown("harmless");
        assert_eq!(
            given_away(),
            [
                "e2e::secrets::tests: the passphrase is open sesame",
                "key MIGH"
            ]
        );
        shown("open sesame");
        assert!(given_away().is_empty());
    }

    fn is_caught(line: &str) -> bool {
        hide("correct horse");
        shown(line);
        !given_away().is_empty()
    }

    #[test]
    fn hexadecimal_is_searched() {
        assert!(is_caught("value 636f727265637420686f727365, 13 bytes"));
        assert!(is_caught("value 636F727265637420686F727365"));
        assert!(is_caught("0000: 63 6f 72 72 65 63 74 20 68 6f 72 73 65"));
        assert!(!is_caught("value 636f727265637420686f7273"));
    }

    #[test]
    fn the_bytes_of_a_secret_are_searched_in_the_middle_of_others() {
        let bytes = b"\x08workshopcorrect horse\0";
        assert!(is_caught(&format!("blob {bytes:?}")));
        assert!(is_caught(&format!("blob {bytes:#?}")));
        assert!(is_caught(&format!("blob {bytes:x?}")));
        assert!(!is_caught(&format!("blob {:?}", b"workshop")));
    }

    #[test]
    fn a_secret_that_is_learned_late_is_searched_in_what_was_told() {
        hide("something else");
        shown("the proof is abcd1234efgh");
        hide("abcd1234efgh");
        assert_eq!(given_away(), ["the proof is abcd1234efgh"]);
    }

    #[test]
    fn no_passphrase_is_no_secret() {
        hide("");
        shown("anything");
        assert!(given_away().is_empty());
    }

    #[test]
    fn a_key_is_searched_by_its_bytes_and_its_certificate_is_not() {
        for algorithm in [
            KeyAlgorithm::P256,
            KeyAlgorithm::P384,
            KeyAlgorithm::Rsa2048,
        ] {
            let pki = Pki::new(&Options::default()).expect("certificates");
            let profile = Profile {
                algorithm,
                ..Profile::default()
            };
            let identity = pki.device_with("SN-1", &profile).expect("a certificate");
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes());
            let key = key.expect("a key");
            let leaf =
                rustls::pki_types::CertificateDer::from_pem_slice(identity.leaf_pem().as_bytes());
            hide_key(identity.key_pem());
            shown(&format!("{:?}", leaf.expect("a certificate").as_ref()));
            assert!(given_away().is_empty(), "{algorithm}");
            hide_key(identity.key_pem());
            shown(&format!("{:?}", key.secret_der()));
            assert_eq!(given_away().len(), 1, "{algorithm}");
        }
    }
}
