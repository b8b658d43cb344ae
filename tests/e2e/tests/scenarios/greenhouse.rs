//! A product that is not the stock one: a sensor on I2C by its author's driver, a pump behind a relay, a button.

use std::time::Duration;

use device::event::Event;
use devserver::Server;
use e2e::{Desk, Diary, play, scenario};
use product::Fault;
use serde_json::{Value, json};
use simulator::Simulator;
use simulator::greenhouse::Glasshouse;

const NAME: &str = "SN-GREEN";

/// Plays with a greenhouse that is online.
fn greenhouse(story: impl AsyncFnOnce(&Desk, &Server, &Simulator<Glasshouse>, &mut Diary)) {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let flash = desk.flash(NAME, server.mqtt_addr().port(), "");
        let board = desk.board_of::<Glasshouse>(flash, 60);
        play(&desk, &board, 60, async |diary| {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            story(&desk, &server, &board, diary).await;
        })
        .await;
    });
}

async fn call(server: &Server, method: &str, params: Value) -> Value {
    let answer = server.send_rpc(NAME, method, params).await;
    serde_json::from_str(answer.expect("an answer").get()).expect("JSON")
}

async fn latest(server: &Server, key: &str) -> Option<Value> {
    let latest = server.latest(NAME).await.expect("it is there");
    let point = latest.get(key)?;
    Some(serde_json::to_value(&point.value).expect("JSON"))
}

/// Waits until a client attribute has this value.
async fn told_back(server: &Server, key: &str, value: Value) {
    loop {
        let attributes = server.client_attributes(NAME).await.expect("it is there");
        let told = attributes.get(key);
        if told.map(|told| serde_json::to_value(told).expect("JSON")) == Some(value.clone()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn what_the_sensor_on_the_bus_says_is_telemetry_and_what_it_does_not_say_is_absent() {
    greenhouse(async |_, server, board, diary| {
        board.wiring.set_climate(Some(Ok((-5, 873))));
        let measured = |event: &Event| matches!(event, Event::Sampled(s) if s.readings.steps("temperature") == Some(-5));
        diary.until(measured).await;
        diary.until_named("telemetry.acknowledged").await;
        assert_eq!(latest(server, "temperature").await, Some(json!(-0.5)));
        assert_eq!(latest(server, "humidity").await, Some(json!(87.3)));
        assert_eq!(latest(server, "frost").await, Some(json!(true)));
        told_back(server, "sensorSerial", json!(0x00c0_ffee)).await;
        for fault in [Fault::Absent, Fault::Garbled] {
            board.wiring.set_climate(Some(Err(fault)));
            let told = diary.until_named("telemetry.sensor").await;
            assert_eq!(told, Event::SensorFailed(fault));
            let Event::Sampled(sample) = diary.until_named("telemetry.sampled").await else {
                unreachable!()
            };
            assert_eq!(sample.readings.steps("temperature"), None);
            assert_eq!(sample.readings.steps("pumping"), Some(0));
        }
    });
}

#[test]
fn the_relay_is_switched_by_call_and_by_attribute_and_told_back() {
    greenhouse(async |_, server, board, diary| {
        told_back(server, "pump", json!(false)).await;
        assert_eq!(
            call(server, "setPump", json!(true)).await,
            json!({"ok": true})
        );
        assert!(board.wiring.relay.is_high());
        assert_eq!(call(server, "isPumping", json!({})).await, json!(true));
        told_back(server, "pump", json!(true)).await;

        let wrong = call(server, "setPump", json!("on")).await;
        assert_eq!(
            wrong,
            json!({"ok": false, "error": "params: write true or false"})
        );
        let unknown = call(server, "setFan", json!(true)).await;
        let known = "unknown method: setPump, isPumping, getStatus, setInterval, renewCertificate, reboot and factoryReset are known";
        assert_eq!(unknown, json!({"ok": false, "error": known}));

        server
            .set_shared_attribute(NAME, "pump", json!(false))
            .await
            .expect("it is set");
        diary.until_named("attribute.set").await;
        told_back(server, "pump", json!(false)).await;
        assert!(!board.wiring.relay.is_high());
        server
            .set_shared_attribute(NAME, "frostLimit", json!(99))
            .await
            .expect("it is set");
        diary.until_named("attribute.refused").await;
        told_back(
            server,
            "refused",
            json!("frostLimit: write a number from -10.0 to 10.0"),
        )
        .await;
    });
}

#[test]
fn a_press_of_the_button_is_known_at_once_whatever_the_interval() {
    greenhouse(async |_, server, board, diary| {
        let hour = json!({"ms": 3_600_000});
        call(server, "setInterval", hour).await;
        // What was taken before has arrived, as it does within two seconds.
        tokio::time::sleep(Duration::from_millis(200)).await;
        diary.catch_up(|_| false);
        let pressed_at = diary.read.last().expect("it told something").0;
        board.wiring.button.set(false);
        let pressed = |event: &Event| matches!(event, Event::Sampled(s) if s.readings.steps("button") == Some(1));
        diary.until(pressed).await;
        diary.until_named("telemetry.acknowledged").await;
        assert_eq!(latest(server, "button").await, Some(json!(true)));
        let told_at = diary.read.last().expect("it told something").0;
        assert!(told_at - pressed_at < 60_000, "{pressed_at} {told_at}");
    });
}

#[test]
fn the_pump_stands_still_when_nobody_answers_for_a_minute() {
    greenhouse(async |desk, server, board, diary| {
        call(server, "setPump", json!(true)).await;
        let mut gone = Vec::new();
        desk.world
            .wifi
            .change(|networks| gone = std::mem::take(networks));
        board.station.cut();
        diary.until_named("wifi.lost").await;
        let lost_at = diary.read.last().expect("it told something").0;
        assert!(board.wiring.relay.is_high(), "a short outage is none");
        while board.wiring.relay.is_high() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let told = diary.until_named("telemetry.sampled").await;
        let Event::Sampled(sample) = told else {
            unreachable!()
        };
        diary.catch_up(|_| false);
        let stopped_at = diary.read.last().expect("it told something").0;
        assert!(
            (59_000..90_000).contains(&(stopped_at - lost_at)),
            "{lost_at} {stopped_at} {sample}"
        );
        desk.world
            .wifi
            .change(|networks| networks.append(&mut gone));
        diary.until_named("cloud.online").await;
        told_back(server, "pump", json!(false)).await;
    });
}

#[test]
fn a_restart_stops_the_pump_and_keeps_the_limit_that_the_server_set() {
    greenhouse(async |_, server, board, diary| {
        board.wiring.set_climate(Some(Ok((40, 500))));
        server
            .set_shared_attribute(NAME, "frostLimit", json!(5))
            .await
            .expect("it is set");
        diary
            .until(|event| *event == Event::AttributeSet { key: "frostLimit" })
            .await;
        told_back(server, "frostLimit", json!(5.0)).await;
        call(server, "setPump", json!(true)).await;
        call(server, "reboot", json!({})).await;
        diary.until_named("boot").await;
        assert!(!board.wiring.relay.is_high());
        // Before the server could tell it again.
        diary.read.clear();
        let told = diary.until_named("telemetry.sampled").await;
        assert!(!diary.names().contains(&"cloud.online"));
        let Event::Sampled(sample) = told else {
            unreachable!()
        };
        assert_eq!(sample.readings.steps("frost"), Some(1), "{sample}");
    });
}
