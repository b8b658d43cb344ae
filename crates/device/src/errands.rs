//! What the cloud asks of the product, and what came of it.
//!
//! The product does one thing at a time, and a connection cannot wait for it: so errands wait for the
//! product, and outcomes for the connection. Neither ends with a connection in the middle: what was begun
//! is done, but a reply that nobody waits for any more is dropped.

use alloc::boxed::Box;
use alloc::string::String;
use core::cell::{Cell, RefCell};

use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::signal::Signal;
use heapless::String as Text;
use product::Refused;
use thingsboard::RequestId;

/// How many of each wait at most.
const MOST: usize = 4;

/// Room for the longest reply.
pub(crate) const REPLY_BYTES: usize = 448;

/// An RPC that was carried out, or refused, with its reply.
pub(crate) struct Answer {
    pub(crate) id: RequestId,
    /// Its name, cut.
    pub(crate) method: Text<32>,
    /// Whether it was carried out.
    pub(crate) ok: bool,
    /// The reply.
    pub(crate) payload: [u8; REPLY_BYTES],
    /// How many bytes it has.
    pub(crate) length: usize,
    /// What is to be done once the server has the reply.
    pub(crate) command: Option<Command>,
}

/// What the server commanded, and knows that it will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The device is to restart.
    Restart,
    /// The device is to forget its network.
    FactoryReset,
    /// A new firmware waits for a restart.
    Update,
    /// The next connection is to be made with another certificate, at once.
    Reconnect,
}

/// Something that the product is to do.
pub(crate) enum Errand {
    /// A call.
    Call {
        /// The answer to be filled.
        answer: Box<Answer>,
        /// The product's name of it.
        method: &'static str,
        /// The params, as JSON.
        params: Option<Box<str>>,
        /// The connection that it came by.
        connection: u32,
    },
    /// Shared attributes, as a JSON object of those that changed, or of all that there are.
    Shared {
        /// The object.
        json: Box<str>,
        /// Whether what is not in it is not set.
        all: bool,
    },
}

/// What a connection is to know.
pub(crate) enum Outcome {
    /// A call was carried out, or refused.
    Answered(Box<Answer>),
    /// A shared attribute was set, or could not be.
    Set {
        /// Its key.
        key: &'static str,
        /// Why not.
        refused: Option<Refused>,
    },
    /// The client attributes of the product are not what they were.
    Changed,
}

/// The two queues, and the product's client attributes.
pub(crate) struct Errands {
    waiting: Channel<NoopRawMutex, Errand, MOST>,
    done: Channel<NoopRawMutex, Outcome, MOST>,
    attributes: RefCell<String>,
    changed: Signal<NoopRawMutex, ()>,
    /// The present connection's number.
    connection: Cell<u32>,
}

impl Errands {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: Channel::new(),
            done: Channel::new(),
            attributes: RefCell::new(String::new()),
            changed: Signal::new(),
            connection: Cell::new(0),
        }
    }

    /// A connection begins: outcomes of the one before are none of its business.
    pub(crate) fn begin(&self) {
        self.connection.set(self.connection.get().wrapping_add(1));
        self.done.clear();
    }

    /// The present connection's number.
    pub(crate) fn connection(&self) -> u32 {
        self.connection.get()
    }

    /// Gives an errand, or gives it back if too many wait.
    pub(crate) fn give(&self, errand: Errand) -> Result<(), Errand> {
        let full = |embassy_sync::channel::TrySendError::Full(errand)| errand;
        self.waiting.try_send(errand).map_err(full)
    }

    /// Whether another errand has room.
    pub(crate) fn has_room(&self) -> bool {
        !self.waiting.is_full()
    }

    /// The next errand. Cancel-safe.
    pub(crate) async fn next(&self) -> Errand {
        self.waiting.receive().await
    }

    /// Tells what came of an errand; if nobody listens, nobody needs to know.
    pub(crate) fn done(&self, outcome: Outcome) {
        let _ = self.done.try_send(outcome);
    }

    /// Tells the client attributes, as a JSON object.
    pub(crate) fn tell(&self, attributes: &str) {
        let mut told = self.attributes.borrow_mut();
        if *told != attributes {
            told.clear();
            told.push_str(attributes);
            self.changed.signal(());
        }
    }

    /// The client attributes, as a JSON object; nothing where there are none.
    pub(crate) fn attributes(&self) -> String {
        self.attributes.borrow().clone()
    }

    /// Whether the client attributes are these.
    pub(crate) fn attributes_are(&self, these: &str) -> bool {
        *self.attributes.borrow() == these
    }

    /// Has the connection look again at what there is to tell.
    pub(crate) fn wake(&self) {
        self.changed.signal(());
    }

    /// The next outcome. Cancel-safe; for one waiter.
    pub(crate) async fn outcome(&self) -> Outcome {
        match select(self.done.receive(), self.changed.wait()).await {
            Either::First(outcome) => outcome,
            Either::Second(()) => Outcome::Changed,
        }
    }
}
