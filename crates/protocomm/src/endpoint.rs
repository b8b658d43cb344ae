//! Endpoints: the named mailboxes of a provisioning service.
//!
//! A client sends one request to an endpoint and gets one reply from it. How the bytes travel is
//! the transport's business: over Bluetooth an endpoint is a characteristic (see [`crate::gatt`]),
//! over HTTP it is the path of a `POST` (`/prov-session`).
//!
//! Names: ESP-IDF v5.4.1 (4c2820d), `components/wifi_provisioning/src/manager.c`.

/// An endpoint of the provisioning service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `prov-ctrl`: forget a failed attempt, or provision anew. Protected by the session.
    Control,
    /// `prov-scan`: the networks in the air. Protected by the session.
    Scan,
    /// `prov-session`: the handshake, in plain text.
    Session,
    /// `prov-config`: Wi-Fi credentials and how joining went. Protected by the session.
    Config,
    /// `proto-ver`: version and capabilities as JSON, in plain text.
    Version,
    /// An endpoint of the application, by its index in the application's own list of names.
    /// Protected by the session.
    Custom(u8),
}

impl Endpoint {
    /// The five endpoints that every service has, in ESP-IDF's order.
    pub const STANDARD: [Self; 5] = [
        Self::Control,
        Self::Scan,
        Self::Session,
        Self::Config,
        Self::Version,
    ];

    /// The name on the wire, without a leading slash. `custom` is the application's list of names.
    ///
    /// `None` if this is a custom endpoint that is not in the list.
    pub fn name<'a>(self, custom: &[&'a str]) -> Option<&'a str> {
        Some(match self {
            Self::Control => "prov-ctrl",
            Self::Scan => "prov-scan",
            Self::Session => "prov-session",
            Self::Config => "prov-config",
            Self::Version => "proto-ver",
            Self::Custom(index) => custom.get(usize::from(index))?,
        })
    }

    /// The endpoint of this name. `custom` is the application's list of names.
    pub fn from_name(name: &str, custom: &[&str]) -> Option<Self> {
        Self::all(custom).find(|endpoint| endpoint.name(custom) == Some(name))
    }

    /// All endpoints of a service, in the order of their characteristics.
    pub fn all(custom: &[&str]) -> impl Iterator<Item = Self> + use<> {
        let customs = u8::try_from(custom.len()).unwrap_or(u8::MAX);
        Self::STANDARD
            .into_iter()
            .chain((0..customs).map(Self::Custom))
    }

    /// Whether requests and replies are encrypted by the session.
    pub const fn is_protected(self) -> bool {
        !matches!(self, Self::Session | Self::Version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_endpoints_map_both_ways() {
        let custom = ["custom-data", "time"];
        for endpoint in Endpoint::all(&custom) {
            let name = endpoint.name(&custom).unwrap();
            assert_eq!(Endpoint::from_name(name, &custom), Some(endpoint));
        }
        assert_eq!(Endpoint::all(&custom).count(), 7);
        assert_eq!(Endpoint::from_name("time", &[]), None);
        assert_eq!(Endpoint::Custom(0).name(&[]), None);
    }
}
