//! What is asked of the suite: which device, and what is known of it.

use std::fmt;

use provisioner::Secrets;
use vhci::{HciSpec, SharedAir};
use zeroize::Zeroizing;

/// How to reach the device.
#[derive(Clone)]
pub enum Target {
    /// Over Bluetooth. The controller is opened anew for each ATT MTU.
    Bluetooth {
        /// The controller.
        hci: HciSpec,
        /// The air of [`HciSpec::Virtual`]; any other takes none of it.
        air: SharedAir,
        /// The device's name, if several are in the air.
        name: Option<String>,
    },
    /// Over HTTP, as an access point: `HOST` or `HOST:PORT`.
    Http(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bluetooth { name, .. } => match name {
                Some(name) => write!(f, "{name} over Bluetooth"),
                None => f.write_str("the device over Bluetooth"),
            },
            Self::Http(address) => write!(f, "{address} over HTTP"),
        }
    }
}

/// What the suite needs to know of the device.
#[derive(Clone)]
pub struct Options {
    /// The proof of possession and the user name.
    pub secrets: Secrets,
    /// What the device's name must begin with.
    pub prefix: String,
    /// A network that the device can join, and its passphrase. Without it the cases that need one
    /// are not applicable.
    pub network: Option<(String, Zeroizing<String>)>,
    /// Only cases whose name begins with one of these. Empty: all.
    pub only: Vec<String>,
}

impl Options {
    /// All cases, the usual prefix, no network.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            prefix: protocomm::gatt::DEFAULT_NAME_PREFIX.to_owned(),
            network: None,
            only: Vec::new(),
        }
    }
}
