//! The kinds of private keys, and the ways in which they are written.

use std::fmt;

/// What kind of key to make. Certificates are signed with SHA-256, by P-384 keys with SHA-384.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA on the curve P-256: small, and the fastest on a chip without an accelerator.
    #[default]
    P256,
    /// ECDSA on the curve P-384.
    P384,
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits: a handshake with it takes seconds on an ESP32.
    Rsa4096,
}

impl KeyAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::P256,
        Self::P384,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// Whether this is RSA of any size.
    pub fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa4096 => "RSA-4096",
        })
    }
}

/// How a private key is written in PEM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyEncoding {
    /// `BEGIN PRIVATE KEY` (RFC 5958): for every kind of key.
    #[default]
    Pkcs8,
    /// `BEGIN EC PRIVATE KEY` (RFC 5915), for elliptic-curve keys.
    Sec1,
    /// `BEGIN RSA PRIVATE KEY` (RFC 8017), for RSA keys.
    Pkcs1,
}

impl fmt::Display for KeyEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs8 => "PKCS#8",
            Self::Sec1 => "SEC1",
            Self::Pkcs1 => "PKCS#1",
        })
    }
}
