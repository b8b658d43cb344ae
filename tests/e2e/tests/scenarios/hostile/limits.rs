//! A server with limits of what a device may send, as public clouds have them.

use std::time::Duration;

use device::event::Event;
use devserver::Limits;
use e2e::{Desk, play, scenario};
use serde_json::json;

/// The client attribute `telemetry_limit`, as the server has it.
async fn told(server: &devserver::Server, serial: &str) -> String {
    let attributes = server.client_attributes(serial).await.expect("attributes");
    let limit = attributes.get("telemetry_limit");
    let limit = limit.map(|limit| serde_json::to_value(limit).expect("JSON"));
    limit.unwrap_or_default().to_string()
}

#[test]
fn a_backlog_is_sent_within_the_limit_without_being_cut_off() {
    scenario(async {
        let desk = Desk::set().await;
        // The rate of time of this process is the device's, and the server counts real seconds.
        let limits = Limits {
            messages: Some("20:1".parse().expect("a limit")),
            telemetry_messages: Some("10:1".parse().expect("a limit")),
            telemetry_data_points: Some("60:1".parse().expect("a limit")),
            ..Limits::default()
        };
        let server = desk.server_with(limits).await;
        let more = r#","telemetry_interval_ms":100"#;
        let board = desk.board(desk.flash("SN-76", server.mqtt_addr().port(), more), 76);
        play(&desk, &board, 76, async |diary| {
            diary.until_named("telemetry.limit").await;
            // Ten samples a second for ten seconds.
            let mut acknowledged = 0;
            while acknowledged < 100 {
                if let Event::Acknowledged { samples, .. } =
                    diary.until_named("telemetry.acknowledged").await
                {
                    acknowledged += u32::from(samples);
                }
            }
            let names = diary.names();
            assert!(!names.contains(&"cloud.failed"), "{names:?}");
            let told = told(&server, "SN-76").await;
            assert!(told.contains("60 data points in 1 s: enough"), "{told}");
        })
        .await;
    });
}

#[test]
fn the_default_keeps_to_what_a_public_cloud_allows() {
    scenario(async {
        let desk = Desk::set().await;
        let limits = Limits {
            telemetry_data_points: Some("15000:3600".parse().expect("a limit")),
            ..Limits::default()
        };
        let server = desk.server_with(limits).await;
        let board = desk.board(desk.flash("SN-77", server.mqtt_addr().port(), ""), 77);
        play(&desk, &board, 77, async |diary| {
            match diary.until_named("telemetry.limit").await {
                Event::LimitKept(limit) => assert!(!limit.costs_samples(), "{limit}"),
                other => unreachable!("{other:?}"),
            }
            // Three minutes of the device's.
            let points = async |server: &devserver::Server| {
                let mut points = 0;
                for key in [
                    "temperature",
                    "humidity",
                    "uptime_ms",
                    "dropped",
                    "rssi",
                    "heap_free",
                ] {
                    let series = server.series("SN-77", key, 0..i64::MAX, u32::MAX).await;
                    points += series.map_or(0, |series| series.len());
                }
                points
            };
            let before = points(&server).await;
            diary.acknowledged(180).await;
            let sent = points(&server).await - before;
            assert!((360..15_000 / 20).contains(&sent), "{sent}");
            assert!(!diary.names().contains(&"cloud.failed"));
        })
        .await;
    });
}

#[test]
fn an_interval_that_the_limit_does_not_allow_is_told_with_its_cost() {
    scenario(async {
        let desk = Desk::set().await;
        let limits = Limits {
            telemetry_data_points: Some("6000:3600".parse().expect("a limit")),
            ..Limits::default()
        };
        let server = desk.server_with(limits).await;
        let board = desk.board(desk.flash("SN-78", server.mqtt_addr().port(), ""), 78);
        play(&desk, &board, 78, async |diary| {
            match diary.until_named("telemetry.limit").await {
                Event::LimitKept(limit) => assert!(limit.costs_samples(), "{limit}"),
                other => unreachable!("{other:?}"),
            }
            diary.until_named("telemetry.acknowledged").await;
            server
                .set_shared_attribute("SN-78", "telemetryIntervalMs", json!(2000))
                .await
                .expect("a device");
            match diary.until_named("telemetry.limit").await {
                Event::LimitKept(limit) => assert!(!limit.costs_samples(), "{limit}"),
                other => unreachable!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let told = told(&server, "SN-78").await;
            assert!(told.contains("enough for a sample each 2000 ms"), "{told}");
        })
        .await;
    });
}
