//! The Wi-Fi station: networks in the air, joining one, losing it.
//!
//! Names, passphrases and what a scan finds are the provisioning protocol's own types, so that
//! nothing is translated between the client and the driver.

use core::fmt;
use core::net::Ipv4Addr;

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

/// How to look for access points, as the provisioning client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanRequest {
    /// Listen only, rather than probe.
    pub passive: bool,
    /// Milliseconds on each channel; 0 leaves it to the driver.
    pub dwell_ms: u32,
}

impl ScanRequest {
    /// The longest time on a channel that is granted, in milliseconds: longer than that,
    /// and a joined station is dropped by its access point.
    pub const LONGEST_DWELL_MS: u32 = 1_500;

    /// Milliseconds on each channel, `default_ms` if the client leaves it to the driver.
    #[must_use]
    pub fn dwell_ms_or(&self, default_ms: u32) -> u32 {
        match self.dwell_ms {
            0 => default_ms,
            asked => asked.min(Self::LONGEST_DWELL_MS),
        }
    }
}

/// Joins as [`Wifi::join`] does, but leaves the radio alone where the passphrase cannot be that of
/// any network: a driver may stop at settings that it refuses.
///
/// # Errors
///
/// See [`JoinError`].
pub async fn join<W: Wifi>(wifi: &W, network: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
    if network.passphrase.is_too_short() {
        return Err(JoinError::WrongPassphrase);
    }
    wifi.join(network).await
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

/// The country of whoever has named none: what is allowed everywhere (ESP-IDF v5.4.1, 4c2820d,
/// `components/esp_wifi/include/esp_wifi.h`, `esp_wifi_set_country_code`).
pub const ANYWHERE: [u8; 2] = *b"01";

/// The Wi-Fi station.
pub trait Wifi {
    /// The station's own address, also when not joined.
    fn mac(&self) -> [u8; 6];

    /// Chooses the country by whose rules the radio may use its channels, until the joined access
    /// point tells: two capital letters, or [`ANYWHERE`]. Returns whether the radio knows it; where
    /// there is no radio, it does.
    fn set_country(&self, country: [u8; 2]) -> bool {
        let _ = country;
        true
    }

    /// Looks for access points and hands over each one heard, strongest first where the driver
    /// can.
    ///
    /// # Errors
    ///
    /// The driver's reason code.
    async fn scan(
        &self,
        request: ScanRequest,
        found: &mut dyn FnMut(AccessPoint),
    ) -> Result<(), u16>;

    /// Joins a network, leaving any other, and waits for an IPv4 address. Tries once.
    ///
    /// # Errors
    ///
    /// See [`JoinError`]. The station is then not joined.
    async fn join(&self, network: &WifiCredentials) -> Result<Ipv4Addr, JoinError>;

    /// The same by one access point alone, on the channel where it was: a radio needs a twelfth of the
    /// time for that, and gives it up as soon if it is not there any more. The default knows no such way.
    ///
    /// # Errors
    ///
    /// See [`JoinError`]. The station is then not joined; [`join`](Self::join) may well work.
    async fn join_at(
        &self,
        network: &WifiCredentials,
        place: Place,
    ) -> Result<Ipv4Addr, JoinError> {
        let _ = place;
        self.join(network).await
    }

    /// Leaves the network, if joined.
    async fn leave(&self);

    /// Returns once the joined network is lost; at once if there is none. Cancel-safe.
    async fn lost(&self);

    /// How strong the joined access point is here, in dBm; none if not joined.
    fn rssi_dbm(&self) -> Option<i8>;

    /// The joined access point; none if not joined.
    fn access_point(&self) -> Option<AccessPoint>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;
    use alloc::format;

    /// A radio that joins whatever it is told, or must not be touched.
    struct Radio {
        touchable: bool,
    }

    impl Wifi for Radio {
        fn mac(&self) -> [u8; 6] {
            [0; 6]
        }
        async fn scan(&self, _: ScanRequest, _: &mut dyn FnMut(AccessPoint)) -> Result<(), u16> {
            Ok(())
        }
        async fn join(&self, _: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
            assert!(self.touchable, "the radio was touched");
            Ok(Ipv4Addr::LOCALHOST)
        }
        async fn leave(&self) {}
        async fn lost(&self) {}
        fn rssi_dbm(&self) -> Option<i8> {
            None
        }
        fn access_point(&self) -> Option<AccessPoint> {
            None
        }
    }

    #[test]
    fn a_passphrase_that_no_network_has_does_not_reach_the_radio() {
        let joined = |passphrase: &[u8], touchable| {
            let network = WifiCredentials {
                ssid: Ssid::new(b"home").unwrap(),
                passphrase: Passphrase::new(passphrase).unwrap(),
                bssid: None,
                channel: None,
            };
            run(join(&Radio { touchable }, &network))
        };
        let wrong = Err(JoinError::WrongPassphrase);
        assert_eq!(joined(b"1", false), wrong);
        assert_eq!(joined(b"1234567", false), wrong);
        for fit in [&b""[..], b"12345678", &[b'x'; 63], &[b'0'; 64]] {
            assert_eq!(joined(fit, true), Ok(Ipv4Addr::LOCALHOST));
        }
    }

    #[test]
    fn names_are_shown_without_harming_a_terminal() {
        let ssid = Ssid::new(b"caf\xc3\xa9\x1b[31m\xff").unwrap();
        assert_eq!(format!("{}", Shown(&ssid)), "caf\u{e9}\\u{1b}[31m\\xff");
    }
}
