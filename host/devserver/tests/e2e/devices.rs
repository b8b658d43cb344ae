//! Mosquitto's clients as devices: who is let in, who is not, and what they are told.

use crate::bench::{
    ATTRIBUTES, Bench, TELEMETRY, VERSIONS, assert_success, event, finish, mosquitto, watch,
};
use crate::client::{Client, Greeting};
use devserver::{CallError, Config, Database, Datum, Event, Refusal, Server};
use pki::{KeyAlgorithm, Options, Pki, Profile, Validity};

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
async fn both_versions_of_tls_and_all_kinds_of_keys_are_served() {
    let bench = Bench::new();
    let server = bench.start().await;
    for algorithm in [
        KeyAlgorithm::P256,
        KeyAlgorithm::P384,
        KeyAlgorithm::Rsa2048,
    ] {
        let profile = Profile {
            algorithm,
            ..Profile::default()
        };
        let device = bench.device(&bench.pki.device_with("SN-1", &profile).unwrap());
        for version in ["tlsv1.2", "tlsv1.3"] {
            let mut command = device.command("mosquitto_pub", &server, "mqttv5");
            command.args([
                "--tls-version",
                version,
                "-q",
                "1",
                "-t",
                TELEMETRY,
                "-m",
                "{}",
            ]);
            assert_success(&finish(command).await);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn plain_mqtt_on_the_tls_port_is_told_apart() {
    let bench = Bench::new();
    let server = bench.start().await;
    let mut events = server.events();
    let mut command = mosquitto("mosquitto_pub", &server, "mqttv5");
    command.args(["-t", TELEMETRY, "-m", "{}"]);
    assert!(!finish(command).await.status.success());
    let failed = event(&mut events, |e| matches!(e, Event::HandshakeFailed { .. })).await;
    let Event::HandshakeFailed { reason, .. } = failed else {
        unreachable!()
    };
    assert!(reason.contains("plain MQTT"), "{reason}");

    // And a client that does not trust the server says so by an alert.
    let stranger = Bench::new();
    let device = stranger.device(&stranger.pki.device("SN-1").unwrap());
    assert!(
        !device
            .publish(&server, "mqttv5", TELEMETRY, "{}")
            .await
            .status
            .success()
    );
    let failed = event(&mut events, |e| matches!(e, Event::HandshakeFailed { .. })).await;
    let Event::HandshakeFailed { reason, .. } = failed else {
        unreachable!()
    };
    assert!(
        reason.contains("does not trust the server's certificate"),
        "{reason}"
    );
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

/// Whatever was under way: what a deleted device sent and its last will are stored nowhere.
#[tokio::test]
async fn nothing_is_left_of_a_deleted_device() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devserver.sqlite");
    let config = || Config {
        database: Database::File(file.clone()),
        ..Config::default()
    };
    let server = Server::start(config()).await.unwrap();
    let mut events = server.events();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let greeting = Greeting {
        token: Some(&token),
        will: Some((ATTRIBUTES, r#"{"state":"lost"}"#)),
    };
    let mut client = Client::connect_as(server.mqtt_addr(), greeting).await;
    client.subscribe("v1/devices/me/rpc/request/+").await;
    let call = server.send_rpc("bench", "getStatus", serde_json::json!(null));
    let delete = async {
        client.message().await;
        for round in 0..200 {
            let (topic, payload) = match round % 3 {
                0 => (TELEMETRY, r#"{"a":1}"#),
                1 => (ATTRIBUTES, r#"{"a":1}"#),
                _ => ("v1/devices/me/claim", "{}"),
            };
            client.publish(topic, payload).await;
        }
        server.delete_device("bench").await.unwrap();
        event(&mut events, |e| matches!(e, Event::Disconnected { .. })).await;
    };
    let (called, ()) = tokio::join!(call, delete);
    assert!(matches!(called, Err(CallError::NoSuchDevice)), "{called:?}");
    server.stop().await;

    let database = rusqlite::Connection::open(&file).unwrap();
    for table in ["devices", "series", "latest", "attributes", "claims"] {
        let count = format!("SELECT count(*) FROM {table}");
        let rows: i64 = database.query_row(&count, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

/// It holds access tokens.
#[cfg(unix)]
#[tokio::test]
async fn the_database_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devserver.sqlite");
    for existing in [false, true] {
        if existing {
            let everybody = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(&file, everybody).unwrap();
        }
        let config = Config {
            database: Database::File(file.clone()),
            ..Config::default()
        };
        let server = Server::start(config).await.unwrap();
        server
            .create_device(&format!("bench-{existing}"), None)
            .await
            .unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap();
        let modes: Vec<_> = files
            .map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777)
            .collect();
        assert_eq!(modes, vec![0o600; 3], "{existing}");
        server.stop().await;
    }
}
