//! New anchors: the authorities that a broker's next certificate comes from. Devices use them beside those
//! that they have, and so does a device before the broker's certificate is another.

use super::brings::{Brings, Words};
use super::member::Member;
use super::pieces::Pieces;
use super::seen::Seen;
use crate::rest::{EntityData, Key, KeyType};
use crate::{Client, Device, Error, sha256};

/// The shared attributes that bring them.
const ATTRIBUTES: &str = "serverChain";
/// The client attribute in which a device tells how far it is.
const STATE: &str = "server_chain_renewal";
/// In these states it uses them: beside the old ones, or because they proved a broker.
const USED: [&str; 2] = ["TRYING", "RENEWED"];

/// The certificates.
#[derive(Clone, Debug)]
pub struct Anchors {
    pieces: Pieces,
    sha256: String,
}

impl Anchors {
    /// Of certificates in DER, one after the other.
    #[must_use]
    pub fn new(certificates: &[u8]) -> Self {
        Self {
            pieces: Pieces::new(ATTRIBUTES, certificates),
            sha256: sha256(certificates),
        }
    }

    /// The SHA-256 of all of them, in hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

const WORDS: Words = Words {
    late: "no new anchors",
    state: STATE,
    it: "the new anchors",
    uses: "has the new anchors",
    used: "had the new anchors",
    old: "the anchors ",
};

const KEYS: [Key<'static>; 2] = [
    Key {
        kind: KeyType::ClientAttribute,
        key: STATE,
    },
    Key {
        kind: KeyType::SharedAttribute,
        key: ATTRIBUTES,
    },
];

fn is_used(seen: &Seen) -> bool {
    let state = seen.state.as_ref().map(|(state, _)| state.as_str());
    state.is_some_and(|state| USED.contains(&state))
}

impl Brings for Anchors {
    fn words(&self) -> &'static Words {
        &WORDS
    }

    fn keys(&self) -> &'static [Key<'static>] {
        &KEYS
    }

    fn see(&self, data: &EntityData, device: Device) -> Seen {
        use KeyType::{ClientAttribute as Client, SharedAttribute as Shared};
        let state = data.value(Client, STATE);
        let brought = data.value(Shared, ATTRIBUTES);
        let told_ms = state.map(|state| state.ts);
        // As `FAILED: no room`.
        let told = data.text(Client, STATE).unwrap_or_default();
        let (state, error) = match told.split_once(": ") {
            Some((state, error)) => (state, Some(error.to_owned())),
            None => (told, None),
        };
        let mut seen = Seen {
            state: Some(state.to_owned()).zip(told_ms),
            error,
            ..Seen::of(device)
        };
        // What it told before these were brought it told of others.
        let since = brought.is_some_and(|brought| told_ms >= Some(brought.ts));
        if since && is_used(&seen) {
            seen.running = data.text(Shared, ATTRIBUTES).map(str::to_owned);
        }
        seen
    }

    fn has_it(&self, seen: &Seen, _: i64) -> bool {
        seen.running.as_deref() == Some(self.pieces.summary())
    }

    fn is_there(&self, member: &Member, seen: &Seen) -> bool {
        // By when it told: to bring them once more, after an interruption, makes them look newer.
        let told_ms = seen.state.as_ref().map(|(_, at)| *at);
        is_used(seen) && told_ms > member.state_ms
    }

    fn is_lost(&self, _: &Member, _: &Seen) -> bool {
        // A device that gives them up says so: `FAILED`.
        false
    }

    fn give(&self, client: &Client, member: &Member) -> Result<(), Error> {
        self.pieces.share(client, &member.id)
    }

    fn take_back(&self, client: &Client, member: &Member) -> Result<(), Error> {
        client.unshare(&member.id, &self.pieces.keys())
    }
}
