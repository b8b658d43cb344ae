//! What a provisioning client tells while it works.

use std::fmt;
use std::net::Ipv4Addr;

use protocomm::online::Stage;
use protocomm::wifi::FailReason;

use crate::found::Found;

/// A step that was taken, or news from the device.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Listening for devices.
    Listening,
    /// A provisioning device was heard.
    Heard(Found),
    /// Connecting to a device with this name or address.
    Connecting(String),
    /// Connected; its endpoints are known.
    Connected,
    /// The session stands; what follows is encrypted with this scheme.
    SessionOpened {
        /// Session security: 0, 1 or 2.
        security: u8,
    },
    /// The device looks for networks.
    Scanning,
    /// The device has listed the networks that it hears.
    NetworksListed {
        /// How many.
        count: usize,
    },
    /// The device has the credentials and tries them.
    CredentialsSent,
    /// The device is joining.
    Joining {
        /// Which of its tries it is at, from 1, as far as the device tells.
        attempt: u32,
        /// Tries that remain after this one, where the device tells.
        attempts_remaining: Option<u32>,
    },
    /// The device has joined.
    Joined {
        /// Its address in the network.
        address: Ipv4Addr,
    },
    /// The device could not join.
    Refused(FailReason),
    /// Joined, the device is so far on its way to the broker.
    OnTheWay(Stage),
    /// The device failed on its way to the broker, for this reason in its own words, and tries again.
    Failing(String),
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening => f.write_str("listening for devices"),
            Self::Heard(found) => {
                let name = if found.name.is_empty() {
                    "a device without a name"
                } else {
                    &found.name
                };
                write!(f, "heard {} at {} dBm", name.escape_debug(), found.rssi)
            }
            Self::Connecting(name) => write!(f, "connecting to {}", name.escape_debug()),
            Self::Connected => f.write_str("connected"),
            Self::SessionOpened { security } => write!(f, "session open, security {security}"),
            Self::Scanning => f.write_str("the device looks for networks"),
            Self::NetworksListed { count: 1 } => f.write_str("the device hears one network"),
            Self::NetworksListed { count } => write!(f, "the device hears {count} networks"),
            Self::CredentialsSent => f.write_str("credentials sent"),
            // What remains is news only once a try has failed.
            Self::Joining { attempt: 0 | 1, .. } => f.write_str("the device is joining"),
            Self::Joining {
                attempts_remaining: Some(0),
                ..
            } => f.write_str("that try failed; the device makes its last one"),
            Self::Joining {
                attempts_remaining: Some(n),
                ..
            } => write!(
                f,
                "that try failed; the device tries again, and may {n} times more"
            ),
            Self::Joining {
                attempts_remaining: None,
                ..
            } => f.write_str("that try failed; the device tries again"),
            Self::Joined { address } => write!(f, "the device has joined as {address}"),
            Self::OnTheWay(stage) => f.write_str(match stage {
                Stage::Waiting => "the device waits for a network",
                Stage::Joining => "the device is joining",
                Stage::SettingClock => "joined; the device asks for the time",
                Stage::Connecting => "the clock is set; the device connects to its broker",
                Stage::Online => "online",
                Stage::Closing => "the device closes the link to go online",
                Stage::Unknown(_) => "the device is on its way to its broker",
            }),
            Self::Failing(failure) => f.write_str(failure),
            Self::Refused(FailReason::AuthError) => {
                f.write_str("the network refused the device: wrong passphrase?")
            }
            Self::Refused(FailReason::NetworkNotFound) => {
                f.write_str("the device does not hear that network")
            }
            Self::Refused(reason) => write!(f, "the device could not join: {reason:?}"),
        }
    }
}
