//! Real handshakes in memory, with rustls at the other end. Other servers are met by the end-to-end
//! tests.

extern crate std;

/// A file of `tests/vectors/credentials`.
macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/vectors/credentials/",
            $name
        ))
    };
}

mod faults;
mod passed_over;
pub(crate) mod pipe;
mod records;
mod resumption;
mod retry;
mod server;
mod shapes;
mod unacknowledged;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_time::Timer;
use embedded_io_async::{Read, Write};
use rand_core::{TryCryptoRng, TryRng};
use rustls::AlertDescription;

use super::*;
use crate::calendar::Moment;
use crate::credentials::{Bundle, Files};
use crate::testing::run;
use crate::tls::TlsVersion;
use pipe::pipe;
use server::{Ending, Options, Server};

const NOW: u64 = 1_800_000_000;
const ROOT: &str = vector!("root.crt");
const INTERMEDIATE: &str = vector!("intermediate.crt");
const SERVER: &str = vector!("server.crt");
const SERVER_KEY: &str = vector!("server.key");

/// Numbers that nobody needs to guess.
#[derive(Default)]
pub(crate) struct Counter(u64);

impl TryRng for Counter {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|n| n as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Ok(self.0 ^ (self.0 >> 33))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.try_next_u64()? as u8;
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

/// MbedTLS is not built for threads, and tests run on several.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn library() -> Library<'static> {
    static LIBRARY: OnceLock<Library<'static>> = OnceLock::new();
    *LIBRARY.get_or_init(|| Library::install(Box::leak(Box::<Counter>::default())).unwrap())
}

pub(crate) fn bundle(server_chain: &str) -> Bundle {
    let chain = format!("{}{INTERMEDIATE}", vector!("p256.crt"));
    let files = Files {
        certificate: chain.as_bytes(),
        key: vector!("p256.key").as_bytes(),
        server_chain: server_chain.as_bytes(),
    };
    Bundle::prove(files, &mut Counter::default()).unwrap()
}

struct Scene<'a> {
    server_chain: &'a str,
    server_name: &'a str,
    client_ca: &'a str,
    unix_s: u64,
    is_floor: bool,
}

/// What connects to the good server.
fn client(bundle: &Bundle) -> Client<'_> {
    Client {
        library: library(),
        credentials: bundle.at(NOW).unwrap(),
        server_name: "broker.test",
        unix_s: NOW,
    }
}

const GOOD: Scene<'static> = Scene {
    server_chain: ROOT,
    server_name: "broker.test",
    client_ca: ROOT,
    unix_s: NOW,
    is_floor: false,
};

/// Connects, sends "hello", reads until the end.
fn talk(scene: &Scene<'_>, room: usize) -> (Result<String, TlsError>, bool) {
    let (result, accepted) = talk_and_see(scene, room);
    (result.map(|(text, _)| text), accepted)
}

/// The same, and from when the server's chain is valid.
fn talk_and_see(scene: &Scene<'_>, room: usize) -> (Result<(String, u64), TlsError>, bool) {
    let _alone = alone();
    let (here, there) = pipe(room);
    let bundle = bundle(scene.server_chain);
    let client = Client {
        library: library(),
        credentials: bundle
            .at(Moment {
                unix_s: NOW,
                is_floor: scene.is_floor,
            })
            .unwrap(),
        server_name: scene.server_name,
        unix_s: scene.unix_s,
    };
    let mut resumption = Resumption::new();
    run(join(
        async {
            let mut stream = Stream::connect(here, client, &mut resumption).await?;
            assert_eq!(stream.version(), TlsVersion::Tls13);
            assert!(!stream.resumed());
            let mut text = String::new();
            let mut buffer = [0; 64];
            stream.write(b"hello").await?;
            stream.flush().await?;
            loop {
                match stream.read(&mut buffer).await? {
                    0 => break,
                    length => text += core::str::from_utf8(&buffer[..length]).unwrap(),
                }
            }
            stream.close().await;
            Ok((text, stream.valid_from_unix_s()))
        },
        async {
            let server = Server::with(Options {
                client_ca: scene.client_ca,
                ..Options::default()
            });
            server.serve(there, Ending::Closes).await.is_ok()
        },
    ))
}

#[test]
fn both_ends_prove_themselves() {
    // Also where a record does not fit into the stream at once.
    for room in [65_536, 100, 1] {
        assert_eq!(talk(&GOOD, room), (Ok("hello".into()), true));
    }
    let by_address = Scene {
        server_name: "192.0.2.7",
        ..GOOD
    };
    assert_eq!(talk(&by_address, 4096), (Ok("hello".into()), true));
}

#[test]
fn a_server_that_cannot_be_trusted_is_refused_with_the_reason() {
    for (fault, scene) in [
        (
            CertificateFault::NotTrusted,
            Scene {
                server_chain: vector!("rsaca.crt"),
                ..GOOD
            },
        ),
        (
            CertificateFault::WrongName,
            Scene {
                server_name: "other.test",
                ..GOOD
            },
        ),
        (
            CertificateFault::WrongName,
            Scene {
                server_name: "192.0.2.8",
                ..GOOD
            },
        ),
        (
            CertificateFault::Expired,
            Scene {
                unix_s: 4_102_444_800,
                ..GOOD
            },
        ),
        (
            CertificateFault::NotYetValid,
            Scene {
                unix_s: 1_577_836_799,
                ..GOOD
            },
        ),
    ] {
        let (result, accepted) = talk(&scene, 4096);
        assert_eq!(result, Err(TlsError::ServerCertificate(fault)));
        assert!(!accepted);
    }
}

/// A lower bound on the time says that a certificate has expired, and never that it is not valid yet.
#[test]
fn by_a_lower_bound_a_server_may_be_of_the_future_and_not_of_the_past() {
    let before = Scene {
        unix_s: 1_577_836_799,
        is_floor: true,
        ..GOOD
    };
    let (result, accepted) = talk_and_see(&before, 4096);
    assert_eq!(result, Ok(("hello".into(), 1_577_836_800)));
    assert!(accepted);
    for (fault, scene) in [
        (
            CertificateFault::Expired,
            Scene {
                unix_s: 4_102_444_800,
                ..before
            },
        ),
        // What else is wrong with one that seems to be of the future, is.
        (
            CertificateFault::NotTrusted,
            Scene {
                server_chain: vector!("rsaca.crt"),
                ..before
            },
        ),
        (
            CertificateFault::WrongName,
            Scene {
                server_name: "other.test",
                ..before
            },
        ),
    ] {
        let (result, accepted) = talk(&scene, 4096);
        assert_eq!(result, Err(TlsError::ServerCertificate(fault)));
        assert!(!accepted);
    }
}

/// In TLS 1.3, too, where that is encrypted.
#[test]
fn a_server_is_told_why_it_is_refused() {
    let _alone = alone();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for (server_chain, server_name, alert) in [
            (
                vector!("rsaca.crt"),
                "broker.test",
                AlertDescription::UnknownCA,
            ),
            (ROOT, "other.test", AlertDescription::BadCertificate),
        ] {
            let (here, mut there) = pipe(4096);
            let bundle = bundle(server_chain);
            let client = Client {
                server_name,
                ..client(&bundle)
            };
            let mut resumption = Resumption::new();
            let server = Server::new(version);
            let (stream, accepted) = run(join(
                Stream::connect(here, client, &mut resumption),
                server.accept(&mut there),
            ));
            assert!(stream.is_err());
            let told = rustls::Error::AlertReceived(alert);
            assert_eq!(accepted.err(), Some(told), "{version:?}, {server_name}");
        }
    }
}

#[test]
fn a_server_may_refuse_the_device_after_the_handshake() {
    let scene = Scene {
        client_ca: vector!("rsaca.crt"),
        ..GOOD
    };
    // TLS 1.3: the refusal comes after the client's handshake.
    let (result, accepted) = talk(&scene, 4096);
    let unknown_ca = TlsError::DeviceCertificate(Alert(48));
    assert_eq!((result, accepted), (Err(unknown_ca), false));
}

#[test]
fn what_speaks_no_tls_is_told_from_a_broken_connection() {
    let attempt = |answer: &'static [u8]| {
        let _alone = alone();
        let (here, mut there) = pipe(4096);
        let bundle = bundle(ROOT);
        let client = client(&bundle);
        let mut resumption = Resumption::new();
        let server = async move {
            there.write(answer).await.unwrap();
            // The hello; then hang up.
            there.read(&mut [0; 4096]).await.unwrap();
        };
        let (result, ()) = run(join(Stream::connect(here, client, &mut resumption), server));
        result.err().unwrap()
    };
    assert_eq!(
        attempt(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        TlsError::NotTls
    );
    assert!(matches!(attempt(b""), TlsError::Broken(_)));
    // Fatal alerts: handshake_failure, unknown_ca, unrecognized_name.
    let alert = |answer| attempt(answer);
    assert_eq!(alert(&[21, 3, 3, 0, 2, 2, 40]), TlsError::NothingInCommon);
    assert_eq!(
        alert(&[21, 3, 3, 0, 2, 2, 48]),
        TlsError::DeviceCertificate(Alert(48))
    );
    assert_eq!(
        alert(&[21, 3, 3, 0, 2, 2, 112]),
        TlsError::Refused(Alert(112))
    );
}

#[test]
fn a_flush_or_a_read_that_is_dropped_loses_nothing() {
    let _alone = alone();
    let (here, mut there) = pipe(7);
    let bundle = bundle(ROOT);
    let client = client(&bundle);
    let mut resumption = Resumption::new();
    let (received, ()) = run(join(
        async {
            let mut stream = Stream::connect(here, client, &mut resumption)
                .await
                .unwrap();
            let mut received = Vec::<u8>::new();
            let mut buffer = [0; 3];
            let drop_soon = || Timer::after_micros(1);
            let mut sent = 0;
            while sent < 40 {
                // Each is dropped again and again, wherever it happens to be.
                if let Either::First(written) = select(stream.write(&[sent]), drop_soon()).await {
                    sent += written.unwrap() as u8;
                }
                select(stream.flush(), drop_soon()).await;
                if let Either::First(read) = select(stream.read(&mut buffer), drop_soon()).await {
                    received.extend(&buffer[..read.unwrap()]);
                }
            }
            stream.flush().await.unwrap();
            while received.len() < 40 {
                let length = stream.read(&mut buffer).await.unwrap();
                received.extend(&buffer[..length]);
            }
            received
        },
        async {
            let server = Server::with(Options::default());
            let mut peer = server.accept(&mut there).await.unwrap();
            let mut buffer = [0; 64];
            let mut echoed = 0;
            while echoed < 40 {
                let length = peer.read(&mut buffer).await.unwrap();
                peer.write(&buffer[..length]).await;
                echoed += length;
                Timer::after_micros(5).await;
            }
        },
    ));
    assert!(received.iter().copied().eq(0..40), "{received:?}");
}

#[test]
fn records_of_any_length_come_in() {
    let _alone = alone();
    for (version, room) in [(TlsVersion::Tls12, 100), (TlsVersion::Tls13, 65_536)] {
        let (here, mut there) = pipe(room);
        let bundle = bundle(ROOT);
        let client = client(&bundle);
        let mut resumption = Resumption::new();
        // The longest that there may be is 16 KiB.
        let lengths = [1, 970, 1024, 1500, 8192, 3, 16_384, 20_000, 5];
        let text = |length| (0..length).map(|n: usize| (n % 251) as u8);
        run(join(
            async {
                let mut stream = Stream::connect(here, client, &mut resumption)
                    .await
                    .unwrap();
                for length in lengths {
                    // Ask for it with as many bytes, which are cut into short records.
                    let question: Vec<u8> = text(length).collect();
                    stream.write_all(&question).await.unwrap();
                    stream.flush().await.unwrap();
                    let mut answer = alloc::vec![0; length];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert!(answer.iter().copied().eq(text(length)), "{length}");
                }
            },
            async {
                let server = Server::new(version);
                let mut peer = server.accept(&mut there).await.unwrap();
                peer.longest_record = 0;
                for length in lengths {
                    let mut question = alloc::vec![0; length];
                    let mut come = 0;
                    while come < length {
                        come += peer.read(&mut question[come..]).await.unwrap();
                    }
                    assert!(question.iter().copied().eq(text(length)), "{length}");
                    peer.write(&question).await;
                }
                // With nonce and tag, or type, padding and tag.
                assert!(peer.longest_record <= 1024 + 32);
            },
        ));
    }
}

#[test]
fn the_library_is_installed_once() {
    let _alone = alone();
    library();
    let again = Library::install(Box::leak(Box::<Counter>::default()));
    assert_eq!(again.err(), Some(AlreadyInstalled));
}
