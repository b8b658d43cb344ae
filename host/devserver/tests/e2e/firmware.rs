//! Firmware, against what ThingsBoard 4.2.1 pushed and answered.

use devserver::{Config, Datum, Firmware, Server};
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use serde_json::{Value, json};

use crate::client::Client;

const ATTRIBUTES: &str = "v1/devices/me/attributes";

/// The package of the record: 100,003 bytes.
fn package() -> Firmware {
    Firmware {
        title: "esptb".to_owned(),
        version: "1.011805".to_owned(),
        tag: Some("t".to_owned()),
        data: (0..100_003_u32).map(|at| (at * 7) as u8).collect(),
    }
}

/// One whose bytes are text, as the test's client takes them.
fn letters(length: usize) -> Firmware {
    Firmware {
        version: "2".to_owned(),
        tag: None,
        data: (0..length).map(|at| b'a' + (at / 100 % 26) as u8).collect(),
        ..package()
    }
}

async fn pushed(client: &mut Client) -> Value {
    let (topic, payload) = client.message().await;
    assert_eq!(topic, ATTRIBUTES);
    serde_json::from_str(&payload).unwrap()
}

#[tokio::test]
async fn a_package_is_offered_and_taken_away_as_thingsboard_does() {
    let (server, _, mut client) = Client::of_a_server().await;
    client.subscribe(ATTRIBUTES).await;
    client
        .subscribe("v1/devices/me/attributes/response/+")
        .await;
    server.assign_firmware("bench", package()).await.unwrap();
    assert_eq!(pushed(&mut client).await, json!({"deleted": ["fw_url"]}));
    let sum = "77bf38ff81973e2bcd8fd562f4b24cfa19c509a923dff52ea49f6522f344540d";
    let offer = json!({
        "fw_title": "esptb", "fw_version": "1.011805", "fw_tag": "t", "fw_size": 100_003,
        "fw_checksum_algorithm": "SHA256", "fw_checksum": sum,
    });
    assert_eq!(pushed(&mut client).await, offer);
    let keys = r#"{"sharedKeys":"fw_title,fw_size"}"#;
    client
        .publish("v1/devices/me/attributes/request/1", keys)
        .await;
    let (_, answer) = client.message().await;
    assert_eq!(
        answer,
        r#"{"shared":{"fw_size":100003,"fw_title":"esptb"}}"#
    );
    let latest = server.latest("bench").await.unwrap();
    let latest = |key: &str| latest[key].value.clone();
    assert_eq!(latest("fw_state"), Datum::Text("INITIATED".to_owned()));
    assert_eq!(
        latest("target_fw_version"),
        Datum::Text("1.011805".to_owned())
    );

    server.take_firmware_away("bench").await.unwrap();
    let deleted = json!({"deleted": [
        "fw_checksum_algorithm", "fw_version", "fw_ts", "fw_tag", "fw_checksum", "fw_title",
        "fw_state", "fw_size", "fw_url",
    ]});
    assert_eq!(pushed(&mut client).await, deleted);
    assert!(server.shared_attributes("bench").await.unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn chunks_are_as_long_as_was_said_last() {
    let (server, _, mut client) = Client::of_a_server().await;
    let firmware = letters(10_000);
    let data = String::from_utf8(firmware.data.clone()).unwrap();
    server.assign_firmware("bench", firmware).await.unwrap();
    for (request, said, expected) in [
        ("1/chunk/0", "4096", &data[..4096]),
        ("1/chunk/2", "4096", &data[8192..]),
        ("1/chunk/3", "4096", ""),
        // Not said: the last one of the same request.
        ("1/chunk/1", "", &data[4096..8192]),
        ("1/chunk/9", "1024", &data[9216..]),
        ("1/chunk/9", "", &data[9216..]),
        // Never said: all at once.
        ("2/chunk/0", "", &data[..]),
        ("3/chunk/0", "0", &data[..]),
        ("4/chunk/0", "65536", &data[..]),
    ] {
        let topic = format!("v2/fw/request/{request}");
        client.publish(&topic, said).await;
        let (topic, chunk) = client.message().await;
        assert_eq!(topic, format!("v2/fw/response/{request}"));
        assert!(chunk == expected, "{request} {said}: {} bytes", chunk.len());
    }
    // A download goes on with the package that it began with.
    server.assign_firmware("bench", letters(50)).await.unwrap();
    client.publish("v2/fw/request/1/chunk/2", "4096").await;
    assert!(client.message().await.1 == data[8192..]);
    client.publish("v2/fw/request/5/chunk/0", "4096").await;
    assert_eq!(client.message().await.1.len(), 50);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_sent_ends_the_connection() {
    for (size, error) in [("65537", "PAYLOAD_TOO_LARGE"), ("1024", "NOT_FOUND")] {
        let (server, _, mut client) = Client::of_a_server().await;
        server.assign_firmware("bench", letters(50)).await.unwrap();
        if error == "NOT_FOUND" {
            server.take_firmware_away("bench").await.unwrap();
        }
        client.publish("v2/fw/request/1/chunk/0", size).await;
        let told = ("v2/fw/error".to_owned(), error.to_owned());
        assert_eq!(client.message().await, told);
        let (reason, acknowledged) = client.end().await;
        let expected = Some(DisconnectReasonCode::ImplementationSpecificError);
        assert_eq!((reason, acknowledged), (expected, vec![]));
        server.stop().await;
    }
}

/// As the line in docs/firmware-update.md does it.
#[tokio::test]
async fn a_package_is_given_as_curl_sends_it() {
    let (server, _, _client) = Client::of_a_server().await;
    let line = include_str!("../../../../docs/firmware-update.md");
    let line = line.split("curl -X PUT --data-binary").nth(1).unwrap();
    let path = line.split("127.0.0.1:8080").nth(1).unwrap();
    let path = path
        .split('\'')
        .next()
        .unwrap()
        .replace("SN-000001", "bench");
    let url = format!("{}{path}", server.http_url().trim_end_matches('/'));
    let put = ureq::put(&url).content_type("application/x-www-form-urlencoded");
    assert_eq!(put.send(&letters(10).data[..]).unwrap().status(), 204);
    let shared = server.shared_attributes("bench").await.unwrap();
    assert_eq!(shared["fw_title"], Datum::Text("climate".to_owned()));
    assert_eq!(shared["fw_size"], Datum::Long(10));
}

#[tokio::test]
async fn what_is_assigned_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = || Config {
        database: devserver::Database::File(folder.path().join("devserver.sqlite")),
        ..Config::default()
    };
    let server = Server::start(config()).await.unwrap();
    server.create_device("bench", Some("token")).await.unwrap();
    server.create_device("other", Some("other")).await.unwrap();
    server.assign_firmware("bench", letters(500)).await.unwrap();
    server.assign_firmware("other", letters(100)).await.unwrap();
    server.take_firmware_away("other").await.unwrap();
    server.stop().await;

    let server = Server::start(config()).await.unwrap();
    for (device, there) in [("token", true), ("other", false)] {
        let mut client = Client::connect(server.mqtt_addr(), device).await;
        client.subscribe("v2/fw/response/+/chunk/+").await;
        client.publish("v2/fw/request/1/chunk/0", "0").await;
        if there {
            let (_, chunk) = client.message().await;
            assert_eq!(chunk.as_bytes(), letters(500).data);
        } else {
            let (_, chunk) = client.message().await;
            assert_eq!(chunk, "NOT_FOUND", "{chunk}");
        }
    }
    server.stop().await;
}
