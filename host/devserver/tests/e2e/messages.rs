//! Mosquitto's clients as devices: what they publish, ask for and are sent.

use std::process::Stdio;
use std::time::Duration;

use crate::bench::{ATTRIBUTES, Bench, TELEMETRY, VERSIONS, assert_success, event, watch, within};
use crate::client::{Client, Greeting};
use devserver::{CallError, Config, Datum, Event, Limits, Server};
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, DisconnectReasonCode};
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
    let (server, _, mut client) = Client::of_a_server().await;
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
    // It has no rules that would answer; what a session may send it says itself.
    for method in ["getTime", "getSessionLimits"] {
        let call = json!({ "method": method, "params": {} }).to_string();
        client.publish("v1/devices/me/rpc/request/3", &call).await;
    }
    let (topic, answer) = client.message().await;
    assert_eq!(topic, "v1/devices/me/rpc/response/3");
    let limits: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(limits["maxPayloadSize"], 65_536);
    assert_eq!(limits["rateLimits"]["messages"], json!(null));
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
    let (server, _, mut client) = Client::of_a_server().await;
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
    let soon = Duration::from_millis(50);
    let offline = server
        .send_rpc_for("SN-1", "getStatus", json!({}), soon)
        .await;
    assert!(matches!(offline, Err(CallError::Offline)));
    let unknown = server.send_rpc("SN-9", "getStatus", json!({})).await;
    assert!(matches!(unknown, Err(CallError::NoSuchDevice)));

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
    let (server, _, mut client) = Client::of_a_server().await;
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
    let (server, token, mut client) = Client::of_a_server().await;
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
    let (server, _, mut client) = Client::of_a_server().await;
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
            assert_eq!(reason, Some(DisconnectReasonCode::MalformedPacket));
            assert!(acknowledged.is_empty());
        }
    }
    server.stop().await;
}

/// As with ThingsBoard, a caller may call a device that is on its way.
#[tokio::test]
async fn a_call_waits_for_a_device_that_is_not_there_yet() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let one_way = server.send_one_way_rpc("bench", "reboot", json!(null));
    let called = server.send_rpc("bench", "getStatus", json!(null));
    let device = async {
        let mut client = Client::connect(server.mqtt_addr(), &token).await;
        client.subscribe("v1/devices/me/rpc/request/+").await;
        for (id, method) in ["reboot", "getStatus"].into_iter().enumerate() {
            let (topic, payload) = client.message().await;
            assert_eq!(topic, format!("v1/devices/me/rpc/request/{id}"));
            assert!(payload.contains(method), "{payload}");
        }
        client.publish("v1/devices/me/rpc/response/1", "").await;
        // The one-way call is over: it does not come again.
        client.subscribe("v1/devices/me/rpc/request/+").await;
    };
    let (sent, answer, ()) = tokio::join!(one_way, called, device);
    sent.unwrap();
    assert_eq!(answer.unwrap().get(), "null", "an empty answer is none");
    server.stop().await;
}

/// ThingsBoard's limits: no acknowledgement, and the end, of which its log says nothing.
#[tokio::test]
async fn a_device_that_sends_more_than_its_limits_is_cut_off() {
    let limits = Limits {
        telemetry_messages: Some("4:3600".parse().unwrap()),
        telemetry_data_points: Some("5:3600".parse().unwrap()),
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    let mut events = server.events();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    client.publish(TELEMETRY, r#"{"a":1,"b":2,"c":3}"#).await;
    // A batch is refused whole.
    let batch = r#"[{"ts":1,"values":{"a":1}},{"ts":2,"values":{"a":2,"b":2}}]"#;
    client.publish(TELEMETRY, batch).await;
    let (reason, acknowledged) = client.end().await;
    let code = DisconnectReasonCode::ImplementationSpecificError;
    assert_eq!((reason, acknowledged), (Some(code), vec![1]));
    let rejected = event(&mut events, |e| matches!(e, Event::Rejected { .. })).await;
    let told = matches!(&rejected, Event::Rejected { reason, .. } if reason.contains("5:3600"));
    assert!(told, "{rejected:?}");
    // What it may send is the device's, whichever its connection.
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    client.publish(ATTRIBUTES, r#"{"a":1,"b":2}"#).await;
    assert_eq!(client.acknowledgements(1).await, [1]);
    let limits = r#"{"method":"getSessionLimits","params":{}}"#;
    client.publish("v1/devices/me/rpc/request/1", limits).await;
    let answer: serde_json::Value = serde_json::from_str(&client.message().await.1).unwrap();
    assert_eq!(answer["rateLimits"]["telemetryDataPoints"], "5:3600");
    client.publish(TELEMETRY, "{}").await;
    assert_eq!(
        client.acknowledgements(1).await.len(),
        1,
        "no values, no points"
    );
    client.publish(TELEMETRY, r#"{"a":1}"#).await;
    assert_eq!(client.end().await, (Some(code), vec![]));
    server.stop().await;
}

/// Of connects too: CONNACK and DISCONNECT with 0x9F.
#[tokio::test]
async fn a_device_that_connects_too_often_is_refused() {
    let limits = Limits {
        messages: Some("2:3600".parse().unwrap()),
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    // This connect, and one request.
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    let request = "v1/devices/me/attributes/request/1";
    client.publish(request, "{}").await;
    assert_eq!(client.message().await.1, "{}");
    client.publish(request, "{}").await;
    let code = DisconnectReasonCode::ImplementationSpecificError;
    assert_eq!(client.end().await, (Some(code), vec![]));
    let stream = tokio::net::TcpStream::connect(server.mqtt_addr()).await;
    let greeting = Greeting {
        token: Some(&token),
        ..Greeting::default()
    };
    let refused = Client::greet(stream.unwrap(), greeting).await.err();
    assert_eq!(refused, Some(ConnectReasonCode::ConnectionRateExceeded));
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
        ("v1/devices/me/attributes/request/1", r#"{"clientKeys":{}}"#),
        ("v1/devices/me/attributes/request/one", "{}"),
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

/// ThingsBoard takes a will only from a Sparkplug device.
#[tokio::test]
async fn a_will_is_ignored() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let greeting = Greeting {
        token: Some(&token),
        will: Some((ATTRIBUTES, r#"{"state":"lost"}"#)),
    };
    let mut events = server.events();
    drop(Client::connect_as(server.mqtt_addr(), greeting).await);
    event(&mut events, |e| matches!(e, Event::Disconnected { .. })).await;
    server.create_device("another", None).await.unwrap();
    let next = event(&mut events, |e| e.device().is_some()).await;
    assert!(matches!(next, Event::Created { .. }), "{next:?}");
    assert!(server.client_attributes("bench").await.unwrap().is_empty());
    server.stop().await;
}
