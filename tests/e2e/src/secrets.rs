//! What no line may ever show: proofs, passphrases and private keys, looked for in every event and
//! everything that is logged.

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    /// The secrets of this thread's scenario, and the lines that had one.
    static SEARCH: RefCell<Search> = const { RefCell::new(Search::new()) };
}

struct Search {
    secrets: Vec<String>,
    found: Vec<String>,
}

impl Search {
    const fn new() -> Self {
        Self {
            secrets: Vec::new(),
            found: Vec::new(),
        }
    }

    fn look_at(&mut self, line: &str) {
        if self
            .secrets
            .iter()
            .any(|secret| line.contains(secret.as_str()))
        {
            self.found.push(line.to_owned());
        }
    }
}

/// From now on no line of this thread may have this in it.
pub fn hide(secret: &str) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        static SEARCHER: Searcher = Searcher;
        log::set_logger(&SEARCHER).expect("nobody else logs in this process");
        log::set_max_level(LevelFilter::Trace);
    });
    SEARCH.with(|search| search.borrow_mut().secrets.push(secret.to_owned()));
}

/// As [`hide`], for a private key in PEM: each of its lines is a secret, its first and last are
/// not.
pub fn hide_key(pem: &str) {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    lines.for_each(hide);
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
}
