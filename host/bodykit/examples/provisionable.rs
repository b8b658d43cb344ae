//! A device that does nothing but be provisioned, for trying other people's clients on.
//!
//! ```text
//! cargo run -p bodykit --example provisionable -- HCI SECURITY PATCH [HTTP]
//! ```
//!
//! `HCI` is `tcp:HOST:PORT` of an H4 controller or `hci0`, or `serve:HOST:PORT`: then the device
//! is on a virtual controller, and clients' host stacks find others at that address. `HTTP` is
//! where to serve HTTP too. The proof of possession is `abcd1234`, the network `home` with the
//! passphrase `correct horse`. `BTSNOOP` in the environment names a file for the traffic.

use std::rc::Rc;

use bodykit::http;
use bodykit::wifi::{Network, Station, WifiAir};
use device::event::Event;
use device::platform::{AuthMode, Mailbox};
use device::provisioning::{Proven, Service, provision};
use hosttime as _;
use protocomm::security::{IvMode, ProofDigest, Salt, Security, SrpVerifier};
use tokio::net::TcpListener;
use vhci::{ControllerConfig, HciSpec, SharedAir};

const PROOF: &[u8] = b"abcd1234";

/// One network that can be joined, and neighbours.
fn networks() -> WifiAir {
    let neighbours = (0..9_i8).map(|n| {
        let mut network = Network::new(&format!("a neighbour of number {n}"), "unknown", -60 - n);
        network.seen.auth = AuthMode::Wpa2Wpa3Psk;
        network
    });
    WifiAir::new(neighbours.chain([Network::new("home", "correct horse", -40)]))
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
        tokio::task::spawn_local(http::serve(listener, mailbox.clone()));
    }
    let tell = |event: &Event| println!("{}: {event}", event.name());
    let keep = |proven: &Proven| println!("kept: {:?}", proven.credentials.ssid);
    let (history, answer) = Default::default();
    let rng = rand::rng();
    let station = Station::new([2, 0, 0, 0x1A, 0x2B, 0x3C], networks());
    let service = Service::new(security, &history, &answer, &station, rng, &tell, &keep);
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
