//! What no line may ever show.

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

/// Proofs, passphrases and private keys.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a word.
    pub fn add(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
    }

    /// Adds a private key in PEM: each of its lines is a secret, its header is not.
    pub fn add_key(&mut self, pem: &str) {
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        self.0.extend(lines.map(str::to_owned));
    }

    /// Whether a line gives one of them away.
    #[must_use]
    pub fn are_in(&self, line: &str) -> bool {
        self.0.iter().any(|secret| line.contains(secret.as_str()))
    }
}

thread_local! {
    /// What this thread's logs were searched for, and the lines that had it.
    static SEARCH: RefCell<Option<(Secrets, Vec<String>)>> = const { RefCell::new(None) };
}

/// Searches everything that is logged on this thread, at any level, from now on until
/// [`logged_secrets`] is asked.
pub fn search_logs(secrets: Secrets) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        static SEARCHER: Searcher = Searcher;
        // Another logger would be somebody else's test in this process, and there is none.
        log::set_logger(&SEARCHER).expect("the only logger of the process");
        log::set_max_level(LevelFilter::Trace);
    });
    SEARCH.with(|search| *search.borrow_mut() = Some((secrets, Vec::new())));
}

/// The lines that gave a secret away since [`search_logs`].
#[must_use]
pub fn logged_secrets() -> Vec<String> {
    let found = SEARCH.with(|search| search.borrow_mut().take());
    found.map(|(_, lines)| lines).unwrap_or_default()
}

struct Searcher;

impl Log for Searcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        SEARCH.with(|search| search.try_borrow().is_ok_and(|search| search.is_some()))
    }

    fn log(&self, record: &Record<'_>) {
        SEARCH.with(|search| {
            if let Ok(mut search) = search.try_borrow_mut()
                && let Some((secrets, lines)) = search.as_mut()
            {
                let line = format!("{}: {}", record.target(), record.args());
                if secrets.are_in(&line) {
                    lines.push(line);
                }
            }
        });
    }

    fn flush(&self) {}
}
