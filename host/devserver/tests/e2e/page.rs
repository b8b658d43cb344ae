//! The page in a real browser.
//!
//! The browser is driven by blocking calls, which is well: the server has a thread of its own.
//!
//! With `DEVSERVER_PICTURES` set to a folder, pictures of it are left there.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::browser::Browser;
use crate::client::Client;
use devserver::{Config, Server};
use serde_json::json;

/// The name of a device is a stranger's to choose.
const HOSTILE: &str = "<img src=x onerror=\"document.title='owned'\">/../%2F?#";

#[tokio::test]
async fn the_page_shows_devices_live_and_calls_them() {
    let server = Server::start(Config::default()).await.unwrap();
    let url = server.http_url();
    let browser = Browser::start(1280, 900, "light");

    // Nothing there: it says what to do.
    browser.open(&url);
    browser.until("document.querySelector('#live').dataset.state === 'live'");
    browser.until("!document.querySelector('#empty').hidden");
    assert!(browser.text("#empty").contains(&server.mqtt_url()));
    picture(&browser, "empty-light");

    // A device is added on the page, and its token is shown.
    browser.click("#add-first");
    browser.type_into("#add-name", "bench-1");
    browser.click("#add-create");
    browser.until("!document.querySelector('#add-done').hidden");
    let token = browser.text("#add-token");
    browser.click("#add-done [data-close]");
    browser.until("document.querySelector('#device-name').innerText === 'bench-1'");
    assert_eq!(browser.text("#device-state"), "offline");
    assert!(!browser.text("#telemetry-empty").is_empty());

    // It comes online and is seen without a reload.
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    browser.until("document.querySelector('#device-state').innerText === 'online'");
    let start = now_ms() - 120_000;
    for i in 0..120i64 {
        sample(&mut client, start + i * 1000, i).await;
    }
    let points = "Number(document.querySelector('.chart[data-key=temperature]')?.dataset.points)";
    browser.until(&format!("{points} >= 115"));
    assert!(
        browser
            .text(".chart[data-key=temperature] .now")
            .ends_with("°C")
    );

    // The chart moves with each sample.
    let line = "document.querySelector('.chart[data-key=temperature] .line').getAttribute('d')";
    let before = browser.run(&format!("return {line}"));
    sample(&mut client, now_ms(), 121).await;
    browser.until(&format!("{line} !== {before}"));
    browser
        .until("document.querySelector('.chart[data-key=humidity] .now').innerText.includes('%')");

    // Attributes, both ways.
    client
        .publish(
            "v1/devices/me/attributes",
            r#"{"fwVersion":"0.1.0","chip":"esp32c3"}"#,
        )
        .await;
    browser.until("document.querySelector('#client [data-key=chip]')?.innerText === 'esp32c3'");
    client.subscribe("v1/devices/me/attributes").await;
    browser.type_into("#share-key", "telemetryIntervalMs");
    browser.type_into("#share-value", "250");
    browser.click("#share-set");
    browser.until(
        "document.querySelector('#shared [data-key=telemetryIntervalMs]')?.innerText === '250'",
    );
    assert_eq!(client.message().await.1, r#"{"telemetryIntervalMs":250}"#);

    // A call, and its answer; and one that the device does not listen to in its time.
    browser.click("#rpc-presets button");
    browser.click("#rpc-send");
    browser.until("document.querySelector('#rpc-answers li').dataset.state === 'failed'");
    assert!(
        browser
            .text("#rpc-answers li")
            .contains("has not subscribed")
    );
    let complaints = browser.complaints();
    assert!(
        complaints.len() == 1 && complaints[0].contains("504"),
        "{complaints:?}"
    );
    client.subscribe("v1/devices/me/rpc/request/+").await;
    browser.type_into("#rpc-method", "getStatus");
    browser.type_into("#rpc-params", r#"{"verbose": true}"#);
    browser.click("#rpc-send");
    let (topic, payload) = client.message().await;
    assert_eq!(
        payload,
        r#"{"method":"getStatus","params":{"verbose":true}}"#
    );
    client
        .publish(
            &topic.replace("request", "response"),
            r#"{"uptime":42,"state":"online"}"#,
        )
        .await;
    browser.until("document.querySelector('#rpc-answers li').dataset.state === 'answered'");
    assert!(
        browser
            .text("#rpc-answers li pre")
            .contains("\"uptime\": 42")
    );
    browser.type_into("#rpc-params", "{");
    browser.click("#rpc-send");
    browser.until("document.querySelector('#rpc-answers li').innerText.includes('not JSON')");
    browser.type_into("#rpc-params", "");

    browser.run("scrollTo(0, 0)");
    for (width, height, scheme, name) in [
        (1280, 1250, "light", "device-light"),
        (1280, 1250, "dark", "device-dark"),
        (390, 2200, "light", "phone-light"),
        (390, 2200, "dark", "phone-dark"),
    ] {
        browser.emulate(width, height, scheme);
        sample(&mut client, now_ms(), 122).await;
        let wide = browser.run("return document.documentElement.scrollWidth");
        assert_eq!(
            wide, width,
            "{name}: nothing may need scrolling to the side"
        );
        picture(&browser, name);
    }
    browser.open(&format!("{url}#/"));
    browser.until("document.querySelector('#devices li')");
    picture(&browser, "phone-list");
    browser.emulate(1280, 900, "light");

    // It goes, which is seen too.
    drop(client);
    browser.open(&format!("{url}#/device/bench-1"));
    browser.until("document.querySelector('#device-state').innerText === 'offline'");
    // After a reload the data is still there.
    browser.open(&url);
    browser.until(&format!("{points} >= 100"));
    browser.click("#delete-device");
    browser.click("#delete-confirm");
    browser.until("!document.querySelector('#empty').hidden");
    assert!(server.devices().await.unwrap().is_empty());
    assert_eq!(browser.complaints(), Vec::<String>::new());
    server.stop().await;
}

#[tokio::test]
async fn several_devices_are_seen_at_a_glance() {
    let server = Server::start(Config::default()).await.unwrap();
    let soon = now_ms() + 12 * 86_400_000;
    let healthy = json!({ "firmware_version": "1.2.0", "certificate_expires_ms": now_ms() + 9_000 * 86_400_000_i64 });
    let limited = json!({
        "firmware_version": "1.1.0", "certificate_expires_ms": soon,
        "telemetry_limit": "messages: 10 a minute", "panic": "index out of bounds",
    });
    let mut clients = Vec::new();
    for (name, attributes, series) in [
        (
            "room-1",
            healthy.clone(),
            json!({ "fw_state": "UPDATED", "current_fw_version": "1.2.0", "dropped": 0 }),
        ),
        (
            "room-2",
            healthy,
            json!({ "fw_state": "DOWNLOADING", "current_fw_version": "1.1.0", "target_fw_version": "1.2.0" }),
        ),
        (
            "room-3",
            limited,
            json!({ "fw_state": "FAILED", "fw_error": "signed by another maker", "dropped": 7 }),
        ),
        ("room-4", json!({}), json!({ "temperature": 21 })),
        (
            "room-5",
            json!({ "certificate_expires_ms": soon, "certificate_renewal": "REQUESTED" }),
            json!({ "temperature": 21 }),
        ),
        (
            "room-6",
            json!({
                "certificate_expires_ms": soon, "certificate_renewal": "FAILED",
                "certificate_renewal_error": "the broker refused it",
            }),
            json!({ "temperature": 21 }),
        ),
    ] {
        let token = server.create_device(name, None).await.unwrap().unwrap();
        let mut client = Client::connect(server.mqtt_addr(), &token).await;
        client
            .publish("v1/devices/me/attributes", &attributes.to_string())
            .await;
        client
            .publish("v1/devices/me/telemetry", &series.to_string())
            .await;
        clients.push(client);
    }
    clients[0]
        .publish(
            "v1/devices/me/claim",
            r#"{"secretKey":"s","durationMs":600000}"#,
        )
        .await;
    clients[1]
        .publish(
            "v1/devices/me/claim",
            r#"{"secretKey":"s","durationMs":600000}"#,
        )
        .await;
    while !server.claim("room-2", "s").await.unwrap() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    clients.truncate(3);

    let browser = Browser::start(1280, 700, "light");
    browser.open(&server.http_url());
    let row = |name: &str| {
        format!("document.querySelector('#overview-table [data-device={name}]')?.innerText")
    };
    browser.until(&format!("{}?.includes('up to date')", row("room-1")));
    assert!(
        !browser
            .run("return document.querySelector('#overview').hidden")
            .as_bool()
            .unwrap()
    );
    let told = |name: &str| {
        browser
            .run(&format!("return {}", row(name)))
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(
        told("room-1").contains("until "),
        "it may be claimed: {}",
        told("room-1")
    );
    assert!(
        told("room-2").contains("downloading, to 1.2.0"),
        "{}",
        told("room-2")
    );
    let bad = told("room-3");
    for words in [
        "signed by another maker",
        "in 11 days",
        "10 a minute",
        "index out of bounds",
        "7 samples dropped",
    ] {
        assert!(bad.contains(words), "{words}: {bad}");
    }
    assert!(
        told("room-2").contains("a customer's"),
        "{}",
        told("room-2")
    );
    assert!(
        told("room-5").contains("a new one is requested"),
        "{}",
        told("room-5")
    );
    assert!(
        told("room-6").contains("no new one: the broker refused it"),
        "{}",
        told("room-6")
    );
    assert!(
        told("room-4").contains("none: a token"),
        "{}",
        told("room-4")
    );
    let online = "document.querySelectorAll('#overview-table .dot[data-online=true]').length === 3";
    browser.until(online);
    for (width, height, scheme) in [
        (1280, 700, "light"),
        (1280, 700, "dark"),
        (390, 1100, "light"),
    ] {
        browser.emulate(width, height, scheme);
        let wide = browser.run("return document.documentElement.scrollWidth");
        assert_eq!(wide, width, "nothing may need scrolling to the side");
        picture(&browser, &format!("overview-{width}-{scheme}"));
    }
    browser.emulate(1280, 900, "light");

    // What changes is seen without a reload.
    clients[1]
        .publish("v1/devices/me/telemetry", r#"{"fw_state":"VERIFIED"}"#)
        .await;
    browser.until(&format!("{}?.includes('verified')", row("room-2")));
    // One of them, with the same in words.
    browser.open(&format!("{}#/device/room-3", server.http_url()));
    browser
        .until("document.querySelector('#health').innerText.includes('signed by another maker')");
    browser.until("!document.querySelector('#device').hidden");
    picture(&browser, "health");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    server.stop().await;
}

#[tokio::test]
async fn what_strangers_choose_stays_text() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device(HOSTILE, None).await.unwrap().unwrap();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    let value = json!({ HOSTILE: HOSTILE, "n": 1 }).to_string();
    client.publish("v1/devices/me/telemetry", &value).await;
    client.publish("v1/devices/me/attributes", &value).await;
    client
        .publish(&format!("v1/{}", HOSTILE.replace(['#', '+'], "")), &value)
        .await;
    server
        .set_shared_attribute(HOSTILE, HOSTILE, json!({ HOSTILE: [HOSTILE] }))
        .await
        .unwrap();

    let browser = Browser::start(1280, 900, "light");
    browser.open(&server.http_url());
    browser.until("document.querySelector('#device-name').innerText.length > 0");
    assert_eq!(browser.text("#device-name"), HOSTILE);
    browser.until("document.querySelector('#client td')");
    // What happened before the page was opened is told as well, and once, however often it listens.
    let refusals = "document.querySelectorAll('#activity [data-kind=bad]').length";
    browser.until(&format!("{refusals} === 1"));
    browser.until("document.querySelector('#values dd')");
    client.publish("v1/devices/me/telemetry", &value).await;
    client.publish("v1/nonsense", &value).await;
    browser.until(&format!("{refusals} === 2"));
    assert_eq!(
        browser.run("return document.querySelectorAll('main img, aside img, .chart img').length"),
        0
    );
    assert!(
        browser
            .run("return document.title")
            .as_str()
            .unwrap()
            .starts_with(HOSTILE)
    );
    browser.emulate(390, 1900, "light");
    let wide = browser.run("return document.documentElement.scrollWidth");
    assert_eq!(wide, 390, "long names may not push the page to the side");
    picture(&browser, "hostile");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    server.stop().await;
}

#[tokio::test]
async fn many_new_devices_are_one_reload() {
    let server = Server::start(Config::default()).await.unwrap();
    let browser = Browser::start(1280, 900, "light");
    browser.open(&server.http_url());
    browser.until("document.querySelector('#live').dataset.state === 'live'");
    browser.until("!document.querySelector('#empty').hidden");
    let lists = "performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/api/devices')).length";
    let before = browser.run(&format!("return {lists}")).as_u64().unwrap();
    for n in 0..50 {
        server
            .create_device(&format!("bench-{n}"), None)
            .await
            .unwrap();
    }
    browser.until("document.querySelectorAll('#devices li').length === 50");
    let after = browser.run(&format!("return {lists}")).as_u64().unwrap();
    // One more where making them took longer than the page waits, and one for the device chosen.
    assert!(after - before <= 5, "{before} {after}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    server.stop().await;
}

#[tokio::test]
async fn the_page_says_when_the_server_is_gone() {
    let server = Server::start(Config::default()).await.unwrap();
    let browser = Browser::start(1280, 900, "light");
    browser.open(&server.http_url());
    browser.until("document.querySelector('#live').dataset.state === 'live'");
    server.stop().await;
    browser.until("document.querySelector('#live').dataset.state === 'lost'");
}

#[tokio::test]
async fn the_labels_of_a_scale_are_seen_whole() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server
        .create_device("bench-1", None)
        .await
        .unwrap()
        .unwrap();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    let now = now_ms();
    for i in 0..60i64 {
        let values = json!({
            "uptime_ms": 259_200_000 + i * 1000,
            "heap_free": 151_234 - i * 100,
            "rssi": -60 - i % 7,
            "huge": 1e15 + i as f64,
        });
        let sample = json!({ "ts": now - 60_000 + i * 1000, "values": values });
        client
            .publish("v1/devices/me/telemetry", &sample.to_string())
            .await;
    }
    for width in [1280, 390] {
        let browser = Browser::start(width, 1500, "light");
        browser.open(&format!("{}#/device/bench-1", server.http_url()));
        browser.until("document.querySelectorAll('.chart .line').length === 4");
        let now = |key: &str| browser.text(&format!(".chart[data-key={key}] .now"));
        assert_eq!(now("uptime_ms"), "3 d 0 h");
        assert!(now("heap_free").ends_with('B') && now("rssi").ends_with("dBm"));
        let cut = "[...document.querySelectorAll('.chart svg text')].filter((text) => \
                   text.getBoundingClientRect().left < \
                   text.ownerSVGElement.getBoundingClientRect().left).length";
        assert_eq!(browser.run(&format!("return {cut}")), json!(0));
        picture(&browser, &format!("scales-{width}"));
    }
    server.stop().await;
}

async fn sample(client: &mut Client, ts_ms: i64, i: i64) {
    let phase = i as f64 / 20.0;
    let values = json!({
        "temperature": (2200.0 + 150.0 * phase.sin() + 20.0 * (phase * 7.0).sin()).round() / 100.0,
        "humidity": (4500.0 + 600.0 * (phase * 0.7).cos()).round() / 100.0,
        "rssi": -60 - i % 7,
        "state": "online",
    });
    let payload = json!({ "ts": ts_ms, "values": values }).to_string();
    client.publish("v1/devices/me/telemetry", &payload).await;
}

fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("DEVSERVER_PICTURES") {
        browser.screenshot(&PathBuf::from(folder).join(format!("{name}.png")));
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
