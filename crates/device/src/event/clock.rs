//! Where the time came from, why there is none, and what the server's own clock says of it.

use core::fmt;

/// Where the time came from: **the order of those who tell it**, the least first. Who comes later in
/// it is believed against who comes before.
///
/// - What each of them may be asked for, and when, is [`run/timekeeping`](crate::run)'s;
/// - whether one contradicts the server, [`Clock`](crate::clock::Clock) finds out;
/// - below all of them is what is [certainly past](crate::context::Context::certainly_past_s): nobody's word is
///   taken that it is earlier, not the server's either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockSource {
    /// Nobody told the time: the latest of build time, last good time and the dates from which
    /// certificates are valid that proved good. It is that late at least: a certificate can be found
    /// expired by it, and not be found not valid yet; samples carry no time stamp.
    Floor,
    /// The provisioning client, which has proved possession; no time server answered, and no clock ran
    /// on.
    Client,
    /// It was right already: it ran on through the restart.
    Kept,
    /// A time server.
    Sntp,
    /// The server's own clock, over TLS. Where it is near what time servers tell, theirs is kept, which is exact to
    /// milliseconds; where it is not, they are not believed.
    Server,
}

impl fmt::Display for ClockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Floor => {
                "no time server answers: the last time known to be past; a certificate that expired since then \
                 cannot be told, so let UDP port 123 through"
            }
            Self::Client => {
                "as the provisioning client told it: no time server answers, so let UDP port 123 through"
            }
            Self::Kept => {
                "kept through the restart, perhaps not to the second: no time server answers"
            }
            Self::Sntp => "from the time server",
            Self::Server => "from the server's own clock",
        })
    }
}

/// Why there is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockError {
    /// The server's name does not resolve.
    NameNotResolved,
    /// The server did not answer in time.
    Silent,
    /// The answer makes no sense, or is of a time that is certainly past.
    Implausible,
    /// There is no socket.
    NoSocket,
    /// Servers answered, and no two of them agree.
    Contradiction,
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameNotResolved => {
                "the time server's name does not resolve: check sntp_server and the network's DNS"
            }
            Self::Silent => {
                "the time server does not answer: let UDP port 123 through, or change sntp_server"
            }
            Self::Implausible => "the time server's answer makes no sense: check sntp_server",
            Self::Contradiction => {
                "the time servers contradict each other: write three into sntp_server, of which two are right"
            }
            Self::NoSocket => "no UDP socket for the time server: this is a fault of the firmware",
        })
    }
}

/// What the server's own clock says of the device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerClock {
    /// It is near what the time servers tell.
    Confirmed {
        /// How far off, in milliseconds.
        off_ms: u32,
    },
    /// It is far from what the time servers tell, which are not believed. This is told once, until they agree.
    Contradicted {
        /// How far off, in seconds.
        by_s: u64,
    },
    /// It says a time that is certainly past, and is not believed.
    Refused {
        /// How long past, in seconds.
        by_s: u64,
    },
}

impl ServerClock {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "clock.confirmed",
            Self::Contradicted { .. } => "clock.contradicted",
            Self::Refused { .. } => "clock.refused",
        }
    }
}

impl fmt::Display for ServerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed { off_ms } => {
                write!(
                    f,
                    "the server's own clock confirms the time, to {off_ms} ms"
                )
            }
            Self::Contradicted { by_s } => write!(
                f,
                "the time servers contradict the server's own clock by {by_s} s, and are not believed: check \
                 sntp_server, and the server's clock"
            ),
            Self::Refused { by_s } => write!(
                f,
                "the server's own clock is {by_s} s before what is certainly past, and is not believed: set it right"
            ),
        }
    }
}
