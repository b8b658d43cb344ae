//! The ways in which an operator may set a server, and what is to come of each.

use device::event::TlsVersion;
use pki::KeyAlgorithm;

/// A group in which keys are agreed upon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    P256,
    P384,
    X25519,
    P521,
}

impl Group {
    /// Its common name, which OpenSSL takes, too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::X25519 => "X25519",
            Self::P521 => "P-521",
        }
    }
}

/// How records are encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cipher {
    Aes128,
    Aes256,
    ChaCha20,
}

impl Cipher {
    /// Its common name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "AES-128-GCM",
            Self::Aes256 => "AES-256-GCM",
            Self::ChaCha20 => "ChaCha20-Poly1305",
        }
    }

    /// The suite of TLS 1.3 (RFC 8446, B.4).
    pub(crate) fn suite_1_3(self) -> &'static str {
        match self {
            Self::Aes128 => "TLS_AES_128_GCM_SHA256",
            Self::Aes256 => "TLS_AES_256_GCM_SHA384",
            Self::ChaCha20 => "TLS_CHACHA20_POLY1305_SHA256",
        }
    }

    /// The suite of TLS 1.2 for certificates of elliptic curves, as OpenSSL calls it.
    pub(crate) fn openssl_1_2(self) -> &'static str {
        match self {
            Self::Aes128 => "ECDHE-ECDSA-AES128-GCM-SHA256",
            Self::Aes256 => "ECDHE-ECDSA-AES256-GCM-SHA384",
            Self::ChaCha20 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        }
    }
}

/// Whether clients are to show a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Clients {
    Unasked,
    Optional,
    Required,
}

/// The server's certificate and those above it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Chain {
    /// P-256 throughout.
    P256,
    /// P-384 throughout, signed with SHA-384.
    P384,
    /// As Let's Encrypt issues them: P-256, by an intermediate of P-384 with SHA-384, by a root of
    /// RSA-4096.
    LetsEncrypt,
    /// RSA-2048 throughout.
    Rsa2048,
    /// RSA-4096 throughout.
    Rsa4096,
    /// RSA-2048, signed with SHA-384.
    RsaSha384,
    /// RSA-2048, signed with SHA-512.
    RsaSha512,
    /// A leaf of Ed25519.
    Ed25519,
    /// A leaf of P-521.
    P521,
    /// A leaf by an intermediate of Ed25519.
    ByEd25519,
    /// A leaf that may not sign.
    KeyUsage,
    /// A leaf with a critical extension that nobody knows.
    Critical,
    /// 20 KB of certificates.
    Long,
}

impl Chain {
    pub(crate) const ALL: [Self; 13] = [
        Self::P256,
        Self::P384,
        Self::LetsEncrypt,
        Self::Rsa2048,
        Self::Rsa4096,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::Ed25519,
        Self::P521,
        Self::ByEd25519,
        Self::KeyUsage,
        Self::Critical,
        Self::Long,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384, SHA-384",
            Self::LetsEncrypt => "P-256 by P-384 by RSA-4096 (Let's Encrypt's E intermediates)",
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa4096 => "RSA-4096",
            Self::RsaSha384 => "RSA-2048, SHA-384",
            Self::RsaSha512 => "RSA-2048, SHA-512",
            Self::Ed25519 => "Ed25519",
            Self::P521 => "P-521",
            Self::ByEd25519 => "P-256 by Ed25519",
            Self::KeyUsage => "P-256, key usage without digitalSignature",
            Self::Critical => "P-256, an unknown critical extension",
            Self::Long => "P-256, 20 KB of chain",
        }
    }

    /// What the device must call it, by the beginnings of the error's name in code; none if it is to
    /// work.
    fn refused(self) -> &'static [&'static str] {
        match self {
            Self::P256
            | Self::P384
            | Self::LetsEncrypt
            | Self::Rsa2048
            | Self::Rsa4096
            | Self::RsaSha384
            | Self::RsaSha512 => &[],
            // A server that knows what the device cannot verify says so; others show it. rustls hangs
            // up without a word.
            Self::Ed25519 => &[
                "NothingInCommon",
                "ServerCertificate(Unusable(KeyKind",
                "Broken(ConnectionReset",
            ],
            Self::P521 => &[
                "NothingInCommon",
                "ServerCertificate(Unusable(Curve",
                "Broken(ConnectionReset",
            ],
            Self::ByEd25519 => &["NothingInCommon", "ServerCertificate(Unusable(Signature"],
            Self::KeyUsage => &["NothingInCommon", "ServerCertificate(KeyUsage"],
            Self::Critical => &["ServerCertificate(Unusable(Critical"],
            Self::Long => &["ServerCertificate(ChainTooLong"],
        }
    }
}

/// How a server is set.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The row of the table.
    pub(crate) name: String,
    /// The one version that it speaks, or both.
    pub(crate) version: Option<TlsVersion>,
    /// The one group, or all that it has.
    pub(crate) group: Option<Group>,
    /// The one cipher, or all that it has.
    pub(crate) cipher: Option<Cipher>,
    pub(crate) tickets: bool,
    pub(crate) clients: Clients,
    pub(crate) chain: Chain,
    /// The kind of the device's key.
    pub(crate) device: KeyAlgorithm,
    /// Whether the device comes twice, to resume.
    pub(crate) twice: bool,
    /// What the device must call it, if it is not to work.
    pub(crate) refused: &'static [&'static str],
    /// Whether it may also work.
    pub(crate) may_work: bool,
}

impl Setting {
    fn new(name: impl Into<String>, version: Option<TlsVersion>) -> Self {
        Self {
            name: name.into(),
            version,
            group: None,
            cipher: None,
            tickets: true,
            clients: Clients::Required,
            chain: Chain::P256,
            device: KeyAlgorithm::P256,
            twice: false,
            refused: &[],
            may_work: false,
        }
    }

    /// The version in which the two are to speak.
    pub(crate) fn spoken(&self) -> TlsVersion {
        self.version.unwrap_or(TlsVersion::Tls13)
    }

    /// All rows of the table, in its order.
    pub(crate) fn all() -> Vec<Self> {
        let twice = |setting| Self {
            twice: true,
            ..setting
        };
        let mut all = vec![twice(Self::new("as it is", None))];
        for version in BOTH {
            let name = shown(version);
            all.push(twice(Self::new(format!("{name} only"), Some(version))));
            let without = Self::new(format!("{name}, tickets off"), Some(version));
            all.push(twice(Self {
                tickets: false,
                ..without
            }));
        }
        for (clients, name) in [
            (Clients::Optional, "client certificate optional"),
            (Clients::Unasked, "client certificate not asked for"),
        ] {
            all.push(Self {
                clients,
                ..Self::new(name, None)
            });
        }
        for version in BOTH {
            for group in [Group::P256, Group::P384, Group::X25519, Group::P521] {
                // In TLS 1.2 the groups are those of certificates, too: of OpenSSL's own and of its
                // clients.
                let (chain, device) = match version {
                    TlsVersion::Tls12 => (Chain::Rsa2048, KeyAlgorithm::Rsa2048),
                    TlsVersion::Tls13 => (Chain::P256, KeyAlgorithm::P256),
                };
                all.push(Self {
                    group: Some(group),
                    chain,
                    device,
                    refused: match group {
                        Group::P521 => &["NothingInCommon"],
                        _ => &[],
                    },
                    ..Self::new(
                        format!("{}, group {}", shown(version), group.name()),
                        Some(version),
                    )
                });
            }
        }
        let twelve = TlsVersion::Tls12;
        all.push(Self {
            group: Some(Group::P384),
            chain: Chain::Rsa2048,
            refused: &["DeviceCertificate"],
            may_work: true,
            ..Self::new(
                "TLS 1.2, group P-384, the device's key of P-256",
                Some(twelve),
            )
        });
        for version in BOTH {
            for cipher in [Cipher::Aes128, Cipher::Aes256, Cipher::ChaCha20] {
                all.push(Self {
                    cipher: Some(cipher),
                    ..Self::new(
                        format!("{}, {}", shown(version), cipher.name()),
                        Some(version),
                    )
                });
            }
        }
        for chain in Chain::ALL.into_iter().skip(1) {
            for version in BOTH {
                all.push(Self {
                    chain,
                    refused: chain.refused(),
                    ..Self::new(
                        format!("{}, certificate {}", shown(version), chain.name()),
                        Some(version),
                    )
                });
            }
        }
        all
    }
}

const BOTH: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// The version as people write it.
pub(crate) fn shown(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls12 => "TLS 1.2",
        TlsVersion::Tls13 => "TLS 1.3",
    }
}
