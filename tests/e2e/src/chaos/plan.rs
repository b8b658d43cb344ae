//! What is done to the device, and when: drawn from a seed, and nothing else.
//!
//! The same seed and number of faults make the same plan on every computer. What the sockets and
//! threads of a run make of it differs by milliseconds from run to run.

use std::fmt;

use crate::dice::Dice;

/// The intervals between two samples that a server asks for in a run, in milliseconds.
pub(super) const INTERVALS_MS: [u32; 3] = [250, 500, 1_000];

/// Something bad. Those that last are over after [`Planned::lasting_ms`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server's process is killed, and started again at the end.
    ServerKilled,
    /// The same, for so long that the device's queue is full.
    ServerAway,
    /// The server has a new certificate of the same CA.
    ServerRenewed,
    /// The server has a certificate that the device must not accept.
    ServerImpostor(Impostor),
    /// The server drops the device's connection.
    ServerKicks,
    /// All connections break, and new ones are refused.
    LineCut,
    /// All connections break after as many more bytes.
    LineCutAfter {
        /// Bytes, both ways together.
        bytes: u32,
    },
    /// Connections stay, and nothing comes through.
    LineSilent,
    /// Everything comes late.
    LineSlow {
        /// By how much, in milliseconds.
        ms: u32,
    },
    /// Everything comes byte by byte.
    LineTrickles,
    /// The access point is off.
    WifiLost,
    /// The station loses the access point for a moment.
    WifiBlinks,
    /// The access point changes its channel.
    WifiChannel,
    /// Nobody gives addresses.
    NoDhcp,
    /// The network has another passphrase for a while.
    PassphraseChanged,
    /// The network has another passphrase for good: someone provisions the device again.
    PassphraseReplaced,
    /// The power is cut.
    PowerCut,
    /// The power is cut while something is written to flash.
    PowerCutWriting {
        /// Words written or sectors erased before.
        operations: u32,
    },
    /// The server asks the device to restart.
    Reboot,
    /// Someone holds the button, and provisions the device again.
    Button,
    /// Power cut, and no time server.
    TimeSilent,
    /// Power cut, and a time server that lies.
    TimeLies {
        /// By how much, in seconds.
        seconds: i64,
    },
    /// The chip's own clock is wrong, and the device restarts.
    ClockStepped {
        /// By how much, in seconds.
        seconds: i64,
    },
    /// The device gets a new certificate and key.
    DeviceRenewed,
    /// The device gets a certificate that is not its key's, and the right ones at the end.
    DeviceMismatched,
    /// Many calls at once.
    CallStorm {
        /// How many.
        calls: u32,
    },
    /// The server sets the interval between samples.
    Interval {
        /// To this, in milliseconds; absurd ones are among them.
        ms: i64,
    },
    /// The maker brings out another version, which is assigned until it runs.
    FirmwareAssigned {
        /// Bytes of its image.
        len: u32,
    },
    /// One is assigned, and taken away after a while.
    FirmwareWithdrawn {
        /// Bytes of its image.
        len: u32,
    },
    /// Somebody else's is assigned, until it is refused.
    FirmwareForged {
        /// Bytes of its image.
        len: u32,
    },
    /// The device is asked for another key, and gets a certificate for it.
    CertificateAsked,
    /// The server moves to another CA, which the device is told before.
    AnchorsChanged,
}

/// How a server is not who it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impostor {
    /// Its certificate has expired.
    Expired,
    /// Its certificate is of another CA.
    Stranger,
    /// Its certificate has another name.
    Misnamed,
}

/// What a fault happens to. Two faults of one place never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The server.
    Server,
    /// The network between access point and server.
    Line,
    /// The access point.
    Wifi,
    /// The device itself, its power and its clocks.
    Device,
    /// What comes over the air: firmware, certificates.
    Air,
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// How long after the one before it begins, in milliseconds of the device's time; later if
    /// another fault of its place is not over then.
    pub pause_ms: u64,
    /// What happens.
    pub fault: Fault,
    /// How long it lasts, in milliseconds; 0 for what is but a moment.
    pub lasting_ms: u64,
}

/// After how many faults the world leaves the device in peace, until it is well again.
pub const PEACE_AFTER: usize = 6;

/// The faults of a run, in order of time.
///
/// Of the first [`KINDS`] faults each is another kind, in an order drawn from the seed, so that no
/// kind is missing from a run that is long enough.
#[must_use]
pub fn plan(seed: u64, faults: usize) -> Vec<Planned> {
    let mut dice = Dice::from_seed(seed);
    let mut order: Vec<usize> = (0..KINDS).collect();
    for index in (1..KINDS).rev() {
        order.swap(index, dice.between(0, index as u64) as usize);
    }
    (0..faults)
        .map(|number| {
            let pause_ms = dice.between(2_000, 60_000);
            let kind = match order.get(number) {
                Some(&kind) => kind,
                None => dice.between(0, KINDS as u64 - 1) as usize,
            };
            let (fault, lasting_ms) = draw(kind, &mut dice);
            Planned {
                pause_ms,
                fault,
                lasting_ms,
            }
        })
        .collect()
}

/// How many kinds of fault there are.
pub const KINDS: usize = 32;

fn draw(kind: usize, dice: &mut Dice) -> (Fault, u64) {
    let short = dice.between(500, 20_000);
    let long = dice.between(10_000, 90_000);
    let impostors = [Impostor::Expired, Impostor::Stranger, Impostor::Misnamed];
    let hour = 3_600;
    let day = 24 * hour;
    match kind {
        0 => (Fault::ServerKilled, long),
        // 600 samples at the longest interval.
        1 => (Fault::ServerAway, dice.between(300_000, 700_000)),
        2 => (Fault::ServerRenewed, 0),
        3 => (Fault::ServerImpostor(dice.one_of(&impostors)), long),
        4 => (Fault::ServerKicks, 0),
        5 => (Fault::LineCut, short),
        6 => {
            let bytes = dice.between(0, 6_000) as u32;
            (Fault::LineCutAfter { bytes }, 0)
        }
        7 => (Fault::LineSilent, long),
        8 => {
            let ms = dice.between(50, 3_000) as u32;
            (Fault::LineSlow { ms }, long)
        }
        9 => (Fault::LineTrickles, long),
        10 => (Fault::WifiLost, long),
        11 => (Fault::WifiBlinks, 0),
        12 => (Fault::WifiChannel, 0),
        13 => (Fault::NoDhcp, long),
        14 => (Fault::PassphraseChanged, short),
        15 => (Fault::PassphraseReplaced, 0),
        16 => (Fault::PowerCut, short),
        17 => {
            let operations = dice.between(0, 12) as u32;
            (Fault::PowerCutWriting { operations }, short)
        }
        18 => (Fault::Reboot, 0),
        19 => (Fault::Button, 0),
        20 => (Fault::TimeSilent, long),
        21 => {
            let years = 365 * day;
            let lies = [
                -20 * years,
                -40 * day,
                -hour,
                hour,
                3 * day,
                5 * years,
                30 * years,
            ];
            let seconds = dice.one_of(&lies);
            (Fault::TimeLies { seconds }, long)
        }
        22 => {
            let seconds = dice.one_of(&[-7 * hour, -60, 60, 7 * hour, 4 * 365 * day]);
            (Fault::ClockStepped { seconds }, 0)
        }
        23 => (Fault::DeviceRenewed, 0),
        24 => (Fault::DeviceMismatched, long),
        25 => {
            let calls = dice.between(5, 60) as u32;
            (Fault::CallStorm { calls }, 0)
        }
        26 => (Fault::CertificateAsked, 0),
        27 => (Fault::AnchorsChanged, 0),
        28..=30 => {
            let len = dice.between(20_000, 120_000) as u32;
            match kind {
                28 => (Fault::FirmwareAssigned { len }, 0),
                29 => (Fault::FirmwareWithdrawn { len }, short),
                _ => (Fault::FirmwareForged { len }, 0),
            }
        }
        _ => {
            let absurd = [-1, 0, 99, 3_600_001, i64::MIN, i64::MAX];
            let ms = match dice.between(0, 3) {
                0 => dice.one_of(&absurd),
                _ => dice.one_of(&INTERVALS_MS).into(),
            };
            (Fault::Interval { ms }, 0)
        }
    }
}

impl Fault {
    /// What it happens to.
    #[must_use]
    pub fn place(self) -> Place {
        match self {
            Self::ServerKilled
            | Self::ServerAway
            | Self::ServerRenewed
            | Self::ServerImpostor(_)
            | Self::ServerKicks
            | Self::CallStorm { .. }
            | Self::Interval { .. } => Place::Server,
            Self::LineCut
            | Self::LineCutAfter { .. }
            | Self::LineSilent
            | Self::LineSlow { .. }
            | Self::LineTrickles => Place::Line,
            Self::WifiLost
            | Self::WifiBlinks
            | Self::WifiChannel
            | Self::NoDhcp
            | Self::PassphraseChanged
            | Self::PassphraseReplaced => Place::Wifi,
            Self::PowerCut
            | Self::PowerCutWriting { .. }
            | Self::Reboot
            | Self::Button
            | Self::TimeSilent
            | Self::TimeLies { .. }
            | Self::ClockStepped { .. }
            | Self::DeviceRenewed
            | Self::DeviceMismatched => Place::Device,
            Self::FirmwareAssigned { .. }
            | Self::FirmwareWithdrawn { .. }
            | Self::FirmwareForged { .. }
            | Self::CertificateAsked
            | Self::AnchorsChanged => Place::Air,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ServerKilled => f.write_str("server killed"),
            Self::ServerAway => f.write_str("server killed, for long"),
            Self::ServerRenewed => f.write_str("server's certificate renewed"),
            Self::ServerImpostor(Impostor::Expired) => {
                f.write_str("server's certificate has expired")
            }
            Self::ServerImpostor(Impostor::Stranger) => {
                f.write_str("server's certificate is a stranger's")
            }
            Self::ServerImpostor(Impostor::Misnamed) => {
                f.write_str("server's certificate has another name")
            }
            Self::ServerKicks => f.write_str("server drops the device"),
            Self::LineCut => f.write_str("network cut"),
            Self::LineCutAfter { bytes } => write!(f, "network cut after {bytes} more bytes"),
            Self::LineSilent => f.write_str("network silent"),
            Self::LineSlow { ms } => write!(f, "network delayed by {ms} ms"),
            Self::LineTrickles => f.write_str("network byte by byte"),
            Self::WifiLost => f.write_str("access point off"),
            Self::WifiBlinks => f.write_str("Wi-Fi lost for a moment"),
            Self::WifiChannel => f.write_str("access point on another channel"),
            Self::NoDhcp => f.write_str("DHCP gone"),
            Self::PassphraseChanged => f.write_str("another passphrase"),
            Self::PassphraseReplaced => f.write_str("another passphrase, provisioned again"),
            Self::PowerCut => f.write_str("power cut"),
            Self::PowerCutWriting { operations } => {
                write!(f, "power cut after {operations} writes to flash")
            }
            Self::Reboot => f.write_str("restart asked for by the server"),
            Self::Button => f.write_str("button held, provisioned again"),
            Self::TimeSilent => f.write_str("power cut, time server silent"),
            Self::TimeLies { seconds } => {
                write!(f, "power cut, time server lies by {}", Span(seconds))
            }
            Self::ClockStepped { seconds } => {
                write!(f, "chip's clock stepped by {}, restart", Span(seconds))
            }
            Self::DeviceRenewed => f.write_str("device's certificate renewed, power cut"),
            Self::DeviceMismatched => f.write_str("device's certificate not its key's, power cut"),
            Self::CallStorm { calls } => write!(f, "{calls} calls at once"),
            Self::Interval { ms } => write!(f, "interval set to {ms} ms"),
            Self::FirmwareAssigned { len } => write!(f, "another version, of {len} bytes"),
            Self::FirmwareWithdrawn { len } => {
                write!(f, "another version, of {len} bytes, and taken away")
            }
            Self::FirmwareForged { len } => write!(f, "somebody else's version, of {len} bytes"),
            Self::CertificateAsked => f.write_str("another certificate asked for"),
            Self::AnchorsChanged => f.write_str("server moves to another CA"),
        }
    }
}

/// A span of time in its largest unit.
struct Span(i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(365 * 86_400, "years"), (86_400, "days"), (3_600, "h")];
        let unit = units.iter().find(|(unit, _)| self.0.abs() >= *unit);
        let (unit, name) = unit.copied().unwrap_or((1, "s"));
        write!(f, "{:+} {name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(plan(7, 200), plan(7, 200));
        assert_ne!(plan(7, 200), plan(8, 200));
        assert_eq!(plan(7, 200)[..50], plan(7, 50), "a longer run begins alike");
    }

    #[test]
    fn every_kind_of_fault_has_its_turn() {
        for seed in 0..20 {
            let kinds: HashSet<_> = plan(seed, KINDS)
                .iter()
                .map(|planned| std::mem::discriminant(&planned.fault))
                .collect();
            assert_eq!(kinds.len(), KINDS);
        }
    }

    #[test]
    fn two_hundred_faults_take_hours() {
        let pauses = plan(1, 200)
            .iter()
            .map(|planned| planned.pause_ms)
            .sum::<u64>();
        assert!(pauses > 3_600_000, "{pauses} ms");
    }

    #[test]
    fn a_span_is_told_in_a_unit_that_people_grasp() {
        let said: Vec<_> = [-60, 25_200, -3_456_000, 5 * 365 * 86_400]
            .map(|seconds| Span(seconds).to_string())
            .into();
        assert_eq!(said, ["-60 s", "+7 h", "-40 days", "+5 years"]);
    }
}
