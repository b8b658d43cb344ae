//! What can go wrong, by who must act.

use std::time::Duration;

use protocomm::client;
use protocomm::refusal::Refused;
use protocomm::wifi::Ssid;
use protocomm::wire::Status;

use crate::link_error::LinkError;

/// Why a step of provisioning failed. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user: no device was heard.
    #[error(
        "no provisioning device was heard within {} s{} (is it powered, in reach, and not provisioned yet?)",
        .waited.as_secs(),
        .name.as_ref().map_or(String::new(), |n| format!(" under the name `{n}`"))
    )]
    NotFound {
        /// How long was listened.
        waited: Duration,
        /// The name or prefix that was looked for.
        name: Option<String>,
    },
    /// The user: several devices were heard, and none was named.
    #[error("several devices advertise: {}; name one of them", .0.join(", "))]
    Ambiguous(Vec<String>),
    /// The user: the device demands a proof of possession and none was given.
    #[error("the device demands a proof of possession: give the one on its label or console")]
    ProofNeeded,
    /// The user, or whoever the protocol's own error names.
    #[error("{0}")]
    Session(client::Error),
    /// The device's `proto-ver` makes no sense.
    #[error(
        "the device tells no protocol version that makes sense: is this a provisioning device?"
    )]
    Version,
    /// The user: the name or passphrase is longer than Wi-Fi allows.
    #[error(
        "{0} is too long for Wi-Fi: 32 bytes for a name, 63 for a passphrase (or a key of 64 hexadecimal digits)"
    )]
    TooLong(&'static str),
    /// The device cannot do what it was asked now.
    #[error("the device refused to {step}: {status:?}")]
    Device {
        /// What it was to do.
        step: &'static str,
        /// Its own word for it.
        status: Status,
    },
    /// The device says that it joined another network than it was told.
    #[error(
        "the device joined {:?}, which is not the network that it was told: the name was changed on its way. Reset the device, and provision it with security 2",
        String::from_utf8_lossy(.0.as_bytes())
    )]
    OtherNetwork(Ssid),
    /// The device answered something else than was asked.
    #[error(
        "the device's answer does not fit the question: is its firmware an ESP-IDF provisioning service?"
    )]
    Unexpected,
    /// The device went on saying that it is joining.
    #[error("the device is still joining after {} s: look at its console", .0.as_secs())]
    StillJoining(Duration),
    /// The caller did not open a session before.
    #[error("no session is open: open one first")]
    NoSession,
    /// The way to the device.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Self {
        Self::Session(error)
    }
}

impl LinkError {
    /// What the device's refusal says, where this is one.
    pub(crate) fn refused(&self) -> Option<Refused> {
        match self {
            Self::Refused { refused, .. } => Some(*refused),
            // ESP-IDF's HTTP server closes the connection where it refuses.
            Self::Lost => Some(Refused::Other),
            _ => None,
        }
    }
}
