//! A handshake of each shape that there is, one thing varied at a time: the group, the suite, the keys of
//! both ends, whether the device is asked who it is, how a session is resumed. Under Valgrind as well
//! (`cargo xtask test memory`), and under the sanitizers.

extern crate std;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::println;

use embassy_futures::join::join;
use embedded_io_async::{Read, Write};
use rustls::HandshakeKind;
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, kx_group as group};

use super::pipe::pipe;
use super::server::{Options, Server, Wanted};
use super::{Counter, INTERMEDIATE, NOW, ROOT, alone, library};
use crate::credentials::{Bundle, Files};
use crate::testing::run;
use crate::tls::TlsVersion;
use crate::tls::{Client, Resumption, Stream};

const BOTH: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];
/// Who signed the servers of other kinds.
const OTHER_CA: &str = vector!("otherca.crt");
const RSA: (&[&str], &str) = (&[vector!("serverrsa.crt")], vector!("serverrsa.key"));
const P384: (&[&str], &str) = (&[vector!("server384.crt")], vector!("server384.key"));
/// The devices' certificates and keys.
const DEVICES: [(&str, &str); 3] = [
    (vector!("p256.crt"), vector!("p256.key")),
    (vector!("p384.crt"), vector!("p384.key")),
    (vector!("rsa2048.crt"), vector!("rsa2048.key")),
];

/// What became of a handshake, as the server tells it.
struct Seen {
    kind: HandshakeKind,
    suite: String,
    group: Option<String>,
    /// How many certificates the device showed.
    shown: usize,
}

/// A device, and what it remembers.
struct Device {
    bundle: Bundle,
    resumption: Resumption,
}

impl Device {
    fn new() -> Self {
        Self::of(DEVICES[0])
    }

    fn of((certificate, key): (&str, &str)) -> Self {
        let chain = format!("{certificate}{INTERMEDIATE}");
        let server_chain = format!("{ROOT}{OTHER_CA}");
        let files = Files {
            certificate: chain.as_bytes(),
            key: key.as_bytes(),
            server_chain: server_chain.as_bytes(),
        };
        Self {
            bundle: Bundle::prove(files, &mut Counter::default()).unwrap(),
            resumption: Resumption::new(),
        }
    }

    /// Shakes hands, has a few words echoed, and ends.
    fn visit(&mut self, server: &Server, version: TlsVersion) -> Seen {
        let (here, mut there) = pipe(4096);
        let client = Client {
            library: library(),
            credentials: self.bundle.at(NOW).unwrap(),
            server_name: "broker.test",
            unix_s: NOW,
        };
        let ((), seen) = run(join(
            async {
                let stream = Stream::connect(here, client, &mut self.resumption).await;
                let mut stream = stream.unwrap();
                assert_eq!(stream.version(), version);
                stream.write_all(b"hello").await.unwrap();
                stream.flush().await.unwrap();
                let mut answer = [0; 5];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"hello");
                stream.close().await;
            },
            async {
                let mut peer = server.accept(&mut there).await.unwrap();
                let mut text = [0; 64];
                let length = peer.read(&mut text).await.unwrap();
                peer.write(&text[..length]).await;
                assert_eq!(peer.read(&mut text).await, Ok(0));
                let group = peer.tls.negotiated_key_exchange_group();
                Seen {
                    kind: peer.tls.handshake_kind().unwrap(),
                    suite: format!("{:?}", peer.tls.negotiated_cipher_suite().unwrap().suite()),
                    group: group.map(|group| format!("{:?}", group.name())),
                    shown: peer.tls.peer_certificates().map_or(0, <[_]>::len),
                }
            },
        ));
        println!(
            "{version:?} {} {:?} {:?}",
            seen.suite, seen.group, seen.kind
        );
        seen
    }
}

#[test]
fn each_group_and_a_retry_for_those_of_which_no_key_was_sent() {
    let _alone = alone();
    for version in BOTH {
        for (name, group) in [
            ("secp256r1", group::SECP256R1),
            ("X25519", group::X25519),
            ("secp384r1", group::SECP384R1),
        ] {
            let server = Server::with(Options {
                versions: &[version],
                groups: vec![group],
                ..Options::default()
            });
            let seen = Device::new().visit(&server, version);
            assert_eq!(seen.group.as_deref(), Some(name));
            let retried = version == TlsVersion::Tls13 && name != "secp256r1";
            let kind = if retried {
                HandshakeKind::FullWithHelloRetryRequest
            } else {
                HandshakeKind::Full
            };
            assert_eq!(seen.kind, kind);
        }
    }
}

#[test]
fn each_suite() {
    let _alone = alone();
    let default = Options::default();
    for (version, identity, suites) in [
        (
            TlsVersion::Tls13,
            default.identity,
            [
                suite::TLS13_AES_128_GCM_SHA256,
                suite::TLS13_AES_256_GCM_SHA384,
                suite::TLS13_CHACHA20_POLY1305_SHA256,
            ],
        ),
        (
            TlsVersion::Tls12,
            default.identity,
            [
                suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            ],
        ),
        (
            TlsVersion::Tls12,
            RSA,
            [
                suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ],
        ),
    ] {
        for suite in suites {
            let server = Server::with(Options {
                versions: &[version],
                suites: vec![suite],
                identity,
                ..Options::default()
            });
            // The second time resumed, which takes the hash of the suite once more.
            let mut device = Device::new();
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let seen = device.visit(&server, version);
                assert_eq!(seen.suite, format!("{:?}", suite.suite()));
                assert_eq!(seen.kind, kind);
            }
        }
    }
}

#[test]
fn each_kind_of_key_at_both_ends() {
    let _alone = alone();
    for version in BOTH {
        for identity in [P384, RSA] {
            let server = Server::with(Options {
                versions: &[version],
                identity,
                ..Options::default()
            });
            assert_eq!(Device::new().visit(&server, version).shown, 2);
        }
        let server = Server::new(version);
        for device in DEVICES {
            assert_eq!(Device::of(device).visit(&server, version).shown, 2);
        }
    }
}

#[test]
fn a_certificate_wanted_welcome_or_not_asked_for() {
    let _alone = alone();
    for version in BOTH {
        for (wanted, shown) in [
            (Wanted::Always, 2),
            (Wanted::IfThere, 2),
            (Wanted::Never, 0),
        ] {
            let server = Server::with(Options {
                versions: &[version],
                wanted,
                ..Options::default()
            });
            // With and without a session of before.
            let mut device = Device::new();
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let seen = device.visit(&server, version);
                assert_eq!((seen.kind, seen.shown), (kind, shown), "{wanted:?}");
            }
        }
    }
}

#[test]
fn resumed_by_what_the_server_keeps_with_each_group() {
    let _alone = alone();
    for version in BOTH {
        for tickets in [true, false] {
            let groups: Vec<_> = vec![group::SECP384R1];
            let server = Server::with(Options {
                versions: &[version],
                groups,
                tickets,
                ..Options::default()
            });
            let mut device = Device::new();
            let first = device.visit(&server, version).kind;
            assert_ne!(first, HandshakeKind::Resumed);
            let second = device.visit(&server, version).kind;
            assert_eq!(second, HandshakeKind::Resumed, "{version:?} {tickets}");
        }
    }
}
