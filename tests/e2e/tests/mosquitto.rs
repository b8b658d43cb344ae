//! The same life against a broker that we did not write.

use device::event::{Event, TlsVersion};
use e2e::{Desk, Diary, Mosquitto, NETWORK, PASSPHRASE, Phone, TlsVersions, scenario};

async fn live_against(versions: TlsVersions, expected: TlsVersion) {
    let desk = Desk::set().await;
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
    };
    tokio::select! {
        _ = life => panic!("the device restarted"),
        () = story => {}
    }
}

#[test]
fn telemetry_reaches_mosquitto() {
    scenario(live_against(TlsVersions::From12, TlsVersion::Tls13));
}

#[test]
fn telemetry_reaches_mosquitto_with_tls_1_3_only() {
    scenario(live_against(TlsVersions::Only13, TlsVersion::Tls13));
}
