//! What the view shows, kept up to date by what happens. Draws nothing and reads no clock.

use std::collections::VecDeque;
use std::time::Duration;

use device::event::Event;
use device::lifecycle::State;
use device::telemetry::Sample;
use embassy_time::Instant;

use crate::coverage::{Coverage, Verdict};
use crate::happening::{Happening, Line, Place};

/// How many lines of the journal are kept.
const JOURNAL: usize = 500;
/// How many samples are kept for the curves: more than a terminal is wide.
const CURVE: usize = 300;

/// The phases of a life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Provisioning,
    Joining,
    Clock,
    Connecting,
    Online,
}

impl Phase {
    pub(crate) const ALL: [Self; 5] = [
        Self::Provisioning,
        Self::Joining,
        Self::Clock,
        Self::Connecting,
        Self::Online,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Joining => "joining",
            Self::Clock => "clock",
            Self::Connecting => "connecting",
            Self::Online => "online",
        }
    }

    fn of(state: State) -> Option<Self> {
        match state {
            State::Provisioning { .. } => Some(Self::Provisioning),
            State::Joining { .. } => Some(Self::Joining),
            State::SettingClock { .. } => Some(Self::Clock),
            State::Connecting { .. } => Some(Self::Connecting),
            State::Online { .. } => Some(Self::Online),
            State::Starting | State::Halted | State::Restarting => None,
        }
    }
}

/// Everything that the view shows. All times are since the start of the demo.
pub(crate) struct Model {
    pub(crate) place: Place,
    /// The name that the device advertised.
    pub(crate) name: Option<String>,
    /// Which life it is, from 1.
    pub(crate) life: u32,
    pub(crate) state: State,
    /// When the present life began.
    pub(crate) began: Duration,
    /// When the present phase began.
    entered: Duration,
    /// How long each phase has taken in this life, up to when it was left last.
    spent: [Duration; Phase::ALL.len()],
    pub(crate) journal: VecDeque<(Duration, Line)>,
    pub(crate) samples: VecDeque<Sample>,
    /// Samples that the broker has not acknowledged.
    pub(crate) backlog: u16,
    pub(crate) dropped: u32,
    /// What arrived at the server in this life.
    coverage: Coverage,
    /// When the server stored something last.
    pub(crate) stored_at: Option<Duration>,
    /// The QR code's text, as long as the device waits for a client.
    pub(crate) code: Option<String>,
    /// Whether the operator wants to see the QR code all the time, or not at all.
    pub(crate) code_wanted: Option<bool>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            place: Place::default(),
            name: None,
            life: 0,
            state: State::Starting,
            began: Duration::ZERO,
            entered: Duration::ZERO,
            spent: [Duration::ZERO; Phase::ALL.len()],
            journal: VecDeque::new(),
            samples: VecDeque::new(),
            backlog: 0,
            dropped: 0,
            coverage: Coverage::new(1_000, 0),
            stored_at: None,
            code: None,
            code_wanted: None,
        }
    }
}

impl Model {
    /// Takes notice of what happened at `at`.
    pub(crate) fn apply(&mut self, at: Duration, happening: &Happening) {
        if let Some(line) = happening.line() {
            if self.journal.len() == JOURNAL {
                self.journal.pop_front();
            }
            self.journal.push_back((at, line));
        }
        match happening {
            Happening::Ready(place) => self.place = place.clone(),
            Happening::Life { number, at_ms } => self.begin(at, *number, *at_ms),
            Happening::Device(uptime_ms, event) => self.device(at, *uptime_ms, event),
            Happening::Code(code) => self.code = Some(code.clone()),
            Happening::Stored(stored) => {
                self.stored_at = Some(at);
                stored
                    .stamps_ms
                    .iter()
                    .for_each(|&ts| self.coverage.arrived(ts));
            }
            Happening::Phone(_) | Happening::Server(_) | Happening::Demo(_) => {}
        }
    }

    fn begin(&mut self, at: Duration, number: u32, at_ms: i64) {
        let (place, name) = (std::mem::take(&mut self.place), self.name.take());
        let journal = std::mem::take(&mut self.journal);
        let (code, code_wanted) = (self.code.take(), self.code_wanted);
        *self = Self {
            place,
            name,
            journal,
            code,
            code_wanted,
            life: number,
            began: at,
            entered: at,
            coverage: Coverage::new(1_000, at_ms),
            ..Self::default()
        };
    }

    fn device(&mut self, at: Duration, uptime_ms: u64, event: &Event) {
        let before = self.phase();
        self.state = self.state.step(event, Instant::from_millis(uptime_ms)).0;
        if self.phase() != before {
            if let Some(left) = before {
                self.spent[left as usize] += at.saturating_sub(self.entered);
            }
            self.entered = at;
        }
        match event {
            Event::ProvisioningStarted { name, .. } => self.name = Some(name.to_string()),
            Event::CredentialsProven { common_name, .. } if self.place.serial.is_empty() => {
                self.place.serial = common_name.to_string();
            }
            Event::Sampled(sample) => {
                if self.samples.len() == CURVE {
                    self.samples.pop_front();
                }
                self.samples.push_back(*sample);
                self.backlog = self.backlog.saturating_add(1);
            }
            Event::Acknowledged { backlog, .. } => self.backlog = *backlog,
            Event::SamplesDropped { total } => self.dropped = *total,
            _ => {}
        }
    }

    /// The present phase; none while starting, halted or restarting.
    pub(crate) fn phase(&self) -> Option<Phase> {
        Phase::of(self.state)
    }

    /// How long a phase has taken in this life; none if it was not reached.
    pub(crate) fn spent(&self, phase: Phase, now: Duration) -> Option<Duration> {
        let before = self.spent[phase as usize];
        if self.phase() == Some(phase) {
            Some(before + now.saturating_sub(self.entered))
        } else {
            (!before.is_zero()).then_some(before)
        }
    }

    /// What the server's time stamps say of all that was stored in this life.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let latest = self.coverage.latest()?;
        Some(self.coverage.verdict(latest..latest))
    }

    /// Whether the QR code is to be shown: while a client is awaited, unless the operator wants
    /// otherwise.
    pub(crate) fn shown_code(&self) -> Option<&str> {
        let waiting = self.phase() == Some(Phase::Provisioning);
        let code = self.code.as_deref()?;
        self.code_wanted.unwrap_or(waiting).then_some(code)
    }

    /// Shows the QR code where it is not shown, and hides it where it is.
    pub(crate) fn toggle_code(&mut self) {
        self.code_wanted = Some(self.shown_code().is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::event::ClockSource;
    use device::platform::ResetReason;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn life(number: u32) -> Happening {
        Happening::Life { number, at_ms: 500 }
    }

    fn stored(stamps_ms: Vec<i64>) -> Happening {
        Happening::Stored(crate::happening::Stored {
            stamps_ms,
            latest: String::new(),
        })
    }

    fn tell(model: &mut Model, at: u64, event: Event) {
        model.apply(seconds(at), &Happening::Device(at * 1000, event));
    }

    #[test]
    fn the_time_in_each_phase_adds_up() {
        let mut model = Model::default();
        model.apply(seconds(0), &life(1));
        let reset = ResetReason::PowerOn;
        tell(
            &mut model,
            1,
            Event::Booted {
                reset,
                provisioned: true,
            },
        );
        assert_eq!(model.phase(), Some(Phase::Joining));
        tell(
            &mut model,
            3,
            Event::Joined {
                address: [10, 0, 0, 2].into(),
                rssi_dbm: None,
            },
        );
        assert_eq!(model.spent(Phase::Joining, seconds(9)), Some(seconds(2)));
        assert_eq!(model.spent(Phase::Clock, seconds(9)), Some(seconds(6)));
        assert_eq!(model.spent(Phase::Online, seconds(9)), None);
        tell(&mut model, 10, Event::WifiLost);
        assert_eq!(model.spent(Phase::Joining, seconds(11)), Some(seconds(3)));
    }

    #[test]
    fn a_new_life_keeps_journal_and_places_only() {
        let mut model = Model::default();
        model.apply(
            seconds(0),
            &Happening::Ready(Place {
                serial: "SN-1".into(),
                ..Place::default()
            }),
        );
        model.apply(seconds(0), &life(1));
        tell(&mut model, 1, Event::WifiLost);
        model.apply(seconds(1), &stored(vec![1_000, 2_000]));
        assert_eq!(model.verdict().unwrap().samples, 2);
        model.apply(seconds(2), &life(2));
        assert_eq!(
            (model.life, model.place.serial.as_str(), model.journal.len()),
            (2, "SN-1", 1)
        );
        assert_eq!(model.verdict(), None);
    }

    #[test]
    fn the_code_is_shown_while_a_client_is_awaited_or_when_asked_for() {
        let mut model = Model::default();
        model.apply(seconds(0), &life(1));
        model.apply(seconds(0), &Happening::Code("code".into()));
        assert_eq!(model.shown_code(), None);
        let reset = ResetReason::PowerOn;
        tell(
            &mut model,
            1,
            Event::Booted {
                reset,
                provisioned: false,
            },
        );
        assert_eq!(model.shown_code(), Some("code"));
        model.toggle_code();
        assert_eq!(model.shown_code(), None);
        model.toggle_code();
        tell(
            &mut model,
            2,
            Event::ClockSet {
                unix_ms: 0,
                source: ClockSource::Sntp,
            },
        );
        assert_eq!(model.shown_code(), Some("code"));
    }
}
