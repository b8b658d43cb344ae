//! What happens in the demo, whoever it happens to: the one vocabulary of the view and the lines.

use std::fmt;

use device::event::{Event, ServerClock};

use console::printable;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Happening {
    /// Everything is in its place; the device is about to get power.
    Ready(Place),
    /// A life of the device begins.
    Life {
        /// Counted from 1.
        number: u32,
        /// When, by the computer's clock, in milliseconds since 1970.
        at_ms: i64,
    },
    /// Something happened to the device, this many milliseconds after its boot.
    Device(u64, Event),
    /// The device shows its QR code, with the proof of possession in it.
    Code(String),
    /// The phone did something, or was told something.
    Phone(Note),
    /// Something happened at the server.
    Server(Note),
    /// The server stored samples.
    Stored(Stored),
    /// The operator, or the demo itself, did something.
    Demo(Note),
}

/// Samples that the server stored together.
#[derive(Debug, Clone)]
pub struct Stored {
    /// When they were taken, in milliseconds since 1970.
    pub stamps_ms: Vec<i64>,
    /// The latest of them, for people.
    pub latest: String,
}

/// What this is, and where everything is.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The command that runs.
    pub title: &'static str,
    /// The device's serial number.
    pub serial: String,
    /// The server's address for devices; empty without a server of ours.
    pub mqtt: String,
    /// The server's page; empty without a server of ours.
    pub page: String,
}

/// A sentence, and how good the news is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How good it is.
    pub tone: Tone,
    /// What is said.
    pub text: String,
}

/// How good the news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Just so.
    Plain,
    /// A step is done.
    Good,
    /// Not as hoped, but it goes on.
    Bad,
}

impl Note {
    /// What is said, whoever chose the words: it is made fit for a terminal.
    fn new(tone: Tone, text: &str) -> Self {
        let text = printable(text).into_owned();
        Self { tone, text }
    }

    /// Just so.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new(Tone::Plain, text.as_ref())
    }

    /// A step is done.
    pub fn good(text: impl AsRef<str>) -> Self {
        Self::new(Tone::Good, text.as_ref())
    }

    /// Not as hoped, but it goes on.
    pub fn bad(text: impl AsRef<str>) -> Self {
        Self::new(Tone::Bad, text.as_ref())
    }
}

/// Who a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The device.
    Device,
    /// The phone that provisions it.
    Phone,
    /// The server.
    Server,
    /// The program, or its operator.
    Demo,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Device => "device",
            Self::Phone => "phone",
            Self::Server => "server",
            Self::Demo => "esptb",
        })
    }
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whom it is about.
    pub who: Who,
    /// The stable name of a device's event; empty for all else.
    pub name: &'static str,
    /// What is said.
    pub note: Note,
}

impl Happening {
    /// What the journal says of it; nothing for what happens every second, and for secrets.
    pub fn line(&self) -> Option<Line> {
        let (who, name, note) = match self {
            Self::Device(_, event) => (Who::Device, event.name(), told(event)?),
            Self::Phone(note) => (Who::Phone, "", note.clone()),
            Self::Server(note) => (Who::Server, "", note.clone()),
            Self::Demo(note) => (Who::Demo, "", note.clone()),
            Self::Ready(_) | Self::Life { .. } | Self::Code(_) | Self::Stored(_) => return None,
        };
        Some(Line { who, name, note })
    }
}

fn told(event: &Event) -> Option<Note> {
    let tone = match event {
        Event::Sampled(_) | Event::Acknowledged { .. } => return None,
        Event::CredentialsProven { .. }
        | Event::SessionOpened { .. }
        | Event::Provisioned { .. }
        | Event::Joined { .. }
        | Event::ClockSet { .. }
        | Event::ServerClock(ServerClock::Confirmed { .. })
        | Event::TlsEstablished { .. }
        | Event::Online { .. } => Tone::Good,
        Event::BootPaused { .. }
        | Event::StorageFailed(_)
        | Event::KeptInMemory(_)
        | Event::SettingsRefused(_)
        | Event::CountryRefused { .. }
        | Event::CredentialsRefused(_)
        | Event::AnchorUnused(_)
        | Event::ProofRefused { .. }
        | Event::ProofsLocked { .. }
        | Event::BluetoothFailed
        | Event::NetworkRefused { .. }
        | Event::JoinFailed { .. }
        | Event::WifiLost
        | Event::ClockFailed { .. }
        | Event::ServerClock(_)
        | Event::ConnectionFailed { .. }
        | Event::SensorFailed(_)
        | Event::SamplesDropped { .. }
        | Event::RpcDropped { .. }
        | Event::MessageSkipped { .. }
        | Event::RpcAnswered { ok: false, .. } => Tone::Bad,
        _ => Tone::Plain,
    };
    Some(Note::new(tone, &event.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::telemetry::Sample;

    #[test]
    fn the_journal_leaves_out_what_happens_every_second_and_secrets() {
        assert!(
            Happening::Device(0, Event::Sampled(Sample::default()))
                .line()
                .is_none()
        );
        assert!(
            Happening::Code("{\"pop\":\"abcd1234\"}".into())
                .line()
                .is_none()
        );
        assert!(
            Happening::Stored(Stored {
                stamps_ms: vec![1],
                latest: String::new()
            })
            .line()
            .is_none()
        );
    }

    #[test]
    fn a_line_of_the_device_has_the_stable_name_of_its_event() {
        let line = Happening::Device(0, Event::WifiLost).line().unwrap();
        assert_eq!((line.who, line.name), (Who::Device, "wifi.lost"));
        assert_eq!(line.note.tone, Tone::Bad);
        assert_eq!(line.note.text, Event::WifiLost.to_string());
    }
}
