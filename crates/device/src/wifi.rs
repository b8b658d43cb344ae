//! Networks, and why one could not be joined.
//!
//! Names, passphrases and what a scan finds are the provisioning protocol's own types, so that
//! nothing is translated between the client and the driver. The driver is
//! [`platform::Wifi`](crate::platform::Wifi); this stands below all who speak of networks.

use core::fmt;

pub use protocomm::wifi::{
    AccessPoint, AuthMode, Bssid, Credentials as WifiCredentials, Passphrase, Ssid,
};

/// A network's name as text, with anything that a terminal should not see escaped.
pub struct Shown<'a>(pub &'a Ssid);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Where a network was: an access point of it, and the channel that it was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The access point's address.
    pub bssid: Bssid,
    /// Its channel, 1 to 14.
    pub channel: u8,
}

/// Why joining did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinError {
    /// The access point refused the passphrase, or any would.
    WrongPassphrase,
    /// No access point of that name was heard.
    NetworkNotFound,
    /// Joined, but DHCP gave no address in time.
    NoAddress,
    /// The access point wants what this driver cannot do (WPA3 only, enterprise).
    Unsupported(AuthMode),
    /// Anything else, by the driver's reason code (802.11 reason, or ESP-IDF's own from 200).
    Other(u16),
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn names_are_shown_without_harming_a_terminal() {
        let ssid = Ssid::new(b"caf\xc3\xa9\x1b[31m\xff").unwrap();
        assert_eq!(format!("{}", Shown(&ssid)), "caf\u{e9}\\u{1b}[31m\\xff");
    }
}
