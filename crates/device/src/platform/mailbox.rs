//! A mailbox for requests that do not come over Bluetooth.
//!
//! Whoever carries them (on the host: an HTTP server, as with ESP-IDF's SoftAP) and the service
//! need not know each other: the one calls [`Mailbox::request`], the other opens the mailbox and answers.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, with_timeout};
use protocomm::refusal::Refusal;
use zeroize::Zeroizing;

/// How long a carrier may wait for a reply at most: a blocking scan's limit, and some.
const REPLY: Duration = Duration::from_secs(30);

/// The device is not being provisioned now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// A request.
pub(crate) struct Letter {
    pub(crate) number: u32,
    /// A new session begins with this request.
    pub(crate) fresh: bool,
    pub(crate) endpoint: String,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

struct Answer {
    number: u32,
    result: Result<Vec<u8>, Refusal>,
}

/// Requests in, replies out, one at a time.
#[derive(Default)]
pub struct Mailbox {
    open: Cell<bool>,
    next: Cell<u32>,
    turn: Turn,
    inbox: Post<Letter>,
    outbox: Post<Answer>,
}

struct Turn(Mutex<NoopRawMutex, ()>);

struct Post<T>(Signal<NoopRawMutex, T>);

impl Default for Turn {
    fn default() -> Self {
        Self(Mutex::new(()))
    }
}

impl<T> Default for Post<T> {
    fn default() -> Self {
        Self(Signal::new())
    }
}

impl Mailbox {
    /// An empty mailbox, closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a device is listening.
    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Sends a request to an endpoint, by its name, and waits for the reply. A `fresh` request
    /// begins a new session; the one before is over, as ESP-IDF's HTTP server does it.
    ///
    /// Cancel-safe: a reply that nobody waits for any more is thrown away.
    ///
    /// # Errors
    ///
    /// [`Closed`] while no device listens. Inside, the [`Refusal`] to report.
    pub async fn request(
        &self,
        fresh: bool,
        endpoint: &str,
        body: Vec<u8>,
    ) -> Result<Result<Vec<u8>, Refusal>, Closed> {
        let _turn = self.turn.0.lock().await;
        if !self.open.get() {
            return Err(Closed);
        }
        let number = self.next.get().wrapping_add(1);
        self.next.set(number);
        self.inbox.0.signal(Letter {
            number,
            fresh,
            endpoint: endpoint.into(),
            body: Zeroizing::new(body),
        });
        loop {
            let answer = self.outbox.0.wait();
            match with_timeout(REPLY, answer).await {
                Ok(answer) if answer.number == number => return Ok(answer.result),
                Ok(_) => {}
                Err(_) => return Err(Closed),
            }
        }
    }

    /// Opens it, as long as the guard lives.
    pub(crate) fn open(&self) -> Open<'_> {
        self.inbox.0.reset();
        self.open.set(true);
        Open(self)
    }
}

/// An open mailbox, for whoever answers.
pub(crate) struct Open<'a>(&'a Mailbox);

impl Open<'_> {
    /// The next request. Cancel-safe.
    pub(crate) async fn next(&self) -> Letter {
        self.0.inbox.0.wait().await
    }

    /// Answers the request of this number.
    pub(crate) fn answer(&self, number: u32, result: Result<Vec<u8>, Refusal>) {
        self.0.outbox.0.signal(Answer { number, result });
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.set(false);
    }
}
