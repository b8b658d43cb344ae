//! The cloud's answer: what a provisioning client is told of the way to the broker, and what it brought.
//!
//! Events go in as they are told, replies of [`protocomm::online`] come out. Whoever serves the client
//! decides how long it may wait; this knows only how far the device is.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant};
use protocomm::gatt::MAX_VALUE_LEN;
use protocomm::online::{Reply, Request, Stage};

use crate::event::Event;

/// How the device is doing on its way to the broker, for a client that waits to hear so.
#[derive(Default)]
pub struct Answer {
    /// For how long every client is kept from hearing "connected" until the broker has accepted.
    held_back: Duration,
    /// Whether a client may be there, for whom texts are worth making.
    open: Cell<bool>,
    stage: Cell<Stage>,
    failure: RefCell<String>,
    name: RefCell<String>,
    broker: RefCell<String>,
    /// Whether there is memory to go online beside the client's link; none before a network is proven.
    room: Cell<Option<bool>>,
    /// When a client told the time, and what it told.
    time: Cell<Option<(Instant, u64)>>,
    online: News,
}

struct News(Signal<NoopRawMutex, ()>);

impl Default for News {
    fn default() -> Self {
        Self(Signal::new())
    }
}

impl Answer {
    /// For clients that are told "connected" only once the broker has accepted, but wait at most this
    /// long; if it is 0, they are told so when the device has joined.
    #[must_use]
    pub fn held_back(held_back: Duration) -> Self {
        Self {
            held_back,
            ..Self::default()
        }
    }

    /// How long every client is kept waiting, if it is.
    pub(super) fn is_held_back(&self) -> Option<Duration> {
        (self.held_back > Duration::from_ticks(0)).then_some(self.held_back)
    }

    /// Provisioning opens: what was before is of no interest.
    pub(crate) fn open(&self) {
        self.open.set(true);
        self.stage.set(Stage::Waiting);
        self.failure.take();
        self.room.set(None);
        self.online.0.reset();
    }

    /// Provisioning is over.
    pub(crate) fn close(&self) {
        self.open.set(false);
        self.failure.take();
        self.broker.take();
    }

    /// A network is proven, and this is whether there is memory to go online while the client's link is
    /// up.
    pub(crate) fn set_room(&self, room: bool) {
        self.room.set(Some(room));
    }

    /// Whether the client may wait for the broker.
    pub(super) fn has_room(&self) -> bool {
        self.room.get() != Some(false)
    }

    /// Takes notice of what happened.
    pub(crate) fn note(&self, event: &Event) {
        if let Event::CredentialsProven { common_name, .. } = event {
            // Told once in a life, maybe before a client comes.
            *self.name.borrow_mut() = common_name.as_str().into();
        }
        if !self.open.get() {
            return;
        }
        let stage = match event {
            Event::NetworkChosen { .. } | Event::Joining { .. } | Event::WifiLost => Stage::Joining,
            Event::NetworkRefused { .. } => Stage::Waiting,
            Event::Joined { .. } => Stage::SettingClock,
            // It may be set again by whom the device is online with.
            Event::ClockSet { .. } if self.stage.get() != Stage::Online => Stage::Connecting,
            Event::Connecting { host, port, .. } => {
                *self.broker.borrow_mut() = alloc::format!("{host}:{port}");
                Stage::Connecting
            }
            Event::Online { .. } => {
                self.failure.take();
                Stage::Online
            }
            Event::ConnectionFailed { .. } => Stage::Connecting,
            _ => self.stage.get(),
        };
        if matches!(
            event,
            Event::WifiLost
                | Event::JoinFailed { .. }
                | Event::ClockFailed { .. }
                | Event::CredentialsRefused(_)
                | Event::ConnectionFailed { .. }
        ) {
            *self.failure.borrow_mut() = event.to_string();
        }
        self.stage.set(stage);
        if stage == Stage::Online {
            self.online.0.signal(());
        }
    }

    /// Returns when the device has got online. For one waiter.
    pub(super) async fn online(&self) {
        self.online.0.wait().await;
    }

    /// Answers a client, and takes the time that it has. Whether the answer is the last word: online, or
    /// that the link closes.
    pub(super) fn reply(&self, request: Request) -> (Option<Vec<u8>>, bool) {
        if let Some(unix_ms) = request.unix_ms {
            self.time.set(Some((Instant::now(), unix_ms)));
        }
        let stage = match self.room.get() {
            Some(false) => Stage::Closing,
            _ => self.stage.get(),
        };
        let online = stage == Stage::Online;
        let (failure, name, broker) = (
            self.failure.borrow(),
            self.name.borrow(),
            self.broker.borrow(),
        );
        let reply = Reply {
            stage,
            failure: &failure,
            name: if online { &name } else { "" },
            broker: if online { &broker } else { "" },
        };
        let mut message = vec![0; MAX_VALUE_LEN];
        let encoded = reply.encode(&mut message).map(|length| {
            message.truncate(length);
            message
        });
        (encoded.ok(), online || stage == Stage::Closing)
    }

    /// The time in milliseconds since 1970 UTC, as a client told it in this life.
    #[must_use]
    pub fn client_unix_ms(&self) -> Option<u64> {
        let (at, unix_ms) = self.time.get()?;
        Some(unix_ms.saturating_add(at.elapsed().as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::CloudError;
    use crate::event::ClockSource;

    fn told(answer: &Answer) -> (Stage, alloc::string::String) {
        let (reply, _) = answer.reply(Request { unix_ms: None });
        let reply = reply.unwrap();
        let reply = Reply::decode(&reply).unwrap();
        (reply.stage, reply.failure.into())
    }

    fn failed() -> Event {
        Event::ConnectionFailed {
            error: CloudError::NameNotResolved,
            retry_ms: 700,
        }
    }

    #[test]
    fn a_failure_is_told_in_the_devices_words_until_it_is_online() {
        let answer = Answer::default();
        answer.note(&failed());
        assert_eq!(
            told(&answer),
            (Stage::Waiting, "".into()),
            "nobody is there"
        );
        answer.open();
        answer.note(&failed());
        assert_eq!(told(&answer), (Stage::Connecting, failed().to_string()));
        answer.note(&Event::Connecting {
            host: "b".try_into().unwrap(),
            port: 1,
            attempt: 2,
        });
        assert_eq!(told(&answer), (Stage::Connecting, failed().to_string()));
        answer.note(&Event::Online {
            session_present: false,
        });
        assert_eq!(told(&answer), (Stage::Online, "".into()));
        answer.open();
        assert_eq!(told(&answer), (Stage::Waiting, "".into()));
    }

    #[test]
    fn a_clock_that_the_server_sets_leaves_the_device_online() {
        let answer = Answer::default();
        answer.open();
        let set = |source| Event::ClockSet { unix_ms: 1, source };
        answer.note(&set(ClockSource::Client));
        assert_eq!(told(&answer).0, Stage::Connecting);
        answer.note(&Event::Online {
            session_present: false,
        });
        answer.note(&set(ClockSource::Server));
        assert_eq!(told(&answer).0, Stage::Online);
    }

    #[test]
    fn without_memory_for_both_the_client_is_told_that_the_link_closes() {
        let answer = Answer::default();
        answer.open();
        answer.set_room(false);
        let (_, last) = answer.reply(Request { unix_ms: None });
        assert!(last && !answer.has_room());
        assert_eq!(told(&answer).0, Stage::Closing);
    }

    #[test]
    fn the_clients_time_goes_on() {
        let answer = Answer::default();
        assert_eq!(answer.client_unix_ms(), None);
        answer.reply(Request { unix_ms: Some(5) });
        answer.reply(Request { unix_ms: None });
        assert!(answer.client_unix_ms() >= Some(5));
    }
}
