//! Sessions resumed, and not resumed where they must not be.

use embassy_futures::join::join;
use embassy_time::{Duration, Timer};
use embedded_io_async::{Read, Write};

use super::pipe::pipe;
use super::server::{Ending, Server};
use super::{NOW, ROOT, alone, bundle, library};
use crate::credentials::Bundle;
use crate::testing::run;
use crate::tls::TlsVersion;
use crate::tls::{Client, Resumption, Stream, TlsError, Violation};

const BOTH: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// A device with its memory of sessions.
struct Device {
    bundle: Bundle,
    resumption: Resumption,
    room: usize,
}

impl Device {
    fn new() -> Self {
        Self {
            bundle: bundle(ROOT),
            resumption: Resumption::new(),
            room: 65_536,
        }
    }

    /// Says hello to a server and reads to the end. Returns whether the session was resumed, of
    /// which both ends must be of one opinion, and how reading ended.
    async fn visit(
        &mut self,
        server: &Server,
        server_name: &str,
        ending: Ending,
    ) -> (bool, Result<(), TlsError>) {
        let (here, there) = pipe(self.room);
        let client = Client {
            library: library(),
            credentials: self.bundle.at(NOW).unwrap(),
            server_name,
            unix_s: NOW,
        };
        let device = async {
            let stream = Stream::connect(here, client, &mut self.resumption).await;
            let mut stream = stream.unwrap();
            stream.write_all(b"hello").await.unwrap();
            stream.flush().await.unwrap();
            let mut read = async || {
                let mut buffer = [0; 64];
                while stream.read(&mut buffer).await? != 0 {}
                Ok(())
            };
            (read().await, stream.resumed())
        };
        let ((end, here), there) = join(device, server.serve(there, ending)).await;
        assert_eq!(Ok(here), there);
        (here, end)
    }

    async fn resumes(&mut self, server: &Server, server_name: &str) -> bool {
        let (resumed, end) = self.visit(server, server_name, Ending::Closes).await;
        assert_eq!(end, Ok(()));
        resumed
    }
}

#[test]
fn the_next_connection_resumes() {
    let _alone = alone();
    for version in BOTH {
        for room in [65_536, 1] {
            let server = Server::new(version);
            let mut device = Device::new();
            device.room = room;
            run(async {
                assert!(!device.resumes(&server, "broker.test").await);
                assert!(device.resumes(&server, "broker.test").await);
                assert!(device.resumes(&server, "broker.test").await);
            });
        }
    }
}

#[test]
fn a_session_is_for_one_name_only() {
    let _alone = alone();
    for version in BOTH {
        let server = Server::new(version);
        let mut device = Device::new();
        run(async {
            assert!(!device.resumes(&server, "broker.test").await);
            // The certificate has this name, too.
            assert!(!device.resumes(&server, "192.0.2.7").await);
            assert!(device.resumes(&server, "192.0.2.7").await);
        });
    }
}

#[test]
fn twice_a_day_the_server_must_show_its_certificate() {
    let _alone = alone();
    for version in BOTH {
        let server = Server::new(version);
        let mut device = Device::new();
        run(async {
            assert!(!device.resumes(&server, "broker.test").await);
            Timer::after(Duration::from_secs(11 * 3600)).await;
            assert!(device.resumes(&server, "broker.test").await);
            // To have resumed is no proof.
            Timer::after(Duration::from_secs(3600)).await;
            assert!(!device.resumes(&server, "broker.test").await);
            assert!(device.resumes(&server, "broker.test").await);
        });
    }
}

#[test]
fn a_server_may_have_forgotten() {
    let _alone = alone();
    for version in BOTH {
        let mut device = Device::new();
        run(async {
            let server = Server::new(version);
            assert!(!device.resumes(&server, "broker.test").await);
            let server = Server::new(version);
            assert!(!device.resumes(&server, "broker.test").await);
            assert!(device.resumes(&server, "broker.test").await);
        });
    }
}

#[test]
fn who_changes_its_keys_is_told_and_resumed() {
    let _alone = alone();
    let server = Server::new(TlsVersion::Tls13);
    let mut device = Device::new();
    run(async {
        for again in [false, true, true] {
            let visit = device.visit(&server, "broker.test", Ending::ChangesKeys);
            assert_eq!(visit.await, (again, Err(TlsError::KeyUpdate)));
        }
    });
}

#[test]
fn what_broke_off_is_resumed_but_not_what_went_wrong() {
    let _alone = alone();
    for version in BOTH {
        let server = Server::new(version);
        let mut device = Device::new();
        run(async {
            let (_, end) = device.visit(&server, "broker.test", Ending::HangsUp).await;
            assert!(matches!(end, Err(TlsError::Broken(_))), "{end:?}");
            let (resumed, end) = device.visit(&server, "broker.test", Ending::Garbles).await;
            assert!(resumed);
            assert!(
                matches!(end, Err(TlsError::Violation(Violation::Undecryptable))),
                "{end:?}"
            );
            assert!(!device.resumes(&server, "broker.test").await);
        });
    }
}
