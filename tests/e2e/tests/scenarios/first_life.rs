//! From blank flash to telemetry, and what follows a restart.

use device::event::{ClockSource, Event};
use devserver::{Event as Seen, Server};
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, Phone, scenario};
use provisioner::{FailReason, Outcome};
use serde_json::json;

/// Waits for this many telemetry records of a device and returns their time stamps.
async fn telemetry(server: &Server, device: &str, count: usize) -> Vec<i64> {
    let mut events = server.events();
    let mut stamps = Vec::new();
    while stamps.len() < count {
        let event = events.next().await.expect("the server lives");
        if let Seen::Telemetry {
            device: of,
            records,
        } = &*event
            && of == device
        {
            stamps.extend(records.iter().map(|record| record.ts_ms));
        }
    }
    stamps
}

/// Each sample a second after the one before, none twice.
fn assert_steady(stamps: &[i64]) {
    for pair in stamps.windows(2) {
        let step = pair[1] - pair[0];
        assert!(
            (900..=1100).contains(&step),
            "{step} ms between two samples: {stamps:?}"
        );
    }
}

#[test]
fn a_blank_device_becomes_a_device_in_the_server() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-000001", server.mqtt_addr().port(), ""), 1);
        let mut diary = Diary::of(&board);
        let life = board.live();
        let story = async {
            diary.until_named("provisioning.started").await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B01").await;
            let networks = phone.0.scan_networks().await.expect("networks");
            assert_eq!(networks.len(), 3);
            let outcome = phone.send(NETWORK, PASSPHRASE).await;
            assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
            diary.until_named("cloud.online").await;
            let stamps = telemetry(&server, "SN-000001", 15).await;
            assert_steady(&stamps);
            diary.until_named("claim.opened").await;
            diary.until_named("telemetry.acknowledged").await;
            assert_eq!(
                diary.names(),
                [
                    "boot",
                    "provisioning.started",
                    "provisioning.connected",
                    "provisioning.session",
                    "provisioning.scanned",
                    "provisioning.chosen",
                    "wifi.joined",
                    "provisioning.done",
                    "provisioning.disconnected",
                    "bluetooth.stopped",
                    "clock.set",
                    "credentials.proven",
                    "cloud.connecting",
                    "cloud.tls",
                    "cloud.online",
                    "claim.opened",
                ]
            );
            let attributes = server
                .client_attributes("SN-000001")
                .await
                .expect("attributes");
            for key in ["firmware_version", "chip", "serial", "mac", "reset_reason"] {
                assert!(
                    attributes.contains_key(key),
                    "{key} is not among {attributes:?}"
                );
            }
        };
        tokio::select! {
            _ = life => panic!("the device restarted"),
            () = story => {}
        }
    });
}

#[test]
fn a_wrong_passphrase_is_told_and_the_right_one_taken_in_the_same_session() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let flash = desk.flash("SN-000002", server.mqtt_addr().port(), "");
        let board = desk.board(flash.clone(), 2);
        let mut diary = Diary::of(&board);
        let life = board.live();
        let story = async {
            diary.until_named("provisioning.started").await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B02").await;
            let outcome = phone.send(NETWORK, "wrong horse").await;
            assert_eq!(outcome, Outcome::Refused(FailReason::AuthError));
            let kept = |what: &str| {
                let bytes = flash.to_bytes();
                bytes
                    .windows(what.len())
                    .any(|window| window == what.as_bytes())
            };
            assert!(!kept("wrong horse"), "nothing is stored before it worked");
            let outcome = phone.send(NETWORK, "sh0rt").await;
            assert_eq!(outcome, Outcome::Refused(FailReason::AuthError));
            let outcome = phone.send("no such network", "wrong horse").await;
            assert_eq!(outcome, Outcome::Refused(FailReason::NetworkNotFound));
            let outcome = phone.send(NETWORK, PASSPHRASE).await;
            assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
            diary.until_named("cloud.online").await;
            assert!(kept(PASSPHRASE) && !kept("wrong horse"));
        };
        tokio::select! {
            _ = life => panic!("the device restarted"),
            () = story => {}
        }
    });
}

#[test]
fn a_second_life_goes_straight_online_and_rpcs_are_answered() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-000003", server.mqtt_addr().port(), ""), 3);
        let mut diary = Diary::of(&board);
        let life = board.live_on();
        let story = async {
            diary.until_named("provisioning.started").await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B03").await;
            phone.send(NETWORK, PASSPHRASE).await;
            drop(phone);
            diary.until_named("cloud.online").await;
            telemetry(&server, "SN-000003", 2).await;

            let status = server
                .send_rpc("SN-000003", "getStatus", json!({}))
                .await
                .expect("status");
            let version = format!(r#""firmware_version":"{}""#, env!("CARGO_PKG_VERSION"));
            assert!(status.get().contains(&version), "{status}");

            server
                .set_shared_attribute("SN-000003", "telemetryIntervalMs", json!(500))
                .await
                .expect("a shared attribute");
            diary
                .until(|event| *event == Event::IntervalChanged { ms: 500 })
                .await;

            server
                .send_rpc("SN-000003", "reboot", json!({}))
                .await
                .expect("an answer");
            diary.until_named("restart").await;
            diary.read.clear();
            let clock = diary.until_named("clock.set").await;
            let Event::ClockSet { source, .. } = clock else {
                unreachable!()
            };
            assert_eq!(source, ClockSource::Sntp, "a time server comes first");
            diary.until_named("cloud.online").await;
            assert_eq!(
                diary.names(),
                [
                    "boot",
                    "wifi.joining",
                    "wifi.joined",
                    "clock.set",
                    "credentials.proven",
                    "cloud.connecting",
                    "cloud.tls",
                    "cloud.online"
                ]
            );
            // The interval that the server asked for lasts.
            let stamps = telemetry(&server, "SN-000003", 8).await;
            let steps: Vec<_> = stamps.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(
                steps.iter().all(|step| (400..=600).contains(step)),
                "{steps:?}"
            );
        };
        tokio::select! {
            never = life => match never {},
            () = story => {}
        }
    });
}

#[test]
fn an_outage_loses_no_sample_and_a_factory_reset_forgets_the_network() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-000004", server.mqtt_addr().port(), ""), 4);
        let mut diary = Diary::of(&board);
        let life = board.live_on();
        let story = async {
            diary.until_named("provisioning.started").await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B04").await;
            phone.send(NETWORK, PASSPHRASE).await;
            drop(phone);
            diary.until_named("cloud.online").await;

            let seen = telemetry(&server, "SN-000004", 30);
            let outages = async {
                diary.acknowledged(5).await;
                board.station.cut();
                diary.until_named("wifi.lost").await;
                let tls = diary.until_named("cloud.tls").await;
                assert!(
                    matches!(tls, Event::TlsEstablished { resumed: true, .. }),
                    "{tls:?}"
                );
                diary.until_named("cloud.online").await;
                diary.acknowledged(3).await;
                server.cut("SN-000004").await.expect("the device is online");
                diary.until_named("cloud.failed").await;
                diary.until_named("cloud.online").await;
                loop {
                    diary.until_named("telemetry.acknowledged").await;
                }
            };
            let mut stamps =
                tokio::select! { stamps = seen => stamps, () = outages => unreachable!() };
            // At least once: a batch whose acknowledgement was lost comes again.
            stamps.sort_unstable();
            stamps.dedup();
            assert_steady(&stamps);

            board.chip.hold_button();
            diary.until_named("restart").await;
            diary.until_named("provisioning.started").await;
        };
        tokio::select! {
            never = life => match never {},
            () = story => {}
        }
    });
}
