//! Mosquitto's clients as devices: what they publish, ask for and are sent.

use std::process::Stdio;

use crate::bench::{ATTRIBUTES, Bench, TELEMETRY, VERSIONS, assert_success, event, watch, within};
use crate::client::{Client, Greeting};
use devserver::{CallError, Config, Datum, Event, Server};
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use serde_json::json;

#[tokio::test]
async fn attributes_are_set_and_pushed() {
    let bench = Bench::new();
    let server = bench.start().await;
    let device = bench.device(&bench.pki.device("SN-1").unwrap());
    let client = r#"{"fwVersion":"1.0.0","serial":"007","nothing":null}"#;
    assert_success(
        &device
            .publish(&server, "mqttv311", ATTRIBUTES, client)
            .await,
    );
    let attributes = server.client_attributes("SN-1").await.unwrap();
    assert_eq!(attributes["fwVersion"], Datum::Text("1.0.0".to_owned()));
    assert_eq!(
        attributes["serial"],
        Datum::Long(7),
        "ThingsBoard's type cast"
    );
    assert_eq!(attributes.len(), 2);
    server
        .set_shared_attribute("SN-1", "telemetryIntervalMs", json!(500))
        .await
        .unwrap();
    server
        .set_shared_attribute("SN-1", "gone", json!(true))
        .await
        .unwrap();

    for version in VERSIONS {
        let mut events = server.events();
        let watching = watch(&device, &server, version, ATTRIBUTES, 2);
        event(&mut events, |e| matches!(e, Event::Subscribed { .. })).await;
        server
            .set_shared_attribute("SN-1", "telemetryIntervalMs", json!(250))
            .await
            .unwrap();
        server
            .set_shared_attribute("SN-1", "gone", json!(null))
            .await
            .unwrap();
        assert_eq!(
            within(watching).await,
            ["{\"telemetryIntervalMs\":250}", "{\"deleted\":[\"gone\"]}"]
                .map(|m| format!("{ATTRIBUTES} {m}"))
        );
        server
            .set_shared_attribute("SN-1", "telemetryIntervalMs", json!(500))
            .await
            .unwrap();
        server
            .set_shared_attribute("SN-1", "gone", json!(true))
            .await
            .unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_device_asks_and_is_answered() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server
        .create_device("bench", Some("secret"))
        .await
        .unwrap()
        .unwrap();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    client
        .publish(ATTRIBUTES, r#"{"fwVersion":"1.0.0","serial":"007"}"#)
        .await;
    server
        .set_shared_attribute("bench", "telemetryIntervalMs", json!(500))
        .await
        .unwrap();
    server
        .set_shared_attribute("bench", "mode", json!({"eco": [1]}))
        .await
        .unwrap();
    for (request, response) in [
        (
            "{}",
            r#"{"client":{"fwVersion":"1.0.0","serial":7},"shared":{"mode":{"eco":[1]},"telemetryIntervalMs":500}}"#,
        ),
        (
            r#"{"sharedKeys":"telemetryIntervalMs,missing"}"#,
            r#"{"shared":{"telemetryIntervalMs":500}}"#,
        ),
        (r#"{"clientKeys":"missing"}"#, "{}"),
    ] {
        client
            .publish("v1/devices/me/attributes/request/7", request)
            .await;
        let response = (
            "v1/devices/me/attributes/response/7".to_owned(),
            response.to_owned(),
        );
        assert_eq!(client.message().await, response);
    }
    client
        .publish(
            "v1/devices/me/rpc/request/3",
            r#"{"method":"getTime","params":{}}"#,
        )
        .await;
    let (topic, answer) = client.message().await;
    assert_eq!(topic, "v1/devices/me/rpc/response/3");
    assert!(answer.contains("no rule engine"), "{answer}");
    let mut events = server.events();
    client
        .publish(
            "v1/devices/me/claim",
            r#"{"secretKey":"s","durationMs":60000}"#,
        )
        .await;
    event(&mut events, |e| matches!(e, Event::Claimable { .. })).await;

    client.subscribe("v1/devices/me/rpc/request/+").await;
    let answering = async {
        let (topic, payload) = client.message().await;
        assert_eq!(payload, r#"{"method":"reboot","params":null}"#);
        client
            .publish(&topic.replace("request", "response"), "not json")
            .await;
    };
    let (answer, ()) = tokio::join!(server.send_rpc("bench", "reboot", json!(null)), answering);
    assert!(matches!(answer, Err(devserver::CallError::NotJson)));
    server
        .send_one_way_rpc("bench", "reboot", json!(null))
        .await
        .unwrap();
    assert_eq!(client.message().await.0, "v1/devices/me/rpc/request/1");
    server.stop().await;
}

/// MQTT-4.6.0-2: in the order in which the messages came, whatever each has to wait for.
#[tokio::test]
async fn acknowledgements_keep_their_order() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    const ROUNDS: u16 = 100;
    for round in 0..ROUNDS {
        client
            .publish(
                TELEMETRY,
                &format!("{{\"ts\":{round},\"values\":{{\"n\":{round}}}}}"),
            )
            .await;
        client.publish("v1/devices/me/rpc/response/9", "{}").await;
        client.publish(TELEMETRY, "nonsense").await;
    }
    let expected: Vec<u16> = (1..=3 * ROUNDS).collect();
    assert_eq!(client.acknowledgements(expected.len()).await, expected);
    // What is acknowledged is stored.
    let points = server
        .series("bench", "n", 0..i64::MAX, 1_000)
        .await
        .unwrap();
    assert_eq!(points.len(), usize::from(ROUNDS));
    server.stop().await;
}

#[tokio::test]
async fn calls_are_answered_or_not() {
    let bench = Bench::new();
    let server = bench.start().await;
    let device = bench.device(&bench.pki.device("SN-1").unwrap());
    assert_success(&device.publish(&server, "mqttv5", TELEMETRY, "{}").await);
    let offline = server.send_rpc("SN-1", "getStatus", json!({})).await;
    assert!(matches!(offline, Err(devserver::CallError::Offline)));
    let unknown = server.send_rpc("SN-9", "getStatus", json!({})).await;
    assert!(matches!(unknown, Err(devserver::CallError::NoSuchDevice)));

    for version in VERSIONS {
        let mut events = server.events();
        let watching = watch(&device, &server, version, "v1/devices/me/rpc/request/+", 1);
        event(&mut events, |e| matches!(e, Event::Subscribed { .. })).await;
        let call = server.send_rpc("SN-1", "setInterval", json!({"ms": 500}));
        let device = async {
            let received = within(watching).await;
            let (topic, payload) = received[0].split_once(' ').unwrap();
            assert_eq!(payload, r#"{"method":"setInterval","params":{"ms":500}}"#);
            let topic = topic.replace("request", "response");
            // Another connection of the same device may answer, as with ThingsBoard.
            assert_success(
                &device
                    .publish(&server, version, &topic, r#"{"ok":true}"#)
                    .await,
            );
        };
        let (answer, ()) = tokio::join!(call, device);
        assert_eq!(answer.unwrap().get(), r#"{"ok":true}"#);
    }
    server.stop().await;
}

/// ThingsBoard's `sendOtaPackageError`: a word, no acknowledgement, and the end.
#[tokio::test]
async fn asking_for_firmware_where_there_is_none_ends_the_connection() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    client.publish(TELEMETRY, r#"{"a":1}"#).await;
    client.publish("v2/fw/request/1/chunk/0", "4096").await;
    assert_eq!(
        client.message().await,
        ("v2/fw/error".to_owned(), "NOT_FOUND".to_owned())
    );
    let (reason, acknowledged) = client.end().await;
    assert_eq!(
        reason,
        Some(DisconnectReasonCode::ImplementationSpecificError)
    );
    assert!(!acknowledged.contains(&2), "{acknowledged:?}");
    assert!(server.latest("bench").await.unwrap().contains_key("a"));
    server.stop().await;
}

/// ThingsBoard's `sendPendingRequests`: whenever a device subscribes to calls.
#[tokio::test]
async fn a_call_without_an_answer_is_sent_again_after_a_cut() {
    const RPC: &str = "v1/devices/me/rpc/request/+";
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    client.subscribe(RPC).await;
    server
        .send_one_way_rpc("bench", "reboot", json!(null))
        .await
        .unwrap();
    assert_eq!(client.message().await.0, "v1/devices/me/rpc/request/0");
    let device = async {
        let call = client.message().await;
        assert_eq!(call.0, "v1/devices/me/rpc/request/1");
        assert!(server.cut("bench").await.unwrap());
        let mut client = Client::connect(server.mqtt_addr(), &token).await;
        // Nothing but that one comes, and not before it is asked for.
        client.subscribe_with(RPC, Qos::AtMostOnce).await;
        let (topic, payload, qos) = client.message_with_qos().await;
        assert_eq!(((topic, payload), qos), (call.clone(), Qos::AtMostOnce));
        client
            .publish(&call.0.replace("request", "response"), r#"{"ok":true}"#)
            .await;
        client
    };
    let call = server.send_rpc("bench", "getStatus", json!(null));
    let (answer, mut client) = tokio::join!(call, device);
    assert_eq!(answer.unwrap().get(), r#"{"ok":true}"#);
    // It is answered: what comes next is something else.
    client.subscribe(RPC).await;
    server
        .send_one_way_rpc("bench", "reboot", json!(null))
        .await
        .unwrap();
    assert_eq!(client.message().await.0, "v1/devices/me/rpc/request/2");
    server.stop().await;
}

/// ThingsBoard's `getQoSForTopic`.
#[tokio::test]
async fn answers_come_with_the_qos_that_was_granted() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    for (granted, expected) in [
        (None, Qos::AtLeastOnce),
        (Some(Qos::AtMostOnce), Qos::AtMostOnce),
        (Some(Qos::ExactlyOnce), Qos::AtLeastOnce),
    ] {
        if let Some(granted) = granted {
            let filter = "v1/devices/me/attributes/response/+";
            client.subscribe_with(filter, granted).await;
        }
        let request = "v1/devices/me/attributes/request/7";
        client.publish(request, "{}").await;
        assert_eq!(client.message_with_qos().await.2, expected, "{granted:?}");
    }
    server.stop().await;
}

/// netty's limit is of the whole remaining length: topic, packet identifier, properties and payload.
#[tokio::test]
async fn packets_are_taken_to_thingsboards_limit() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let room = 65_536 - (2 + TELEMETRY.len() + 2 + 1);
    for (length, fits) in [(room, true), (room + 1, false)] {
        let mut client = Client::connect(server.mqtt_addr(), &token).await;
        let text = "x".repeat(length - r#"{"a":""}"#.len());
        let payload = format!(r#"{{"a":"{text}"}}"#);
        if fits {
            client.publish(TELEMETRY, &payload).await;
            assert_eq!(client.acknowledgements(1).await, [1]);
        } else {
            client.force(1, TELEMETRY, &payload).await;
            let (reason, acknowledged) = client.end().await;
            assert_eq!(reason, Some(DisconnectReasonCode::PacketTooLarge));
            assert!(acknowledged.is_empty());
        }
    }
    server.stop().await;
}

/// A device says how large a packet it takes: what is larger is the caller's to hear of.
#[tokio::test]
async fn what_is_too_large_for_a_device_is_told_to_the_caller() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let greeting = Greeting {
        token: Some(&token),
        largest: Some(100),
        ..Greeting::default()
    };
    let mut client = Client::connect_as(server.mqtt_addr(), greeting).await;
    client.subscribe(ATTRIBUTES).await;
    client.subscribe("v1/devices/me/rpc/request/+").await;
    let long = "x".repeat(100);
    let set = server.set_shared_attribute("bench", "long", json!(long));
    assert!(matches!(
        set.await,
        Err(CallError::TooLarge { limit: 100, .. })
    ));
    assert!(server.shared_attributes("bench").await.unwrap().is_empty());
    let called = server.send_rpc("bench", &long, json!(null)).await;
    let told = called.unwrap_err().to_string();
    assert!(told.contains("too large for the device"), "{told}");
    let called = server.send_one_way_rpc("bench", &long, json!(null)).await;
    assert!(matches!(called, Err(CallError::TooLarge { .. })));
    // An answer that is too large is told as well; what fits still comes.
    let mut events = server.events();
    client
        .publish(
            "v1/devices/me/rpc/request/1",
            &json!({ "method": long, "params": {} }).to_string(),
        )
        .await;
    let rejected = event(&mut events, |e| matches!(e, Event::Rejected { .. })).await;
    assert!(matches!(rejected, Event::Rejected { reason, .. } if reason.contains("too large")));
    server
        .send_one_way_rpc("bench", "reboot", json!(null))
        .await
        .unwrap();
    assert_eq!(
        client.message().await,
        (
            "v1/devices/me/rpc/request/0".to_owned(),
            r#"{"method":"reboot","params":null}"#.to_owned()
        )
    );
    server.stop().await;
}

#[tokio::test]
async fn a_value_that_is_nested_too_deep_is_the_callers_fault() {
    let server = Server::start(Config::default()).await.unwrap();
    server.create_device("bench", None).await.unwrap();
    let url = format!("{}api/devices/bench/shared", server.http_url());
    let nested = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
    let put = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let request = agent.put(&url).header("content-type", "application/json");
        request.send(nested).unwrap().status().as_u16()
    });
    assert_eq!(put.await.unwrap(), 400);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_thingsboards_is_refused() {
    let bench = Bench::new();
    let server = bench.start().await;
    let mut events = server.events();
    let device = bench.device(&bench.pki.device("SN-1").unwrap());
    for (topic, payload) in [
        (TELEMETRY, "not json"),
        (TELEMETRY, "[1]"),
        (ATTRIBUTES, "[]"),
        ("v1/devices/me/nonsense", "{}"),
        ("v1/devices/me/attributes/request/1", r#"{"clientKeys":1}"#),
    ] {
        let output = device.publish(&server, "mqttv5", topic, payload).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            told.contains("Publish 1 failed") || !output.status.success(),
            "{topic} {payload}: {output:?}"
        );
        event(&mut events, |e| matches!(e, Event::Rejected { .. })).await;
        event(&mut events, |e| matches!(e, Event::Disconnected { .. })).await;
    }
    // MQTT 3.1.1 has no word for it: the connection ends, as ThingsBoard's does.
    let mut command = device.command("mosquitto_pub", &server, "mqttv311");
    command.args(["-q", "1", "-t", TELEMETRY, "-m", "nonsense"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let end = event(&mut events, |e| matches!(e, Event::Disconnected { .. })).await;
    assert!(matches!(end, Event::Disconnected { clean: false, .. }));
    child.kill().unwrap();
    child.wait().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_will_is_published_when_a_device_falls_silent() {
    let bench = Bench::new();
    let server = bench.start().await;
    let device = bench.device(&bench.pki.device("SN-1").unwrap());
    for (version, state) in VERSIONS.into_iter().zip(["lost", "gone"]) {
        let mut events = server.events();
        let mut command = device.command("mosquitto_sub", &server, version);
        command.args([
            "-t",
            ATTRIBUTES,
            "--will-topic",
            ATTRIBUTES,
            "--will-payload",
        ]);
        command.arg(format!("{{\"state\":\"{state}\"}}"));
        let mut child = command.spawn().unwrap();
        event(&mut events, |e| matches!(e, Event::Subscribed { .. })).await;
        child.kill().unwrap();
        child.wait().unwrap();
        event(&mut events, |e| {
            matches!(
                e,
                Event::Disconnected {
                    clean: false,
                    replaced: false,
                    ..
                }
            )
        })
        .await;
        event(&mut events, |e| matches!(e, Event::ClientAttributes { .. })).await;
        let attributes = server.client_attributes("SN-1").await.unwrap();
        assert_eq!(attributes["state"], Datum::Text(state.to_owned()));
    }
    server.stop().await;
}
