//! The same life against a broker that we did not write.

use device::event::{Event, TlsVersion};
use e2e::{Desk, Diary, Mosquitto, NETWORK, PASSPHRASE, Phone, TlsVersions, scenario_with_peers};
use pki::KeyAlgorithm;

async fn live_against(versions: TlsVersions, keys: KeyAlgorithm, expected: TlsVersion) {
    let desk = Desk::set_with(keys).await;
    let broker = Mosquitto::start(&desk, versions).await;
    let (_client, mut lines) = broker.subscribe("v1/devices/me/telemetry");
    let board = desk.board(desk.flash("SN-000010", broker.port, ""), 10);
    let mut diary = Diary::of(&board);
    let life = board.live();
    let story = async {
        diary.until_named("provisioning.started").await;
        let mut phone = Phone::paired_with(&desk, "PROV_1A2B0A").await;
        phone.send(NETWORK, PASSPHRASE).await;
        let tls = diary.until_named("cloud.tls").await;
        assert!(
            matches!(tls, Event::TlsEstablished { version, .. } if version == expected),
            "{tls:?}"
        );
        diary.until_named("cloud.online").await;
        for _ in 0..5 {
            let line = lines.next_line().await.expect("output").expect("a message");
            assert!(line.contains("\"temperature\""), "{line}");
        }
        board.station.cut();
        diary.until_named("wifi.lost").await;
        let tls = diary.until_named("cloud.tls").await;
        assert!(
            matches!(tls, Event::TlsEstablished { version, resumed: true } if version == expected),
            "{tls:?}"
        );
        diary.until_named("cloud.online").await;
        lines.next_line().await.expect("output").expect("a message");
        // A broker that is not ThingsBoard sends to all subscribers what the device publishes, its own
        // question (`getSessionLimits`) among it; it asks not to be told itself.
        let names = diary.names();
        assert!(!names.contains(&"rpc.answered"), "{names:?}");
    };
    tokio::select! {
        _ = life => panic!("the device restarted"),
        () = story => {}
    }
}

#[test]
fn telemetry_reaches_mosquitto() {
    let keys = KeyAlgorithm::P256;
    scenario_with_peers(live_against(TlsVersions::From12, keys, TlsVersion::Tls13));
}

#[test]
fn telemetry_reaches_mosquitto_with_tls_1_3_only() {
    let keys = KeyAlgorithm::P256;
    scenario_with_peers(live_against(TlsVersions::Only13, keys, TlsVersion::Tls13));
}

#[test]
fn telemetry_reaches_mosquitto_that_wants_p384_alone() {
    let keys = KeyAlgorithm::P256;
    scenario_with_peers(live_against(
        TlsVersions::Only13InP384,
        keys,
        TlsVersion::Tls13,
    ));
}

#[test]
fn telemetry_reaches_mosquitto_with_tls_1_2_only() {
    let keys = KeyAlgorithm::P256;
    scenario_with_peers(live_against(TlsVersions::Only12, keys, TlsVersion::Tls12));
}

#[test]
fn telemetry_reaches_mosquitto_with_rsa_and_tls_1_3_only() {
    let keys = KeyAlgorithm::Rsa2048;
    scenario_with_peers(live_against(TlsVersions::Only13, keys, TlsVersion::Tls13));
}

#[test]
fn telemetry_reaches_mosquitto_with_rsa_and_tls_1_2_only() {
    let keys = KeyAlgorithm::Rsa2048;
    scenario_with_peers(live_against(TlsVersions::Only12, keys, TlsVersion::Tls12));
}

/// Mosquitto accepts any certificate of its CA, and refuses all others in the handshake.
#[test]
fn mosquitto_refuses_a_device_of_another_ca() {
    scenario_with_peers(async {
        let desk = Desk::set().await;
        let mut broker = Mosquitto::start(&desk, TlsVersions::From12).await;
        let strangers = Desk::set().await;
        let identity = strangers.pki.device("SN-000011").expect("a certificate");
        // It trusts the broker all the same.
        let flash = desk.flash_trusting(&identity, desk.pki.root_pem(), broker.port);
        let board = desk.board(flash, 11);
        let mut diary = Diary::of(&board);
        let story = async {
            diary.until_named("provisioning.started").await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B0B").await;
            phone.send(NETWORK, PASSPHRASE).await;
            let failed = diary.until_named("cloud.failed").await;
            let Event::ConnectionFailed { error, .. } = failed else {
                unreachable!()
            };
            assert!(error.to_string().contains("device.crt"), "{error}");
            broker.until("certificate verify failed").await;
        };
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            () = story => {}
        }
    });
}
