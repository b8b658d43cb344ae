//! Two trouble-host stacks, which this project did not write, over a virtual controller pair:
//! in process, and through H4 over TCP.

use std::time::Duration;

use bt_hci::controller::ExternalController;
use hosttime as _;
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use trouble_host::prelude::*;
use vhci::{ControllerConfig, HciSpec, HciTransport, SharedAir};

const NAME: &str = "PROV_TEST";

fn controller(transport: HciTransport) -> ExternalController<HciTransport, 8> {
    ExternalController::new(transport)
}

async fn peripheral(transport: HciTransport, met: &Barrier) {
    let mut resources: HostResources<DefaultPacketPool, 1, 1> = HostResources::new();
    let stack = trouble_host::new(controller(transport), &mut resources).build();
    let mut runner = stack.runner();
    let serve = async {
        let mut data = [0; 31];
        let n = AdStructure::encode_slice(
            &[
                AdStructure::Flags(LE_GENERAL_DISCOVERABLE | BR_EDR_NOT_SUPPORTED),
                AdStructure::CompleteLocalName(NAME.as_bytes()),
            ],
            &mut data,
        )
        .unwrap();
        let advertisement = Advertisement::ConnectableScannableUndirected {
            adv_data: &data[..n],
            scan_data: &[],
        };
        let advertiser = stack
            .peripheral()
            .advertise(&Default::default(), advertisement)
            .await
            .unwrap();
        let connection = advertiser.accept().await.unwrap();
        met.wait().await;
        loop {
            if let ConnectionEvent::Disconnected { reason } = connection.next().await {
                return reason;
            }
        }
    };
    tokio::select! {
        r = runner.run() => panic!("the peripheral's stack ended: {r:?}"),
        reason = serve => assert_eq!(reason.into_inner(), 0x13, "the other user ended the link"),
    }
}

/// Waits for the first report of an address.
struct Found(std::cell::Cell<Option<Address>>, tokio::sync::Notify);

impl EventHandler for Found {
    fn on_adv_reports(&self, reports: LeAdvReportsIter) {
        for report in reports.flatten() {
            self.0
                .set(Some(Address::new(report.addr_kind, report.addr)));
            self.1.notify_one();
        }
    }
}

async fn central(transport: HciTransport, met: &Barrier) {
    let mut resources: HostResources<DefaultPacketPool, 1, 1> = HostResources::new();
    let stack = trouble_host::new(controller(transport), &mut resources).build();
    let mut runner = stack.runner();
    let found = Found(Default::default(), Default::default());
    let connect = async {
        let mut central = stack.central();
        let mut scanner = Scanner::new(&mut central);
        let session = scanner.scan(&Default::default()).await.unwrap();
        found.1.notified().await;
        session.stop().await;
        let peer = [found.0.get().unwrap()];
        let scan_config = ScanConfig {
            filter_accept_list: &peer,
            ..Default::default()
        };
        let config = ConnectConfig {
            scan_config,
            connect_params: Default::default(),
        };
        let connection = central.connect(&config).await.unwrap();
        // trouble-host overlooks a link that ends before it was accepted.
        met.wait().await;
        connection.disconnect();
        while !matches!(
            connection.next().await,
            ConnectionEvent::Disconnected { .. }
        ) {}
    };
    tokio::select! {
        r = runner.run_with_handler(&found) => panic!("the central's stack ended: {r:?}"),
        () = connect => {}
    }
}

fn config(n: u8) -> ControllerConfig {
    ControllerConfig::with_address([0xC0, 0, 0, 0, 0, n])
}

async fn both(p: HciTransport, c: HciTransport) {
    let met = Barrier::new(2);
    let both = async { tokio::join!(peripheral(p, &met), central(c, &met)) };
    tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("they find each other");
}

#[tokio::test]
async fn two_stacks_meet_in_process() {
    let air = SharedAir::new();
    let p = HciSpec::Virtual.open(&air, config(1)).await.unwrap();
    let c = HciSpec::Virtual.open(&air, config(2)).await.unwrap();
    let log = std::env::temp_dir().join(format!("vhci-{}.btsnoop", std::process::id()));
    both(p, c.with_log(&log).unwrap()).await;
    let bytes = std::fs::read(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert_eq!(&bytes[..16], b"btsnoop\0\0\0\0\x01\0\0\x03\xEA");
    // The first packet of every host is a reset.
    assert_eq!(&bytes[16 + 24..16 + 28], [1, 0x03, 0x0C, 0]);
}

#[tokio::test]
async fn two_stacks_meet_over_tcp() {
    let air = SharedAir::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = HciSpec::Tcp(listener.local_addr().unwrap().to_string());
    let server = tokio::spawn(vhci::serve(air.clone(), listener, |n| config(n as u8)));
    let p = spec.open(&air, config(0)).await.unwrap();
    let c = spec.open(&air, config(0)).await.unwrap();
    both(p, c).await;
    server.abort();
}
