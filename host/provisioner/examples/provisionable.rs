//! A device that does nothing but be provisioned, for trying other people's clients on.
//!
//! ```text
//! cargo run -p provisioner --example provisionable -- HCI SECURITY PATCH [HTTP]
//! ```
//!
//! `HCI` is `tcp:HOST:PORT` of an H4 controller or `hci0`, or `serve:HOST:PORT`: then the device
//! is on a virtual controller, and clients' host stacks find others at that address. `HTTP` is
//! where to serve HTTP too. The proof of possession is `abcd1234`, the network `home` with the
//! passphrase `correct horse`. `BTSNOOP` in the environment names a file for the traffic.

use std::net::Ipv4Addr;
use std::rc::Rc;

use device::event::Event;
use device::platform::Mailbox;
use device::platform::{
    AccessPoint, AuthMode, Bssid, JoinError, ScanRequest, Ssid, Wifi, WifiCredentials,
};
use device::provisioning::{Proven, Service, provision};
use hosttime as _;
use protocomm::refusal::Refusal;
use protocomm::security::{IvMode, ProofDigest, Salt, Security, SrpVerifier};
use provisioner::http_server::{self, Endpoints};
use tokio::net::TcpListener;
use vhci::{ControllerConfig, HciSpec, SharedAir};

const PROOF: &[u8] = b"abcd1234";

struct Desk;

fn access_point(name: &str, rssi: i8, auth: AuthMode) -> AccessPoint {
    let ssid = Ssid::new(name.as_bytes()).unwrap_or_default();
    AccessPoint {
        ssid,
        bssid: Bssid([2, 0, 0, 0, 0, rssi as u8]),
        channel: 6,
        rssi,
        auth,
    }
}

impl Wifi for Desk {
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0x1A, 0x2B, 0x3C]
    }

    async fn scan(&self, _: ScanRequest, found: &mut dyn FnMut(AccessPoint)) -> Result<(), u16> {
        embassy_time::Timer::after_millis(500).await;
        found(access_point("home", -40, AuthMode::Wpa2Psk));
        for n in 0..9 {
            found(access_point(
                &format!("a neighbour of number {n}"),
                -60 - n,
                AuthMode::Wpa2Wpa3Psk,
            ));
        }
        Ok(())
    }

    async fn join(&self, network: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        embassy_time::Timer::after_millis(1500).await;
        match (network.ssid.as_bytes(), network.passphrase.as_bytes()) {
            (b"home", b"correct horse") => Ok(Ipv4Addr::new(192, 0, 2, 7)),
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
        Some(access_point("home", -40, AuthMode::Wpa2Psk))
    }
}

struct Post(Rc<Mailbox>);

impl Endpoints for Post {
    async fn request(
        &self,
        fresh: bool,
        endpoint: &str,
        body: Vec<u8>,
    ) -> Option<Result<Vec<u8>, Refusal>> {
        self.0.request(fresh, endpoint, body).await.ok()
    }
}

async fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [hci, scheme, patch, http @ ..] = arguments else {
        return Err("give HCI SECURITY PATCH [HTTP]".into());
    };
    let security = match scheme.as_str() {
        "0" => Security::Security0,
        "1" => Security::Security1(ProofDigest::new(PROOF)),
        _ => Security::Security2 {
            verifier: SrpVerifier::generate(b"wifiprov", PROOF, Salt::random(&mut rand::rng())),
            iv_mode: IvMode::from_patch(patch.parse()?),
        },
    };
    let air = SharedAir::new();
    let spec = match hci.strip_prefix("serve:") {
        Some(address) => {
            let listener = TcpListener::bind(address).await?;
            let config = |n| ControllerConfig::with_address([0xC0, 0, 0, 0, 1, n as u8]);
            tokio::task::spawn_local(vhci::serve(air.clone(), listener, config));
            HciSpec::Virtual
        }
        None => hci.parse()?,
    };
    let config = ControllerConfig::with_address([0xC0, 0, 0, 0, 0, 1]);
    let mut transport = spec.open(&air, config).await?;
    if let Ok(log) = std::env::var("BTSNOOP") {
        transport = transport.with_log(log.as_ref())?;
    }
    let mailbox = Rc::new(Mailbox::new());
    if let [address] = http {
        let listener = TcpListener::bind(address).await?;
        tokio::task::spawn_local(http_server::serve(listener, Post(mailbox.clone())));
    }
    let tell = |event: &Event| println!("{}: {event}", event.name());
    let keep = |proven: &Proven| println!("kept: {:?}", proven.credentials.ssid);
    let (history, answer) = Default::default();
    let rng = rand::rng();
    let service = Service::new(security, &history, &answer, &Desk, rng, &tell, &keep);
    let proven = provision(transport, "PROV_1A2B3C", &service, Some(&mailbox), None).await?;
    println!("done: {:?}", proven.map(|proven| proven.address));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(&arguments))
}
