//! Wi-Fi in provisioning's terms: names, passphrases, credentials, what a scan found.
//!
//! These values are checked once, where they are made; nothing after that checks them again.

use core::fmt;
use core::net::Ipv4Addr;
use core::ops::RangeInclusive;

use heapless::Vec;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Defines an enumeration of a wire format whose unknown values survive.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A value that this version of the protocol does not name.
            Unknown(u32),
        }

        impl From<u32> for $name {
            fn from(value: u32) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => $value,)*
                    $name::Unknown(other) => other,
                }
            }
        }
    };
}
pub(crate) use open_enum;

open_enum! {
    /// How a network authenticates its stations. The numbers are `WifiAuthMode` of
    /// `wifi_constants.proto`; ESP-IDF sends its own newer modes (8 and up) unchanged.
    AuthMode {
        /// No encryption.
        Open = 0,
        /// WEP.
        Wep = 1,
        /// WPA, passphrase.
        WpaPsk = 2,
        /// WPA2, passphrase.
        Wpa2Psk = 3,
        /// WPA or WPA2, passphrase.
        WpaWpa2Psk = 4,
        /// WPA2 Enterprise.
        Wpa2Enterprise = 5,
        /// WPA3, passphrase.
        Wpa3Psk = 6,
        /// WPA2 or WPA3, passphrase.
        Wpa2Wpa3Psk = 7,
    }
}

/// As people call it, "open" or what stands on the access point's page.
///
/// The names of the newer modes are of ESP-IDF v5.4.1 (4c2820d),
/// `components/esp_wifi/include/esp_wifi_types_generic.h`, `wifi_auth_mode_t`.
impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Wep => "WEP",
            Self::WpaPsk => "WPA",
            Self::Wpa2Psk => "WPA2",
            Self::WpaWpa2Psk => "WPA/WPA2",
            Self::Wpa2Enterprise => "WPA2 Enterprise",
            Self::Wpa3Psk => "WPA3",
            Self::Wpa2Wpa3Psk => "WPA2/WPA3",
            Self::Unknown(8) => "WAPI",
            Self::Unknown(9) => "OWE",
            Self::Unknown(10) => "WPA3 Enterprise, 192 bits",
            Self::Unknown(11 | 12) => "WPA3",
            Self::Unknown(13) => "DPP",
            Self::Unknown(14) => "WPA3 Enterprise",
            Self::Unknown(15) => "WPA2/WPA3 Enterprise",
            Self::Unknown(16) => "WPA Enterprise",
            Self::Unknown(mode) => return write!(f, "mode {mode}"),
        })
    }
}

open_enum! {
    /// Why joining the network failed: `WifiConnectFailedReason` of `wifi_constants.proto`.
    FailReason {
        /// The passphrase is wrong, or the network refused the station.
        AuthError = 0,
        /// No network of this name is in the air.
        NetworkNotFound = 1,
    }
}

/// The longest network name, in bytes (IEEE 802.11).
pub const MAX_SSID_LEN: usize = 32;

/// The shortest and the longest passphrase, in bytes (IEEE 802.11).
const PASSPHRASE_LEN: RangeInclusive<usize> = 8..=63;

/// Digits of a key in hexadecimal, which may stand where a passphrase does.
const KEY_DIGITS: usize = 64;

/// The hardware address of an access point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bssid(pub [u8; 6]);

/// A network's name: 0 to 32 bytes, not necessarily UTF-8. Empty is the name of a hidden network
/// in a scan.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ssid(Vec<u8, MAX_SSID_LEN>);

impl Ssid {
    /// `None` if there are more than 32 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        Vec::from_slice(bytes).ok().map(Self)
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.escape_ascii(), f)
    }
}

/// A network's passphrase, 0 to 63 bytes, or its key in 64 hexadecimal digits; empty for an open
/// network.
///
/// It is wiped when dropped, and does not show in `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Passphrase {
    bytes: [u8; KEY_DIGITS],
    len: u8,
}

impl Passphrase {
    /// `None` if there are more than 63 bytes which are no key.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > *PASSPHRASE_LEN.end() && !bytes.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut passphrase = Self {
            bytes: [0; KEY_DIGITS],
            len: u8::try_from(bytes.len()).ok()?,
        };
        passphrase
            .bytes
            .get_mut(..bytes.len())?
            .copy_from_slice(bytes);
        Some(passphrase)
    }

    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether there is one, but shorter than WPA allows: it is that of no network.
    pub fn is_too_short(&self) -> bool {
        !self.is_empty() && self.as_bytes().len() < *PASSPHRASE_LEN.start()
    }

    /// Whether there is none, as for an open network.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// What it takes to join a network, as a client sent it. The name is not empty.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The network's name.
    pub ssid: Ssid,
    /// Its passphrase.
    pub passphrase: Passphrase,
    /// The one access point to use, if the client named one.
    pub bssid: Option<Bssid>,
    /// The channel to look on first, if the client named one.
    pub channel: Option<u8>,
}

/// An access point that a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPoint {
    /// The network's name; empty if it is hidden.
    pub ssid: Ssid,
    /// The access point's address.
    pub bssid: Bssid,
    /// The channel it was heard on.
    pub channel: u8,
    /// How strongly it was heard, in dBm.
    pub rssi: i8,
    /// How it authenticates.
    pub auth: AuthMode,
}

/// The network that the station joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The address that the network gave.
    pub ip4: Ipv4Addr,
    /// The network's name.
    pub ssid: Ssid,
    /// The access point.
    pub bssid: Bssid,
    /// Its channel.
    pub channel: u8,
    /// How it authenticated the station.
    pub auth: AuthMode,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_has_63_bytes_or_is_a_key_of_64_digits() {
        for length in [0, 1, 8, 63] {
            assert!(Passphrase::new(&[b'x'; 64][..length]).is_some());
        }
        let key = b"0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdef0123";
        assert_eq!(Passphrase::new(key).unwrap().as_bytes(), key);
        assert!(Passphrase::new(&[b'x'; 64]).is_none());
        assert!(Passphrase::new(&[b'0'; 65]).is_none());
    }

    #[test]
    fn less_than_eight_bytes_are_no_passphrase() {
        let too_short = |length| {
            let passphrase = Passphrase::new(&[b'x'; 64][..length]).unwrap();
            passphrase.is_too_short()
        };
        assert_eq!(
            [0, 1, 7, 8, 63].map(too_short),
            [false, true, true, false, false]
        );
    }
}
