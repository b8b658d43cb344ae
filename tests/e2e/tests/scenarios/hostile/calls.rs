//! Calls and shared attributes that make no sense.

use device::cloud::CloudError;
use devserver::CallError;
use e2e::{Answer, Desk, Dice, MisbehavingBroker, Step, scenario};
use serde_json::{Value, json};

use super::{failure, play};

/// Values that are no interval.
fn no_intervals() -> Vec<Value> {
    let mut nested = json!(1);
    for _ in 0..40 {
        nested = json!([nested]);
    }
    vec![
        json!(-1),
        json!(0),
        json!(99),
        json!(3_600_001),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(1000.5),
        json!(true),
        json!(null),
        json!("abc"),
        json!("x".repeat(600)),
        json!([1000]),
        json!({"ms": "1000"}),
        json!({"ms": {}, "x": null}),
        nested,
    ]
}

#[test]
fn absurd_calls_are_refused_and_change_nothing() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-70", server.mqtt_addr().port(), ""), 70);
        play(&desk, &board, 70, async |diary| {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            let call = async |method: &str, params: Value| {
                let answer = server.send_rpc("SN-70", method, params).await;
                let answer: Value =
                    serde_json::from_str(answer.expect("an answer").get()).expect("JSON");
                answer
            };
            for params in no_intervals() {
                let answer = call("setInterval", params.clone()).await;
                assert_eq!(answer["ok"], json!(false), "{params}: {answer}");
            }
            let methods = ["", "getstatus", "\u{0}", "\u{1f4a5}", "'; DROP TABLE"];
            for method in methods
                .map(String::from)
                .into_iter()
                .chain(["m".repeat(700)])
            {
                let answer = call(&method, json!({})).await;
                assert_eq!(answer["ok"], json!(false), "{method}: {answer}");
            }
            let status = call("getStatus", json!({"what": [1, 2, {"ever": null}]})).await;
            assert_eq!(status["telemetry_interval_ms"], json!(1000));
            assert!(!diary.names().contains(&"cloud.failed"));
        })
        .await;
    });
}

#[test]
fn absurd_attributes_change_nothing() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-71", server.mqtt_addr().port(), ""), 71);
        play(&desk, &board, 71, async |diary| {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            for value in no_intervals() {
                let set = server.set_shared_attribute("SN-71", "telemetryIntervalMs", value);
                // Deep nesting is refused by the server already.
                assert!(matches!(set.await, Ok(()) | Err(CallError::NotJson)));
            }
            let status = server
                .send_rpc("SN-71", "getStatus", json!({}))
                .await
                .expect("status");
            assert!(
                status.get().contains(r#""telemetry_interval_ms":1000"#),
                "{status}"
            );
            assert!(!diary.names().contains(&"cloud.failed"));
            // It is asked for on the next connection, too.
            server.cut("SN-71").await.expect("a device");
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            assert!(!diary.names().contains(&"telemetry.interval"));
        })
        .await;
    });
}

#[test]
fn a_storm_of_calls_does_not_stop_the_telemetry() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-72", server.mqtt_addr().port(), ""), 72);
        play(&desk, &board, 72, async |diary| {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            for number in 0..1_000 {
                let params = json!({"number": number, "padding": "x".repeat(number % 700)});
                // One that finds no room at the server counts as sent, too.
                let _ = server.send_one_way_rpc("SN-72", "getStatus", params).await;
            }
            diary.acknowledged(3).await;
            assert!(
                !diary.names().contains(&"cloud.failed"),
                "{:?}",
                diary.names()
            );
            let status = server
                .send_rpc("SN-72", "getStatus", json!({}))
                .await
                .expect("status");
            assert!(status.get().contains(r#""ok":true"#), "{status}");
        })
        .await;
    });
}

/// A PUBLISH of MQTT 5 with QoS 0.
fn publish(topic: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut rest = (topic.len() as u16).to_be_bytes().to_vec();
    rest.extend_from_slice(topic);
    rest.push(0);
    rest.extend_from_slice(payload);
    let mut packet = vec![0x30];
    let mut length = rest.len();
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        packet.push(byte | if length > 0 { 0x80 } else { 0 });
        if length == 0 {
            break;
        }
    }
    packet.extend(rest);
    packet
}

#[test]
fn messages_that_are_no_json_are_passed_over() {
    scenario(async {
        let desk = Desk::set().await;
        let rpc = b"v1/devices/me/rpc/request/7";
        let deep = |open: &str| open.repeat(900 / open.len()).into_bytes();
        let mut packets = vec![
            publish(rpc, b""),
            publish(rpc, b"{"),
            publish(rpc, &[0xff, 0xfe, 0x00, 0x80]),
            publish(rpc, b"{\"method\":\"\xff\xfe\",\"params\":1}"),
            publish(rpc, br#"{"method":5}"#),
            publish(rpc, br#"{"method":"setInterval","params":1e999999999}"#),
            publish(
                rpc,
                br#"{"method":"setInterval","params":-99999999999999999999999}"#,
            ),
            publish(rpc, br#"{"method":"\ud800","params":"\u0000"}"#),
            publish(rpc, &deep("[")),
            publish(rpc, &deep(r#"{"a":"#)),
            publish(b"v1/devices/me/rpc/request/99999999999999999999", b"{}"),
            publish(b"v1/devices/me/rpc/request/", b"{}"),
            publish(b"v1/devices/me/rpc/request/-1", b"{}"),
            publish(b"v1/devices/me/attributes", b"null"),
            publish(
                b"v1/devices/me/attributes",
                &deep(r#"{"telemetryIntervalMs":["#),
            ),
            publish(b"v1/devices/me/attributes/response/1", b"[]"),
            publish(
                b"v1/devices/me/attributes/response/1",
                br#"{"shared":5,"client":[]}"#,
            ),
            publish(b"something/else", b"{}"),
        ];
        let mut dice = Dice::from_seed(11);
        for _ in 0..200 {
            let length = dice.between(0, 900) as usize;
            packets.push(publish(rpc, &dice.bytes(length)));
        }
        let broker =
            MisbehavingBroker::start(&desk, [(Step::Subscribe, Answer::Then(packets))]).await;
        let board = desk.board(desk.flash("SN-73", broker.port, ""), 73);
        play(&desk, &board, 73, async |diary| {
            diary.until_named("cloud.online").await;
            diary.acknowledged(5).await;
            let names = diary.names();
            assert!(!names.contains(&"cloud.failed"), "{names:?}");
            assert!(!names.contains(&"telemetry.interval"), "{names:?}");
        })
        .await;
    });
}

#[test]
fn a_message_of_64_kib_costs_nothing() {
    scenario(async {
        let desk = Desk::set().await;
        let rpc = b"v1/devices/me/rpc/request/1";
        let shared = b"v1/devices/me/attributes";
        let packets = [&rpc[..], shared, b"something/else"].map(|topic| {
            // Larger than a TLS record, and larger than anything a server should send.
            [65_536, 3_000_000].map(|bytes| publish(topic, &vec![b'['; bytes]))
        });
        let plan = [(Step::Subscribe, Answer::Then(packets.concat()))];
        let broker = MisbehavingBroker::start(&desk, plan).await;
        let board = desk.board(desk.flash("SN-74", broker.port, ""), 74);
        play(&desk, &board, 74, async |diary| {
            diary.until_named("cloud.online").await;
            for _ in 0..6 {
                diary.until_named("cloud.skipped").await;
            }
            diary.acknowledged(3).await;
            assert!(!diary.names().contains(&"cloud.failed"));
        })
        .await;
    });
}

#[test]
fn a_topic_that_is_no_text_costs_the_connection_and_no_more() {
    scenario(async {
        let desk = Desk::set().await;
        let packets = [b"{}".to_vec(), b"{}".repeat(5_000)]
            .map(|payload| publish(&[0xff, 0xfe, 0x2f], &payload));
        let plan = packets.map(|packet| (Step::Subscribe, Answer::Then(vec![packet])));
        let broker = MisbehavingBroker::start(&desk, plan).await;
        let board = desk.board(desk.flash("SN-75", broker.port, ""), 75);
        play(&desk, &board, 75, async |diary| {
            for _ in 0..2 {
                assert_eq!(failure(diary).await.0, CloudError::Protocol);
            }
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
    });
}
