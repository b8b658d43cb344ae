//! Clients that wait for the cloud's answer: who they are, what they are told, and for how long.

use alloc::vec::Vec;
use core::cell::Cell;
use core::convert::Infallible;

use embassy_time::Duration;
use protocomm::device::{SessionId, Station};
use protocomm::online;
use protocomm::wifi::Connected;
use rand_core::CryptoRng;

use super::Service;
use crate::event::Event;
use crate::platform::Wifi;

/// How long a client may wait for the cloud's answer. Within a minute come three time servers' silences,
/// or more than one try at a broker that takes its longest; a client that has heard no better by then
/// has heard why, and Bluetooth's memory and air are wanted by others.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the client has to read that the device is online, as it has for "connected".
const TO_READ: Duration = Duration::from_secs(30);

/// How long the link stays once the client knows all that it waited for, or has gone.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Who waits, and until when.
#[derive(Default)]
pub(super) struct Waiting {
    /// The client that has asked how the device gets online.
    asked: Cell<Option<SessionId>>,
    /// The client whose last reply says that the device is online, or that the link closes; it was not
    /// read yet.
    telling: Cell<Option<SessionId>>,
    /// What is told once the broker has accepted.
    held_back: Cell<Option<Connected>>,
    /// Until when somebody may wait; a network is proven then.
    until: Cell<Option<embassy_time::Instant>>,
}

impl Waiting {
    /// Until when somebody may wait, if he does.
    pub(super) fn until(&self) -> Option<embassy_time::Instant> {
        self.until.get()
    }

    /// Nobody waits any longer.
    pub(super) fn end(&self) {
        self.until.set(None);
    }

    /// Whether the client that knows of "connected" waits for more.
    pub(super) fn outlasts_connected(&self) -> bool {
        self.until.get().is_some() && self.asked.get().is_some()
    }

    /// The client asked something else, and the reply before is gone.
    pub(super) fn asks_anew(&self, session: SessionId) {
        take_if(&self.telling, session);
    }
}

impl<W: Wifi, R: CryptoRng> Service<'_, W, R> {
    /// Answers a client that wants to know how the device gets online.
    pub(super) fn tell_online(&self, session: SessionId, request: &[u8]) -> Option<Vec<u8>> {
        let request = online::Request::decode(request).ok()?;
        let (reply, is_last) = self.answer.reply(request);
        self.waiting.asked.set(Some(session));
        self.waiting.telling.set(is_last.then_some(session));
        reply
    }

    /// A request was handled: who asked may have to wait from now on.
    pub(super) fn handled(&self, session: SessionId) {
        if self.waiting.asked.get() == Some(session) && self.is_provisioned() {
            self.stay();
        }
    }

    /// This client has read its last reply.
    pub(super) fn has_read(&self, session: SessionId) {
        if take_if(&self.waiting.telling, session) {
            self.end_soon();
        }
    }

    /// This client has gone.
    pub(super) fn has_gone(&self, session: SessionId) {
        // Where "connected" is held back, he may come back for it.
        let held_back = self.waiting.held_back.take();
        let waits_for_it = held_back.is_some();
        self.waiting.held_back.set(held_back);
        if take_if(&self.waiting.asked, session) && !waits_for_it {
            self.end_soon();
        }
    }

    /// A network works. Whoever waits for more goes on waiting, if there is memory for that.
    pub(super) fn proven(&self, connected: Connected) {
        let holds_back = self.answer.is_held_back().is_some() && self.answer.has_room();
        if holds_back {
            self.waiting.held_back.set(Some(connected));
        } else {
            self.station(Station::Connected(connected));
        }
        if holds_back || self.waiting.asked.get().is_some() {
            self.stay();
        }
    }

    /// When the device gets online, whoever waits has time to read so.
    pub(super) async fn heed_answer(&self) -> Infallible {
        self.answer.online().await;
        if let Some(connected) = self.waiting.held_back.take() {
            self.station(Station::Connected(connected));
        }
        self.wait_for(TO_READ);
        // Once: a device that comes and goes keeps nobody.
        core::future::pending().await
    }

    /// A client waits for the cloud's answer from now on, if none did and there is memory for it.
    fn stay(&self) {
        if self.waiting.until().is_some() || !self.answer.has_room() {
            return;
        }
        let held_back = self.answer.is_held_back().unwrap_or_default();
        self.wait_for(match self.waiting.asked.get() {
            Some(_) => held_back.max(PATIENCE),
            None => held_back,
        });
        self.tell(&Event::AnswerAwaited);
    }

    /// The client that waited knows all, or has gone.
    fn end_soon(&self) {
        if self.is_provisioned() {
            self.wait_for(LAST_WORD);
        }
    }

    fn wait_for(&self, time: Duration) {
        let until = embassy_time::Instant::now() + time;
        self.waiting.until.set(Some(until));
        self.work.signal(());
    }

    fn is_provisioned(&self) -> bool {
        self.device.borrow().is_provisioned()
    }
}

/// Empties the cell if this session is in it, and says whether it was.
fn take_if(cell: &Cell<Option<SessionId>>, session: SessionId) -> bool {
    let found = cell.get() == Some(session);
    if found {
        cell.set(None);
    }
    found
}
