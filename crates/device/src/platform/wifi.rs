//! The Wi-Fi station: networks in the air, joining one, losing it.

use core::fmt;
use core::net::Ipv4Addr;

use heapless::Vec;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A network name: 0 to 32 bytes of any kind, usually UTF-8.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Ssid(Vec<u8, 32>);

impl Ssid {
    /// Takes a name; none if it is longer than 32 bytes.
    #[must_use]
    pub fn new(name: &[u8]) -> Option<Self> {
        Vec::from_slice(name).ok().map(Self)
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The name as text, with anything that a terminal should not see escaped.
impl fmt::Display for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
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

impl fmt::Debug for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// A WPA passphrase of at most 64 bytes (64 for a PSK in hex); empty for an open network.
///
/// Never printed, and wiped when dropped.
#[derive(Clone, PartialEq, Eq, Default, Zeroize, ZeroizeOnDrop)]
pub struct Passphrase(Vec<u8, 64>);

impl Passphrase {
    /// Takes a passphrase; none if it is longer than 64 bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        Vec::from_slice(secret).ok().map(Self)
    }

    /// The secret itself, for the driver and for NVS.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether the network is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// What is needed to join a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WifiCredentials {
    /// The network.
    pub ssid: Ssid,
    /// Its secret; empty for an open network.
    pub passphrase: Passphrase,
}

/// How an access point protects its network: ESP-IDF's `wifi_auth_mode_t`, which the provisioning
/// protocol carries as it is (components/esp_wifi/include/esp_wifi_types_generic.h, v5.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// No protection.
    Open,
    /// WEP, broken since 2001.
    Wep,
    /// WPA with a passphrase.
    WpaPsk,
    /// WPA2 with a passphrase.
    Wpa2Psk,
    /// WPA and WPA2 with a passphrase.
    WpaWpa2Psk,
    /// WPA2 with accounts (802.1X).
    Wpa2Enterprise,
    /// WPA3 with a passphrase.
    Wpa3Psk,
    /// WPA2 and WPA3 with a passphrase.
    Wpa2Wpa3Psk,
    /// Anything else, by its number: never to be shown as open.
    Other(u8),
}

impl AuthMode {
    /// ESP-IDF's number of the mode.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Wep => 1,
            Self::WpaPsk => 2,
            Self::Wpa2Psk => 3,
            Self::WpaWpa2Psk => 4,
            Self::Wpa2Enterprise => 5,
            Self::Wpa3Psk => 6,
            Self::Wpa2Wpa3Psk => 7,
            Self::Other(number) => number,
        }
    }
}

/// An access point in the air.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPoint {
    /// Its network; empty if hidden.
    pub ssid: Ssid,
    /// Its own address.
    pub bssid: [u8; 6],
    /// Its channel, 1 to 14 in the 2.4 GHz band.
    pub channel: u8,
    /// How strong it is here, in dBm.
    pub rssi_dbm: i8,
    /// How it is protected.
    pub auth: AuthMode,
}

/// How to look for access points, as the provisioning client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanRequest {
    /// Listen only, rather than probe.
    pub passive: bool,
    /// Milliseconds on each channel; 0 leaves it to the driver.
    pub dwell_ms: u32,
}

/// Why joining did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinError {
    /// The access point refused the passphrase.
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

/// The Wi-Fi station.
pub trait Wifi {
    /// The station's own address, also when not joined.
    fn mac(&self) -> [u8; 6];

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

    /// Leaves the network, if joined.
    async fn leave(&self);

    /// Returns once the joined network is lost; at once if there is none. Cancel-safe.
    async fn lost(&self);

    /// How strong the joined access point is here, in dBm; none if not joined.
    fn rssi_dbm(&self) -> Option<i8>;

    /// The joined access point's address and channel; none if not joined.
    fn access_point(&self) -> Option<([u8; 6], u8)>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn names_are_shown_without_harming_a_terminal() {
        let ssid = Ssid::new(b"caf\xc3\xa9\x1b[31m\xff").unwrap();
        assert_eq!(format!("{ssid}"), "caf\u{e9}\\u{1b}[31m\\xff");
        assert!(Ssid::new(&[0; 33]).is_none());
    }

    #[test]
    fn a_passphrase_is_never_printed() {
        let secret = Passphrase::new(b"correct horse").unwrap();
        assert_eq!(format!("{secret:?}"), "Passphrase(..)");
    }
}
