//! The Wi-Fi station: networks in the air, joining one, losing it.

use core::net::Ipv4Addr;

use crate::wifi::{AccessPoint, JoinError, Place, WifiCredentials};

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
    use crate::wifi::{Passphrase, Ssid};

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
}
