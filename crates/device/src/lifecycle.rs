//! The device's life as a function: `(state, event, now)` in, `(state, action)` out.
//!
//! Nothing here waits, reads a clock or touches hardware; [`run()`](crate::run()) performs the
//! actions and feeds back what happened. Every event passes through [`State::step`], and most
//! change nothing.
//!
//! ```text
//!                     +---------- no network known ----------+
//!                     |                                       v
//!   Starting ---------+                                 Provisioning
//!                     |                                   |   ^
//!                     +-- known --> Joining               |   | passphrase refused, or network
//!                                   |  ^  |               |   | unreadable, 5 times: 5 minutes
//!                                   |  |  +---------------|---+ for a client, then Joining again
//!                            joined |  | lost             | proven and kept, and Bluetooth down
//!                                   v  |                  v  or a client waits for the answer
//!                                 SettingClock <----------+
//!                                   |  ^  any failure: again, after a growing random pause
//!                               set |
//!                                   v
//!                   credentials   Connecting <---+ failed or cut off: again, after a growing
//!        Halted <---------------    |            | random pause, also when the connection
//!      (looks again every minute)   v            | lasted less than a minute
//!                                 Online --------+
//!
//!   from everywhere:  network lost --> Joining;  restart or factory reset --> Restarting
//!   the server changed TLS's keys, or another certificate is to be tried: Online --> Connecting, at once
//!   nobody answered 8 times, neither DNS nor broker --> Joining
//!   the network cannot be erased from flash: Restarting --> Provisioning
//!   a certificate's date does not fit the clock:  the clock is doubted --> SettingClock
//! ```

use embassy_time::{Duration, Instant};

use crate::broker::CloudError;
use crate::event::{Event, RestartReason};
use crate::tls::TlsError;
use crate::wifi::JoinError;

/// How long a connection must last to count as one: a broker that accepts and kicks is a failure
/// each time, and the pauses go on growing.
pub const STEADY: Duration = Duration::from_secs(60);

/// How long a connection must last to be resumed at once after the server changed its keys, so that
/// no server makes a device connect without end.
pub const CHANGE: Duration = Duration::from_secs(10);

/// How many times in a row the access point may refuse the passphrase before provisioning opens
/// again beside it.
pub const REFUSALS: u32 = 5;

/// How many time servers' silences make the device go on with the floor.
pub const CLOCK_TRIES: u32 = 3;

/// How long to wait after a certificate's date did not fit the clock: if it is the certificate's
/// fault, nothing will change soon.
pub const DOUBT: Duration = Duration::from_secs(60);

/// After how many failures in a row to get any answer at all the network is joined anew: an access
/// point may be up and lead nowhere, or a lease be forgotten.
pub const REJOIN: u32 = 8;

/// How soon credentials that cannot be used are read again, and what is wrong with them is said
/// again.
pub const REMINDER: Duration = Duration::from_secs(60);

/// How long an attempt can take at most, with its pause: each of its steps has a limit of its own,
/// the sum of which is less than half of this.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How long provisioning stays open for a device whose network refuses it.
pub const RESCUE_WINDOW: Duration = Duration::from_secs(300);

/// Where the device is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is known yet.
    Starting,
    /// Bluetooth is up, a client may choose a network. It may stay up afterwards, beside the states that
    /// follow, for a client that waits to hear whether the device gets online.
    Provisioning {
        /// Whether a network was found to work and is kept.
        proven: bool,
        /// Whether a network is known that refuses the device.
        rescue: bool,
    },
    /// A network is known and being joined.
    Joining {
        /// This try, from 1.
        attempt: u32,
        /// Consecutive refusals of the passphrase.
        refusals: u32,
    },
    /// Joined, asking for the time.
    SettingClock {
        /// This try, from 1.
        attempt: u32,
    },
    /// The time is known; TCP, TLS and MQTT are on their way.
    Connecting {
        /// This try, from 1.
        attempt: u32,
    },
    /// The broker accepted.
    Online {
        /// When it did.
        since: Instant,
        /// Which try it was.
        attempt: u32,
    },
    /// The credentials cannot be used: the operator must bring others, or reset. They are looked at
    /// again from time to time.
    Halted,
    /// About to restart.
    Restarting,
}

/// What [`run()`](crate::run()) is to do now. It gives up whatever it was doing before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Advertise and serve provisioning clients, at most this long; afresh, if that goes on from before.
    Provision {
        /// No limit if none.
        window: Option<Duration>,
    },
    /// Join the known network after a pause.
    Join {
        /// The pause.
        after: Duration,
    },
    /// Ask for the time after a pause.
    SetClock {
        /// The pause.
        after: Duration,
        /// Whether to go on with the floor should nobody answer.
        floor: bool,
    },
    /// Connect to the broker after a pause.
    Connect {
        /// The pause.
        after: Duration,
    },
    /// Forget the network, then restart.
    EraseAndRestart,
    /// Restart.
    Restart(RestartReason),
}

impl State {
    /// The number of the try under way, from 1; 0 where tries are not counted.
    #[must_use]
    pub fn attempt(self) -> u32 {
        match self {
            Self::Joining { attempt, .. }
            | Self::SettingClock { attempt }
            | Self::Connecting { attempt }
            | Self::Online { attempt, .. } => attempt,
            _ => 0,
        }
    }

    /// How long this state can last; none if for ever.
    #[must_use]
    pub fn patience(self) -> Option<Duration> {
        match self {
            Self::Joining { .. } | Self::SettingClock { .. } | Self::Connecting { .. } => {
                Some(PATIENCE)
            }
            Self::Starting
            | Self::Provisioning { .. }
            | Self::Online { .. }
            | Self::Halted
            | Self::Restarting => None,
        }
    }

    /// Whether the device has been online for long enough to call its life a good one.
    #[must_use]
    pub fn is_steady(self, now: Instant) -> bool {
        matches!(self, Self::Online { since, .. } if now.saturating_duration_since(since) >= STEADY)
    }

    /// Whether the connection that ends with this error is resumed without a pause: nothing failed,
    /// and nobody who waits would gain by it.
    #[must_use]
    pub fn resumes_at_once(self, error: CloudError, now: Instant) -> bool {
        matches!(self, Self::Online { since, .. } if now.saturating_duration_since(since) >= CHANGE)
            && error == CloudError::Tls(TlsError::KeyUpdate)
    }

    /// How long to pause before the next try, should the present one fail now: see [`pause_ms`].
    #[must_use]
    pub fn retry_ms(self, now: Instant, random: u32) -> u32 {
        let attempt = match self {
            state if state.is_steady(now) => 1,
            state => state.attempt(),
        };
        pause_ms(attempt, random)
    }

    /// How long to pause after a certificate's date did not fit the clock: about [`DOUBT`], and not
    /// the same for all devices.
    #[must_use]
    pub fn doubt_ms(random: u32) -> u32 {
        let doubt_ms = DOUBT.as_millis() as u32;
        between(doubt_ms / 2, doubt_ms / 2 * 3, random)
    }

    /// What follows from `event`: the next state, and what to do if that is something else than
    /// before.
    #[must_use]
    pub fn step(self, event: &Event, now: Instant) -> (Self, Option<Action>) {
        let at_once = Duration::from_ticks(0);
        match (self, event) {
            (Self::Restarting, Event::EraseFailed(_)) => provision(),
            (Self::Restarting, _) => (self, None),
            (_, Event::FactoryReset) => (Self::Restarting, Some(Action::EraseAndRestart)),
            (_, Event::Restarting { why }) => (Self::Restarting, Some(Action::Restart(*why))),

            (
                Self::Starting,
                Event::Booted {
                    provisioned: true, ..
                },
            ) => join_afresh(),
            (
                Self::Starting,
                Event::Booted {
                    provisioned: false, ..
                },
            ) => provision(),

            (Self::Provisioning { rescue, .. }, Event::Provisioned { .. }) => (
                Self::Provisioning {
                    proven: true,
                    rescue,
                },
                None,
            ),
            // A client that waits for the cloud's answer has Bluetooth stay up; when it stops then, nothing
            // follows.
            (
                Self::Provisioning { proven: true, .. },
                Event::BluetoothStopped | Event::AnswerAwaited,
            ) => (
                Self::SettingClock { attempt: 1 },
                Some(Action::SetClock {
                    after: at_once,
                    floor: false,
                }),
            ),
            (Self::Provisioning { rescue: true, .. }, Event::BluetoothStopped) => join_afresh(),
            // Somebody ended it from the client's side: it opens again.
            (Self::Provisioning { .. }, Event::BluetoothStopped) => {
                (self, Some(Action::Provision { window: None }))
            }

            (Self::Joining { .. }, Event::Joined { .. }) => (
                Self::SettingClock { attempt: 1 },
                Some(Action::SetClock {
                    after: at_once,
                    floor: false,
                }),
            ),
            (Self::Joining { attempt, refusals }, Event::JoinFailed { error, retry_ms }) => {
                let refusals = match error {
                    JoinError::WrongPassphrase => refusals + 1,
                    _ => 0,
                };
                join_again(attempt, refusals, *retry_ms)
            }
            (Self::Joining { attempt, refusals }, Event::NetworkUnreadable { retry_ms, .. }) => {
                join_again(attempt, refusals + 1, *retry_ms)
            }

            (
                Self::SettingClock { .. }
                | Self::Connecting { .. }
                | Self::Online { .. }
                | Self::Halted,
                Event::WifiLost,
            ) => join_afresh(),

            (Self::SettingClock { .. }, Event::ClockSet { .. }) => (
                Self::Connecting { attempt: 1 },
                Some(Action::Connect { after: at_once }),
            ),
            (Self::SettingClock { attempt }, Event::ClockFailed { retry_ms, .. }) => {
                let attempt = attempt.saturating_add(1);
                (
                    Self::SettingClock { attempt },
                    Some(Action::SetClock {
                        after: millis(*retry_ms),
                        floor: attempt >= CLOCK_TRIES,
                    }),
                )
            }

            (
                Self::Connecting { .. } | Self::Online { .. } | Self::Halted,
                Event::CredentialsRefused(error),
            ) if !error.doubts_clock() => (Self::Halted, Some(Action::Connect { after: REMINDER })),
            (Self::Connecting { .. } | Self::Halted, Event::CredentialsRefused(_)) => {
                doubt_clock(DOUBT)
            }
            // From a connection to the next without a pause, which is made with another certificate.
            (Self::Halted | Self::Online { .. }, Event::Connecting { .. }) => {
                (Self::Connecting { attempt: 1 }, None)
            }
            (Self::Connecting { .. }, Event::ConnectionFailed { error, retry_ms })
                if error.doubts_clock() =>
            {
                doubt_clock(millis(*retry_ms))
            }
            (Self::Connecting { attempt }, Event::ConnectionFailed { error, retry_ms })
                if error.leads_nowhere() && attempt % REJOIN == 0 =>
            {
                join_again(0, 0, *retry_ms)
            }
            (Self::Connecting { attempt }, Event::Online { .. }) => (
                Self::Online {
                    since: now,
                    attempt,
                },
                None,
            ),
            (Self::Connecting { attempt }, Event::ConnectionFailed { retry_ms, .. }) => (
                connecting_after(attempt),
                Some(Action::Connect {
                    after: millis(*retry_ms),
                }),
            ),
            (Self::Online { attempt, .. }, Event::ConnectionFailed { error, retry_ms }) => {
                let next = if self.is_steady(now) || self.resumes_at_once(*error, now) {
                    Self::Connecting { attempt: 1 }
                } else {
                    connecting_after(attempt)
                };
                (
                    next,
                    Some(Action::Connect {
                        after: millis(*retry_ms),
                    }),
                )
            }

            _ => (self, None),
        }
    }
}

/// How long to pause after so many failures in a row, in milliseconds: random between a quarter of
/// a second and a bound that doubles with each, from 1 s up to a minute ("full jitter", so that ten
/// thousand devices do not come back together).
#[must_use]
pub fn pause_ms(failures: u32, random: u32) -> u32 {
    const LEAST_MS: u32 = 250;
    const MOST_MS: u32 = 60_000;
    let doublings = failures.saturating_sub(1).min(16);
    let bound = 1_000u32.checked_shl(doublings).unwrap_or(MOST_MS);
    between(LEAST_MS, bound.min(MOST_MS), random)
}

fn join_afresh() -> (State, Option<Action>) {
    (
        State::Joining {
            attempt: 1,
            refusals: 0,
        },
        Some(Action::Join {
            after: Duration::from_ticks(0),
        }),
    )
}

/// After the attempt with this number, and this many refusals in a row.
fn join_again(attempt: u32, refusals: u32, retry_ms: u32) -> (State, Option<Action>) {
    if refusals >= REFUSALS {
        let state = State::Provisioning {
            proven: false,
            rescue: true,
        };
        let window = Some(RESCUE_WINDOW);
        return (state, Some(Action::Provision { window }));
    }
    let attempt = attempt.saturating_add(1);
    let after = millis(retry_ms);
    (
        State::Joining { attempt, refusals },
        Some(Action::Join { after }),
    )
}

fn provision() -> (State, Option<Action>) {
    let state = State::Provisioning {
        proven: false,
        rescue: false,
    };
    (state, Some(Action::Provision { window: None }))
}

fn doubt_clock(after: Duration) -> (State, Option<Action>) {
    let floor = false;
    (
        State::SettingClock { attempt: 1 },
        Some(Action::SetClock { after, floor }),
    )
}

fn connecting_after(attempt: u32) -> State {
    State::Connecting {
        attempt: attempt.saturating_add(1),
    }
}

/// From `least` for the least random number to `most` for the highest.
fn between(least: u32, most: u32, random: u32) -> u32 {
    least + (u64::from(random) * u64::from(most - least) / u64::from(u32::MAX)) as u32
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

#[cfg(test)]
mod tests;
