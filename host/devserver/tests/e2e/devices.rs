//! Mosquitto's clients as devices: provisioning by certificate, telemetry, attributes, RPC, wills.

use std::process::{Command, Stdio};

use crate::bench::{Bench, Device, assert_success, event, finish, mosquitto, within};
use crate::client::Client;
use devserver::{Config, Datum, Event, Refusal, Server};
use pki::{Options, Pki, Profile, Validity};
use serde_json::json;

const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];
const TELEMETRY: &str = "v1/devices/me/telemetry";
const ATTRIBUTES: &str = "v1/devices/me/attributes";

#[tokio::test]
async fn a_device_is_created_from_its_certificate_and_its_telemetry_is_kept() {
    let bench = Bench::new();
    let server = bench.start().await;
    let mut events = server.events();
    for version in VERSIONS {
        let serial = format!("SN-{version}");
        let device = bench.device(&bench.pki.device(&serial).unwrap());
        let payload = r#"[{"ts":2000,"values":{"temperature":21.5,"door":true}},
                          {"ts":1000,"values":{"temperature":21.25}}]"#;
        assert_success(&device.publish(&server, version, TELEMETRY, payload).await);
        event(
            &mut events,
            |e| matches!(e, Event::Created { device } if *device == serial),
        )
        .await;
        event(
            &mut events,
            |e| matches!(e, Event::Telemetry { device, .. } if *device == serial),
        )
        .await;
        event(&mut events, |e| {
            matches!(e, Event::Disconnected { clean: true, .. })
        })
        .await;
    }
    assert_eq!(server.devices().await.unwrap().len(), 2);
    server.stop().await;

    // And all of it is there after a restart.
    let server = bench.start().await;
    let devices = server.devices().await.unwrap();
    assert_eq!(
        devices.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(),
        ["SN-mqttv311", "SN-mqttv5"]
    );
    assert!(
        devices
            .iter()
            .all(|d| !d.online && d.credentials == "x509" && d.last_seen_ms.is_some())
    );
    let points = server
        .series("SN-mqttv5", "temperature", 0..i64::MAX, 10)
        .await
        .unwrap();
    let points: Vec<_> = points.into_iter().map(|p| (p.ts_ms, p.value)).collect();
    assert_eq!(
        points,
        [(1000, Datum::Double(21.25)), (2000, Datum::Double(21.5))]
    );
    let latest = server.latest("SN-mqttv5").await.unwrap();
    assert_eq!(
        latest["temperature"].ts_ms, 2000,
        "the newest, not the last sent"
    );
    assert_eq!(latest["door"].value, Datum::Bool(true));
    server.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_replaces_the_stored_one() {
    let bench = Bench::new();
    let server = bench.start().await;
    let mut events = server.events();
    let [old, new] = [(); 2].map(|()| bench.device(&bench.pki.device("SN-1").unwrap()));
    for device in [&old, &new, &new] {
        assert_success(
            &device
                .publish(&server, "mqttv5", TELEMETRY, r#"{"a":1}"#)
                .await,
        );
    }
    event(
        &mut events,
        |e| matches!(e, Event::CertificateReplaced { device } if device == "SN-1"),
    )
    .await;
    let mut later = 0;
    event(&mut events, |e| {
        later += usize::from(matches!(e, Event::CertificateReplaced { .. }));
        matches!(e, Event::Connected { .. }) && later == 0
    })
    .await;
    assert_eq!(server.devices().await.unwrap().len(), 1);
    server.stop().await;
}

/// ThingsBoard's first failure shape.
#[tokio::test]
async fn a_chain_out_of_order_ends_the_handshake() {
    let bench = Bench::new();
    let server = bench.start().await;
    let mut events = server.events();
    let identity = bench.pki.device("SN-1").unwrap();
    // The leaf, then the root: the intermediate between them is missing.
    let chain = format!("{}{}", identity.leaf_pem(), bench.pki.root_pem());
    let device = bench.device_with_chain(&identity, &chain);
    for version in VERSIONS {
        let output = device.publish(&server, version, TELEMETRY, "{}").await;
        assert!(!output.status.success());
        let failed = event(&mut events, |e| matches!(e, Event::HandshakeFailed { .. })).await;
        let Event::HandshakeFailed { reason, .. } = failed else {
            unreachable!()
        };
        assert!(
            reason.contains("out of order") && reason.contains("CN=SN-1"),
            "{reason}"
        );
    }
    assert!(server.devices().await.unwrap().is_empty());
    server.stop().await;
}

/// ThingsBoard's second failure shape: each of these passes TLS.
#[tokio::test]
async fn an_unknown_device_is_refused_with_a_connack() {
    let bench = Bench::new();
    let mut config = bench.config();
    let ca = bench.pki.intermediate_pem().as_bytes();
    config.profile = Some(devserver::Profile::from_pem(ca, "^SN-([0-9]+)$").unwrap());
    let server = Server::start(config).await.unwrap();
    let mut events = server.events();

    let stranger = Pki::new(&Options::default())
        .unwrap()
        .device("SN-1")
        .unwrap();
    let nameless = bench.pki.device("other").unwrap();
    let known = bench.pki.device("SN-1").unwrap();
    let days = |from: u64, to: u64| {
        let day = |n| std::time::UNIX_EPOCH + std::time::Duration::from_secs(n * 86_400);
        Profile {
            validity: Some(Validity::between(day(from), day(to)).unwrap()),
            ..Profile::default()
        }
    };
    let expired = bench
        .pki
        .device_with("SN-2", &days(10_000, 10_001))
        .unwrap();
    let cases = [
        (bench.device(&stranger), "the CA of the device profile"),
        (
            bench.device_with_chain(&known, known.leaf_pem()),
            "none of the 1 certificates",
        ),
        (bench.device(&nameless), "does not match"),
        (bench.device(&expired), "not valid now"),
    ];
    for (version, refused) in [("mqttv311", "not authorised"), ("mqttv5", "Not authorized")] {
        for (device, reason) in &cases {
            let output = device.publish(&server, version, TELEMETRY, "{}").await;
            assert!(!output.status.success());
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(told.contains(refused), "{told}");
            let event = event(&mut events, |e| matches!(e, Event::Refused { .. })).await;
            let Event::Refused { refusal, .. } = event else {
                unreachable!()
            };
            assert!(refusal.to_string().contains(reason), "{refusal}");
        }
    }
    // The expression cuts the name out of the CN.
    assert_success(
        &bench
            .device(&known)
            .publish(&server, "mqttv5", TELEMETRY, "{}")
            .await,
    );
    assert_eq!(server.devices().await.unwrap()[0].name, "1");
    server.stop().await;
}

#[tokio::test]
async fn a_profile_may_forbid_new_devices() {
    let bench = Bench::new();
    let mut config = bench.config();
    config.profile.as_mut().unwrap().allow_create = false;
    let server = Server::start(config).await.unwrap();
    let mut events = server.events();
    let device = bench.device(&bench.pki.device("SN-1").unwrap());
    assert!(
        !device
            .publish(&server, "mqttv5", TELEMETRY, "{}")
            .await
            .status
            .success()
    );
    let name = "SN-1".to_owned();
    event(&mut events, |e| {
        matches!(e, Event::Refused { refusal, .. } if *refusal == Refusal::CreationNotAllowed { name: name.clone() })
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn access_tokens_work_without_tls() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    assert_eq!(token.len(), 20);
    assert!(
        server.create_device("bench", None).await.unwrap().is_none(),
        "the name is taken"
    );
    let publish = async |user: Option<&str>, version| {
        let mut command = mosquitto("mosquitto_pub", &server, version);
        command.args([
            "-i",
            "tester",
            "-q",
            "1",
            "-t",
            TELEMETRY,
            "-m",
            r#"{"temperature":20}"#,
        ]);
        command.args(user.into_iter().flat_map(|user| ["-u", user]));
        finish(command).await
    };
    for version in VERSIONS {
        assert_success(&publish(Some(&token), version).await);
    }
    assert_eq!(
        server.latest("bench").await.unwrap()["temperature"].value,
        Datum::Long(20)
    );
    for (version, user, told) in [
        ("mqttv5", Some("wrong"), "bad user name or password"),
        ("mqttv5", None, "identifier"),
        ("mqttv311", Some("wrong"), "not authorised"),
        ("mqttv311", None, "identifier"),
    ] {
        let output = publish(user, version).await;
        let error = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(
            !output.status.success() && error.contains(&told.to_lowercase()),
            "{error}"
        );
    }
    server.stop().await;
}

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
    client.publish("v2/fw/request/1/chunk/0", "4096").await;
    assert_eq!(
        client.message().await,
        ("v2/fw/error".to_owned(), "NOT_FOUND".to_owned())
    );
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

#[tokio::test]
async fn a_device_is_online_once() {
    let bench = Bench::new();
    let server = bench.start().await;
    let device = bench.device(&bench.pki.device("SN-1").unwrap());
    let mut events = server.events();
    let first = watch(&device, &server, "mqttv5", ATTRIBUTES, 1);
    event(&mut events, |e| matches!(e, Event::Connected { .. })).await;
    assert!(server.device("SN-1").await.unwrap().online);
    assert_success(&device.publish(&server, "mqttv5", TELEMETRY, "{}").await);
    event(&mut events, |e| {
        matches!(e, Event::Disconnected { replaced: true, .. })
    })
    .await;
    server.stop().await;
    drop(first);
}

/// Subscribes and collects this many messages as `topic payload`; ready to be awaited.
fn watch(
    device: &Device,
    server: &Server,
    version: &str,
    filter: &str,
    count: u32,
) -> impl Future<Output = Vec<String>> + use<> {
    let mut command = device.command("mosquitto_sub", server, version);
    command.args([
        "-q",
        "1",
        "-t",
        filter,
        "-F",
        "%t %p",
        "-C",
        &count.to_string(),
    ]);
    // One that a test has no more use for must not outlive it.
    command.args(["-W", "50"]);
    let running = spawn(command);
    async move {
        let output = running.await.unwrap().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn spawn(mut command: Command) -> tokio::task::JoinHandle<std::io::Result<std::process::Output>> {
    command.stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output())
}
