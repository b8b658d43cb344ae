//! Devices that were heard, by whatever heard them.

use std::fmt;

use protocomm::gatt::SERVICE_UUID;
use trouble_host::Address;

/// A device that advertises a provisioning service, or a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its complete local name, such as `PROV_1A2B3C`; empty if it gave none.
    pub name: String,
    /// Whom to connect to.
    pub peer: Peer,
    /// How strongly it was heard, in dBm.
    pub rssi: i8,
    /// The first 128-bit service UUID that it advertises, or the provisioning service among several.
    pub service: Option<u128>,
    /// Its advertising flags (Core Specification Supplement, part A, 1.3), where they are told.
    pub flags: Option<u8>,
}

/// Whom to connect to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// By its address, with a controller of one's own.
    Address(Address),
    /// By what this computer's Bluetooth calls it. macOS tells no addresses.
    System(String),
}

impl Found {
    /// Whether this is a provisioning device: by Espressif's default service, or by a name with
    /// this prefix.
    pub fn provisions(&self, prefix: &str) -> bool {
        self.service == Some(SERVICE_UUID) || (!prefix.is_empty() && self.name.starts_with(prefix))
    }

    /// Its name or, where it has none, how it is connected to.
    pub fn shown(&self) -> String {
        match self.name.is_empty() {
            true => self.peer.to_string(),
            false => self.name.clone(),
        }
    }
}

/// An address as it is printed on labels: most significant byte first.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(name) => f.write_str(name),
            Self::Address(address) => {
                for (index, byte) in address.addr.raw().iter().rev().enumerate() {
                    let colon = if index == 0 { "" } else { ":" };
                    write!(f, "{colon}{byte:02X}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trouble_host::prelude::{AddrKind, BdAddr};

    fn found(name: &str, service: Option<u128>) -> Found {
        let address = Address::new(AddrKind::PUBLIC, BdAddr::new([1, 2, 3, 4, 5, 6]));
        Found {
            name: name.into(),
            peer: Peer::Address(address),
            rssi: -40,
            service,
            flags: None,
        }
    }

    #[test]
    fn others_are_told_apart() {
        assert!(!found("Headphones", Some(1)).provisions("PROV_"));
        assert!(!found("", Some(1)).provisions(""));
        assert!(found("PROV_X", Some(1)).provisions("PROV_"));
        assert!(found("", Some(SERVICE_UUID)).provisions("PROV_"));
        assert_eq!(found("", None).shown(), "06:05:04:03:02:01");
        assert_eq!(found("PROV_X", None).shown(), "PROV_X");
    }
}
