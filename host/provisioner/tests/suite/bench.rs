//! A device on the bench: its provisioning service, its air, and what it told.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use bodykit::http::{self, Endpoints};
use device::event::Event;
use device::platform::Mailbox;
use device::platform::{
    AccessPoint, AuthMode, Bssid, JoinError, ScanRequest, Ssid, Wifi, WifiCredentials,
};
use device::provisioning::{Proven, Service, provision};
use protocomm::security::{IvMode, ProofDigest, Salt, Security, SrpVerifier};

use tokio::net::TcpListener;
use tokio::task::LocalSet;
use vhci::{ControllerConfig, FaultControl, HciSpec, SharedAir};

pub(crate) const NAME: &str = "PROV_1A2B3C";
pub(crate) const PROOF: &str = "abcd1234";
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// Two networks in the air, one of which can be joined.
#[derive(Default)]
struct Air {
    joins: Cell<u32>,
}

fn access_point(name: &str, rssi: i8) -> AccessPoint {
    AccessPoint {
        ssid: Ssid::new(name.as_bytes()).unwrap(),
        bssid: Bssid([2, 0, 0, 0, 0, rssi as u8]),
        channel: 6,
        rssi,
        auth: AuthMode::Wpa2Psk,
    }
}

impl Wifi for Air {
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0x1A, 0x2B, 0x3C]
    }

    async fn scan(&self, _: ScanRequest, found: &mut dyn FnMut(AccessPoint)) -> Result<(), u16> {
        found(access_point("weak", -80));
        found(access_point("home", -40));
        for n in 0..30 {
            found(access_point(
                &format!("a neighbour with a long name {n}"),
                -60,
            ));
        }
        Ok(())
    }

    async fn join(&self, network: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        self.joins.set(self.joins.get() + 1);
        match (network.ssid.as_bytes(), network.passphrase.as_bytes()) {
            (b"home", b"correct horse") => Ok(ADDRESS),
            (b"home", _) => Err(JoinError::WrongPassphrase),
            _ => Err(JoinError::NetworkNotFound),
        }
    }

    async fn leave(&self) {}

    async fn lost(&self) {
        std::future::pending().await
    }

    fn rssi_dbm(&self) -> Option<i8> {
        Some(-40)
    }

    fn access_point(&self) -> Option<AccessPoint> {
        Some(access_point("home", -40))
    }
}

pub(crate) fn security(scheme: u8, iv_mode: IvMode) -> Security {
    match scheme {
        0 => Security::Security0,
        1 => Security::Security1(ProofDigest::new(PROOF.as_bytes())),
        _ => Security::Security2 {
            verifier: SrpVerifier::generate(
                b"wifiprov",
                PROOF.as_bytes(),
                Salt::random(&mut rand::rng()),
            ),
            iv_mode,
        },
    }
}

/// What the device told and kept.
#[derive(Default)]
pub(crate) struct Console {
    pub(crate) events: RefCell<Vec<Event>>,
    pub(crate) kept: RefCell<Vec<Proven>>,
}

impl Console {
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.events.borrow().iter().map(Event::name).collect()
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.names().iter().filter(|n| **n == name).count()
    }
}

/// A device that is being provisioned, on a task of its own.
pub(crate) struct Bench {
    pub(crate) console: Rc<Console>,
    pub(crate) done: tokio::task::JoinHandle<Option<Proven>>,
    pub(crate) faults: FaultControl,
    pub(crate) mailbox: Rc<Mailbox>,
    pub(crate) air: SharedAir,
}

pub(crate) async fn device(security: Security) -> Bench {
    device_for(security, None).await
}

/// A device that can be provisioned for so long.
pub(crate) async fn device_for(security: Security, window: Option<Duration>) -> Bench {
    let window =
        window.map(|window| embassy_time::Duration::from_millis(window.as_millis() as u64));
    let air = SharedAir::new();
    let config = ControllerConfig::with_address([0xC0, 0, 0, 0, 0, 1]);
    let transport = HciSpec::Virtual.open(&air, config).await.unwrap();
    let faults = transport.faults().unwrap();
    let console = Rc::new(Console::default());
    let mailbox = Rc::new(Mailbox::new());
    let (teller, post) = (console.clone(), mailbox.clone());
    let done = tokio::task::spawn_local(async move {
        let wifi = Air::default();
        let tell = |event: &Event| teller.events.borrow_mut().push(event.clone());
        let keep = |proven: &Proven| teller.kept.borrow_mut().push(proven.clone());
        let (history, answer) = Default::default();
        let rng = rand::rng();
        let service = Service::new(security, &history, &answer, &wifi, rng, &tell, &keep);
        provision(transport, NAME, &service, Some(&post), window)
            .await
            .unwrap()
    });
    Bench {
        console,
        done,
        faults,
        mailbox,
        air,
    }
}

/// Plays a test on virtual time.
pub(crate) fn local(test: impl Future<Output = ()>) {
    on_one_thread(hosttime::virtually(ending(test)));
}

/// Plays a test with sockets of the operating system, in real time.
pub(crate) fn local_with_sockets(test: impl Future<Output = ()>) {
    // The grace time of a second, and the pauses between questions, are not waited for in full; what a busy computer
    // may take for is a quarter of what a person would wait.
    hosttime::set_rate(4);
    on_one_thread(hosttime::with_one_waker(ending(test)));
}

async fn ending(test: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(Duration::from_secs(600), test).await;
    ended.expect("it comes to an end");
}

fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// Serves its endpoints over HTTP; returns the address.
pub(crate) async fn serve_http(endpoints: impl Endpoints + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::task::spawn_local(http::serve(listener, endpoints));
    address
}
