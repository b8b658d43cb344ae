//! The client of this crate against the device of `crates/device`, through two Bluetooth host
//! stacks on a virtual controller pair, and over HTTP.

use std::time::Duration;

use device::provisioning::Proven;
use protocomm::client;
use protocomm::security::IvMode;
use provisioner::{Error, FailReason, LinkError, Outcome, Provisioner, Secrets};
use vhci::{ControllerConfig, HciSpec};

use crate::bench::{
    ADDRESS, Bench, NAME, PROOF, device, local, local_with_sockets, security, serve_http,
};

async fn phone(bench: &Bench, mtu: usize) -> Provisioner {
    let config = ControllerConfig::with_address([0xC0, 0, 0, 0, 0, 2]);
    let transport = HciSpec::Virtual.open(&bench.air, config).await.unwrap();
    Provisioner::ble_with_mtu(transport, mtu)
}

const WAIT: Duration = Duration::from_secs(20);

async fn find_and_connect(phone: &mut Provisioner) {
    let found = phone.find(Some(NAME), WAIT).await.unwrap();
    phone.connect(&found).await.unwrap();
}

/// From the session to the end, with a mistake on the way.
async fn provision_with_a_mistake(phone: &mut Provisioner) {
    let networks = phone.scan_networks().await.unwrap();
    assert_eq!(networks.len(), 16, "as many as the device keeps");
    assert_eq!(networks[0].ssid.as_bytes(), b"home", "strongest first");
    let refused = phone.provision("home", "wrong").await.unwrap();
    assert_eq!(refused, Outcome::Refused(FailReason::AuthError));
    let refused = phone.provision("nowhere", "correct horse").await.unwrap();
    assert_eq!(refused, Outcome::Refused(FailReason::NetworkNotFound));
    match phone.provision("home", "correct horse").await.unwrap() {
        Outcome::Joined(network) => assert_eq!(network.ip4, ADDRESS),
        refused => panic!("{refused:?}"),
    }
}

/// The device need not wait for a client to ask: this one knows.
async fn done_soon(done: tokio::task::JoinHandle<Option<Proven>>) -> Proven {
    let start = embassy_time::Instant::now();
    let proven = done.await.unwrap().unwrap();
    let waited = start.elapsed();
    assert!(waited < embassy_time::Duration::from_secs(15), "{waited}");
    proven
}

async fn whole_way(scheme: u8, iv_mode: IvMode, mtu: usize) {
    let bench = device(security(scheme, iv_mode)).await;
    let mut phone = phone(&bench, mtu).await;
    find_and_connect(&mut phone).await;
    let proof = if scheme == 0 { "" } else { PROOF };
    assert_eq!(
        phone.open_session(&Secrets::proof(proof)).await.unwrap(),
        scheme
    );
    provision_with_a_mistake(&mut phone).await;
    assert_eq!(
        bench.console.kept.borrow().len(),
        1,
        "kept as soon as it worked"
    );
    let proven = done_soon(bench.done).await;
    assert_eq!(proven.address, ADDRESS);
    assert_eq!(proven.credentials.passphrase.as_bytes(), b"correct horse");
    let names = bench.console.names();
    assert_eq!(names.first(), Some(&"provisioning.started"));
    assert_eq!(names.last(), Some(&"provisioning.disconnected"));
}

#[test]
fn a_device_is_provisioned_with_security_0() {
    local(whole_way(0, IvMode::Counter, 517));
}

#[test]
fn a_device_is_provisioned_with_security_1() {
    local(whole_way(1, IvMode::Counter, 517));
}

#[test]
fn a_device_is_provisioned_with_security_2() {
    local(whole_way(2, IvMode::Counter, 517));
}

#[test]
fn a_device_is_provisioned_with_security_2_as_of_old() {
    local(whole_way(2, IvMode::Fixed, 517));
}

#[test]
fn the_smallest_mtu_takes_long_writes_and_long_reads() {
    local(whole_way(2, IvMode::Counter, 23));
}

#[test]
fn a_wrong_proof_is_told_and_the_next_one_counts() {
    local(async {
        let bench = device(security(2, IvMode::Counter)).await;
        let mut phone = phone(&bench, 517).await;
        find_and_connect(&mut phone).await;
        let wrong = phone
            .open_session(&Secrets::proof("wrong"))
            .await
            .unwrap_err();
        assert!(
            matches!(wrong, Error::Session(client::Error::WrongProof)),
            "{wrong:?}"
        );
        let none = phone.open_session(&Secrets::proof("")).await.unwrap_err();
        assert!(matches!(none, Error::ProofNeeded));
        phone.open_session(&Secrets::proof(PROOF)).await.unwrap();
        assert_eq!(bench.console.count("provisioning.refused"), 1);
        for _ in 0..5 {
            phone
                .open_session(&Secrets::proof("wrong"))
                .await
                .unwrap_err();
        }
        let locked = phone
            .open_session(&Secrets::proof(PROOF))
            .await
            .unwrap_err();
        assert!(
            matches!(locked, Error::Session(client::Error::CoolingDown(_))),
            "{locked:?}"
        );
        assert_eq!(bench.console.count("provisioning.locked"), 1);
    });
}

#[test]
fn a_lost_link_is_told_and_a_reconnect_is_accepted() {
    local(async {
        let bench = device(security(1, IvMode::Counter)).await;
        let mut phone = phone(&bench, 517).await;
        find_and_connect(&mut phone).await;
        phone.open_session(&Secrets::proof(PROOF)).await.unwrap();
        bench.faults.set(|faults| faults.drop_after = Some(1));
        let lost = phone.provision("home", "correct horse").await.unwrap_err();
        assert!(matches!(lost, Error::Link(LinkError::Lost)), "{lost:?}");
        // Links that never come to be: a few are borne, then the user is told.
        bench.faults.set(|faults| faults.refused_connections = 3);
        let found = phone.find(Some(NAME), WAIT).await.unwrap();
        let first = phone.connect(&found).await.unwrap_err();
        assert!(matches!(first, Error::Link(LinkError::Lost)), "{first:?}");
        bench.faults.set(|faults| faults.refused_connections = 2);
        find_and_connect(&mut phone).await;
        phone.open_session(&Secrets::proof(PROOF)).await.unwrap();
        assert_eq!(
            phone.provision("nowhere", "").await.unwrap(),
            Outcome::Refused(FailReason::NetworkNotFound)
        );
    });
}

#[test]
fn a_device_that_is_not_there_is_not_found() {
    local(async {
        let bench = device(security(0, IvMode::Counter)).await;
        let mut phone = phone(&bench, 517).await;
        let missing = phone
            .find(Some("PROV_FFFFFF"), Duration::from_secs(1))
            .await
            .unwrap_err();
        assert!(matches!(missing, Error::NotFound { .. }));
        let found = phone.find(None, WAIT).await.unwrap();
        assert_eq!(found.name, NAME);
        assert_eq!(found.service, Some(protocomm::gatt::SERVICE_UUID));
    });
}

#[test]
fn a_device_is_provisioned_over_http() {
    local_with_sockets(async {
        let bench = device(security(2, IvMode::Counter)).await;
        let address = serve_http(bench.mailbox.clone()).await;
        let mut phone = Provisioner::http(&address);
        let wrong = phone
            .open_session(&Secrets::proof("wrong"))
            .await
            .unwrap_err();
        assert!(
            matches!(wrong, Error::Session(client::Error::WrongProof)),
            "{wrong:?}"
        );
        phone.open_session(&Secrets::proof(PROOF)).await.unwrap();
        // Another client begins a session, which ends this one.
        let mut other = Provisioner::http(&address);
        other.open_session(&Secrets::proof(PROOF)).await.unwrap();
        let lost = phone.scan_networks().await.unwrap_err();
        assert!(
            matches!(lost, Error::Session(client::Error::SessionLost)),
            "{lost:?}"
        );
        let missing = phone.custom("no-such", b"").await.unwrap_err();
        assert!(matches!(missing, Error::NoSession));
        phone.open_session(&Secrets::proof(PROOF)).await.unwrap();
        provision_with_a_mistake(&mut phone).await;
        done_soon(bench.done).await;
        let closed = phone.scan_networks().await.unwrap_err();
        assert!(
            matches!(closed, Error::Session(client::Error::Busy)),
            "{closed:?}"
        );
    });
}

#[test]
fn a_client_over_http_does_not_keep_one_over_bluetooth_out() {
    local_with_sockets(async {
        let bench = device(security(1, IvMode::Counter)).await;
        let address = serve_http(bench.mailbox.clone()).await;
        let mut gone = Provisioner::http(&address);
        gone.open_session(&Secrets::proof(PROOF)).await.unwrap();
        // Nothing tells that it has gone; it might as well be idle for minutes.
        let mut phone = phone(&bench, 517).await;
        find_and_connect(&mut phone).await;
        phone.open_session(&Secrets::proof(PROOF)).await.unwrap();
        // The other way round, the one who is still connected keeps the session.
        let busy = gone.scan_networks().await.unwrap_err();
        assert!(
            matches!(busy, Error::Session(client::Error::Busy)),
            "{busy:?}"
        );
        provision_with_a_mistake(&mut phone).await;
        done_soon(bench.done).await;
    });
}
