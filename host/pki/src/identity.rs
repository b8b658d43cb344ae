//! What a server or a device proves itself with.

use std::fmt;

use zeroize::Zeroizing;

/// Whose identity it is, which decides what its files are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A server that devices connect to.
    Server,
    /// A device.
    Device,
}

/// A certificate with its chain and private key, all as PEM text. The key is wiped when dropped.
#[derive(Clone)]
pub struct Identity {
    pub(crate) role: Role,
    pub(crate) common_name: String,
    pub(crate) leaf: String,
    pub(crate) intermediate: String,
    pub(crate) key: Zeroizing<String>,
    pub(crate) trust: String,
    pub(crate) shortened: bool,
}

impl Identity {
    /// Server or device.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The common name: a device's serial number, a server's first name.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The leaf certificate alone.
    pub fn leaf_pem(&self) -> &str {
        &self.leaf
    }

    /// The leaf, then the intermediate that signed it: `device.crt` or `server.crt`. The root is
    /// not part of it; the other side has it.
    pub fn chain_pem(&self) -> String {
        format!("{}{}", self.leaf, self.intermediate)
    }

    /// The private key: `device.key` or `server.key`.
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// What the holder trusts the other side by: the root, or what devices were told to
    /// [trust](crate::Pki::trust). A device's `server_chain.pem`.
    pub fn trust_pem(&self) -> &str {
        &self.trust
    }
}

impl Identity {
    /// Whether its dates end with the authority's, earlier than they were asked for.
    pub fn shortened(&self) -> bool {
        self.shortened
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("role", &self.role)
            .field("common_name", &self.common_name)
            .finish_non_exhaustive()
    }
}
