//! A mailbox for requests that do not come over Bluetooth.
//!
//! Whoever carries them (on the host: an HTTP server, as with ESP-IDF's SoftAP) and the service
//! need not know each other: the one calls [`Mailbox::request`], the other [`Mailbox::serve`].

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::convert::Infallible;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_sync::signal::Signal;
use embassy_time::with_timeout;
use protocomm::device::{RESPONSE_CAPACITY, SessionId};
use protocomm::endpoint::Endpoint;
use protocomm::refusal::Refusal;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::service::{REPLY, Service};
use crate::platform::Wifi;

/// The device is not being provisioned now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

struct Letter {
    number: u32,
    /// A new session begins with this request.
    fresh: bool,
    endpoint: String,
    body: Zeroizing<Vec<u8>>,
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

    /// Answers requests as long as it is polled; the mailbox is open meanwhile.
    pub async fn serve<W: Wifi, R: CryptoRng>(&self, service: &Service<'_, W, R>) -> Infallible {
        let _open = Open::new(self);
        let mut session: Option<SessionId> = None;
        loop {
            let mut letter = self.inbox.0.wait().await;
            if let Some(over) = session.take_if(|_| letter.fresh) {
                service.disconnected(over);
            }
            let session = *session.get_or_insert_with(|| service.connected_replaceably());
            let result = match Endpoint::from_name(&letter.endpoint, &[]) {
                Some(endpoint) => {
                    let body = letter.body.as_mut_slice();
                    service
                        .request(session, endpoint, body, RESPONSE_CAPACITY)
                        .await
                }
                None => Err(Refusal::UnknownEndpoint),
            };
            let number = letter.number;
            self.outbox.0.signal(Answer { number, result });
            // As far as can be known.
            service.reply_read(session);
        }
    }
}

/// Keeps the mailbox open.
struct Open<'a>(&'a Mailbox);

impl<'a> Open<'a> {
    fn new(mailbox: &'a Mailbox) -> Self {
        mailbox.inbox.0.reset();
        mailbox.open.set(true);
        Self(mailbox)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.set(false);
    }
}
