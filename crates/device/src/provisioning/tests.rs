//! The service, without a carrier.

use alloc::vec::Vec;
use core::cell::Cell;

use embassy_futures::select::{Either, select};
use embassy_time::{Instant, Timer};
use protocomm::device::SessionId;
use protocomm::endpoint::Endpoint;
use protocomm::online;
use protocomm::security::Security;
use protocomm::wire::Status;
use protocomm::wire::config::{self, SetConfig};
use protocomm::wire::scan;
use protocomm::wire::session::Handshake;

use super::*;
use crate::event::Event;
use crate::platform::{AccessPoint, AuthMode, Bssid, JoinError, ScanRequest, Ssid};
use crate::testing::run;

/// A radio that hears these networks, and takes some seconds to join.
#[derive(Default)]
struct Radio {
    air: &'static [(&'static [u8], u8, i8)],
    joining_s: u64,
}

impl Wifi for Radio {
    fn mac(&self) -> [u8; 6] {
        [0; 6]
    }
    async fn scan(&self, _: ScanRequest, found: &mut dyn FnMut(AccessPoint)) -> Result<(), u16> {
        for (name, channel, rssi) in self.air {
            found(AccessPoint {
                ssid: Ssid::new(name).unwrap(),
                bssid: Bssid::default(),
                channel: *channel,
                rssi: *rssi,
                auth: AuthMode::Wpa2Psk,
            });
        }
        Ok(())
    }
    async fn join(&self, _: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        Timer::after_secs(self.joining_s).await;
        Ok(Ipv4Addr::LOCALHOST)
    }
    async fn leave(&self) {}
    async fn lost(&self) {}
    fn rssi_dbm(&self) -> Option<i8> {
        None
    }
    fn access_point(&self) -> Option<AccessPoint> {
        None
    }
}

/// Zeros: nothing here is secret.
struct Zeros;

impl rand_core::TryRng for Zeros {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Zeros {}

type Open<'a> = Service<'a, Radio, Zeros>;

/// Runs `test` with a service that asks for no proof.
fn serving(radio: Radio, test: impl AsyncFn(&Open<'_>)) {
    serving_with(radio, &Answer::default(), test);
}

fn serving_with(radio: Radio, answer: &Answer, test: impl AsyncFn(&Open<'_>)) {
    let history = Default::default();
    let service = Service::new(
        Security::Security0,
        &history,
        answer,
        &radio,
        Zeros,
        &|_: &Event| {},
        &|_| {},
    );
    run(test(&service));
}

/// A client, with a session.
async fn client(service: &Open<'_>) -> SessionId {
    let session = service.connected();
    let mut hello = [0; 16];
    let length = Handshake::Sec0Command.encode(&mut hello).unwrap();
    let hello = &mut hello[..length];
    let reply = service.request(session, Endpoint::Session, hello, 512);
    reply.await.unwrap();
    session
}

async fn configure(service: &Open<'_>, session: SessionId, request: config::Request<'_>) {
    let mut message = [0; 128];
    let length = request.encode(&mut message).unwrap();
    let message = &mut message[..length];
    let reply = service.request(session, Endpoint::Config, message, 512);
    reply.await.unwrap();
}

async fn join(service: &Open<'_>, session: SessionId) {
    let set = SetConfig {
        ssid: b"home",
        passphrase: b"a passphrase",
        ..SetConfig::default()
    };
    configure(service, session, config::Request::Set(set)).await;
    configure(service, session, config::Request::Apply).await;
}

const WINDOW: Duration = Duration::from_secs(100);

/// After how many seconds the window is over.
async fn window_s(service: &Open<'_>) -> u64 {
    let start = Instant::now();
    service.window(Some(WINDOW)).await;
    start.elapsed().as_secs()
}

#[test]
fn the_window_ends_in_time_for_whoever_has_no_session() {
    serving(Radio::default(), async |service| {
        let session = service.connected();
        let version = &mut b"version".clone();
        let reply = service.request(session, Endpoint::Version, version, 512);
        reply.await.unwrap();
        assert_eq!(window_s(service).await, 100);
    });
}

#[test]
fn the_window_waits_for_a_session_but_not_for_ever() {
    serving(Radio::default(), async |service| {
        let session = client(service).await;
        assert_eq!(window_s(service).await, 400);
        let leaving = async {
            Timer::after_secs(110).await;
            service.disconnected(session);
            core::future::pending::<()>().await;
        };
        match select(window_s(service), leaving).await {
            Either::First(seconds) => assert!((110..=111).contains(&seconds), "{seconds}"),
            Either::Second(()) => unreachable!(),
        }
    });
}

#[test]
fn the_window_waits_for_a_network_and_for_the_client_to_learn_of_it() {
    let radio = Radio {
        joining_s: 105,
        ..Radio::default()
    };
    serving(radio, async |service| {
        let session = client(service).await;
        join(service, session).await;
        service.disconnected(session);
        // It takes 105 seconds to join; then the client has 30 seconds to come again.
        let proven = Cell::new(false);
        let joining = async {
            service.run().await;
            proven.set(true);
            core::future::pending::<()>().await;
        };
        match select(window_s(service), joining).await {
            Either::First(seconds) => assert!((135..=136).contains(&seconds), "{seconds}"),
            Either::Second(()) => unreachable!(),
        }
        assert!(proven.get());
    });
}

#[test]
fn a_client_is_shown_each_network_once_and_none_without_a_name() {
    let radio = Radio {
        air: &[
            (b"home", 1, -70),
            (b"", 2, -20),
            (b"other", 3, -50),
            (b"home", 4, -40),
            (b"home", 5, -60),
            (b"", 6, -80),
        ],
        ..Radio::default()
    };
    serving(radio, async |service| {
        let session = client(service).await;
        let talk = async {
            let ask = async |request: scan::Request| {
                let mut message = [0; 32];
                let length = request.encode(&mut message).unwrap();
                let message = &mut message[..length];
                let reply = service.request(session, Endpoint::Scan, message, 512);
                reply.await.unwrap()
            };
            ask(scan::Request::Start(scan::Start {
                blocking: true,
                ..scan::Start::default()
            }))
            .await;
            let reply = ask(scan::Request::Results {
                start_index: 0,
                count: 2,
            })
            .await;
            let Ok(scan::Response::Results { status, entries }) = scan::Response::decode(&reply)
            else {
                panic!("no results");
            };
            assert_eq!(status, Status::Success);
            let channels: Vec<u8> = entries.iter().map(|found| found.channel).collect();
            assert_eq!(channels, [4, 3]);
            let reply = ask(scan::Request::Status).await;
            let told = scan::Response::decode(&reply);
            assert!(matches!(told, Ok(scan::Response::Status { count: 2, .. })));
        };
        select(talk, service.run()).await;
    });
}

/// Asks how the device gets online, and reads the answer.
async fn ask_online(service: &Open<'_>, session: SessionId) -> online::Stage {
    let mut message = [0; 16];
    let request = online::Request { unix_ms: None };
    let length = request.encode(&mut message).unwrap();
    let message = &mut message[..length];
    let reply = service.request(session, Endpoint::Custom(0), message, 512);
    let reply = reply.await.unwrap();
    service.reply_read(session);
    online::Reply::decode(&reply).unwrap().stage
}

#[test]
fn with_memory_for_both_a_client_that_asks_is_waited_for_a_minute() {
    serving(Radio::default(), async |service| {
        let session = client(service).await;
        ask_online(service, session).await;
        join(service, session).await;
        let begin = Instant::now();
        service.run().await;
        assert_eq!(begin.elapsed().as_secs(), 60);
    });
}

#[test]
fn without_memory_for_both_a_client_is_told_that_the_link_closes_and_it_does() {
    let answer = Answer::default();
    answer.set_room(false);
    serving_with(Radio::default(), &answer, async |service| {
        let session = client(service).await;
        join(service, session).await;
        let begin = Instant::now();
        let asking = async {
            Timer::after_secs(2).await;
            let stage = ask_online(service, session).await;
            assert_eq!(stage, online::Stage::Closing);
            core::future::pending::<()>().await;
        };
        select(asking, service.run()).await;
        assert_eq!(begin.elapsed().as_secs(), 3);
    });
}

#[test]
fn any_bytes_are_taken_where_a_client_asks_how_the_device_gets_online() {
    serving(Radio::default(), async |service| {
        let session = client(service).await;
        for noise in [&b"\xFF\xFF\xFF"[..], b"\x12\x7F", b"\x08", b"\x10\xFF\x7F"] {
            let mut message = noise.to_vec();
            let reply = service.request(session, Endpoint::Custom(0), &mut message, 512);
            assert!(reply.await.is_err(), "{noise:?}");
        }
        assert_eq!(ask_online(service, session).await, online::Stage::Waiting);
    });
}

/// A controller that takes everything and says nothing.
struct Mute;

impl embedded_io_async::ErrorType for Mute {
    type Error = core::convert::Infallible;
}

impl bt_hci_transport::Transport for Mute {
    async fn read<'a, P: bt_hci_transport::PacketToHost<'a>>(
        &self,
        _: &'a mut [u8],
    ) -> Result<P, Self::Error> {
        core::future::pending().await
    }
    async fn write<P: bt_hci_transport::PacketToController>(
        &self,
        _: &P,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[test]
fn a_controller_that_says_nothing_is_given_up() {
    serving(Radio::default(), async |service| {
        let begin = Instant::now();
        let ended = provision(Mute, "PROV_1A2B3C", service, None, None).await;
        assert!(ended.is_err());
        assert!(begin.elapsed() <= Duration::from_secs(11));
    });
}
