//! Brokers that take little at a time, or acknowledge only some of it; and what is sent again.

use super::*;

/// The property Receive Maximum: one message at a time.
const ONE_AT_A_TIME: [u8; 3] = [0x21, 0, 1];

#[test]
fn a_broker_that_takes_one_message_at_a_time_is_asked_once_it_took_the_first() {
    let device = Fake::with_samples(0);
    let (_, request) = connection(&device, 4096, async |mut broker| {
        broker.accept(&ONE_AT_A_TIME).await;
        broker.subscribed(1).await;
        let attributes = broker.published().await.unwrap();
        assert!(broker.published_soon().await.is_none());
        broker.acknowledge(&attributes, SUCCESS).await;
        let call = broker.published_soon().await.expect("limits are asked for");
        assert_eq!(call.topic, "v1/devices/me/rpc/request/1");
        assert!(broker.published_soon().await.is_none());
        broker.acknowledge(&call, SUCCESS).await;
        broker.published_soon().await
    });
    let request = request.expect("the shared attribute is asked for");
    assert_eq!(request.topic, "v1/devices/me/attributes/request/1");
}

#[test]
fn a_broker_that_acknowledges_no_replies_does_not_stop_telemetry_for_good() {
    let device = Fake::with_samples(1);
    let begin = Instant::now();
    let (end, ()) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        let mut number = 0;
        // Calls until there is no room for a reply, with all else acknowledged.
        while let Some(message) = broker.published_soon().await {
            if message.topic.contains("telemetry") {
                broker.acknowledge(&message, SUCCESS).await;
            }
            number += 1;
            let topic = format!("v1/devices/me/rpc/request/{number}");
            broker.tell(&topic, r#"{"method":"getStatus"}"#).await;
            if number > 20 {
                break;
            }
        }
        device.push(50_000);
        // Pings are answered.
        while broker.packet().await.is_some() {}
    });
    assert_eq!(failed(&end), CloudError::Silent);
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_is_sent_again_has_the_time_stamps_that_it_had() {
    let device = Fake::with_samples(2);
    let send = |acknowledge: bool| {
        let (_, sent) = connection_at(&mut unlimited(), &device, 4096, async |mut broker| {
            broker.welcome().await;
            let mut sent = Vec::new();
            while let Some(message) = broker.sample().await {
                if acknowledge {
                    broker.acknowledge(&message, SUCCESS).await;
                }
                sent.push(message.payload);
            }
            sent
        });
        sent
    };
    let first = send(false);
    assert_eq!(first.len(), 1, "the broker took it, and hung up");
    // The clock is set meanwhile, and there is another sample.
    device.boot_unix_ms.set(BOOT + 3);
    device.push(9_000);
    let again = send(true);
    assert_eq!(again[0], first[0]);
    assert!(
        again[1].starts_with(r#"[{"ts":1800000009003,"#),
        "{again:?}"
    );
    assert_eq!(again.len(), 2);
}

#[test]
fn a_changed_interval_is_told_once() {
    let device = Fake::with_samples(0);
    let (_, told) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        let change = r#"{"telemetryIntervalMs":500}"#;
        broker.tell("v1/devices/me/attributes", change).await;
        let told = broker.published_soon().await.expect("the new interval");
        broker.acknowledge(&told, SUCCESS).await;
        assert!(broker.published_soon().await.is_none());
        told
    });
    assert_eq!(told.topic, "v1/devices/me/attributes");
    assert_eq!(told.payload, r#"{"telemetry_interval_ms":500}"#);
}

#[test]
fn what_was_not_acknowledged_is_sent_again_on_the_next_connection() {
    let device = Fake::with_samples(3);
    let (_, first) = connection_at(&mut unlimited(), &device, 4096, async |mut broker| {
        broker.welcome().await;
        broker.sample().await.unwrap().payload
    });
    assert_eq!((device.queue.len(), device.acknowledged().len()), (3, 0));
    // Meanwhile the queue moves on: only what is left goes out, and counts.
    device.queue.acknowledge_below(1);
    let (_, second) = connection_at(&mut unlimited(), &device, 4096, async |mut broker| {
        broker.welcome().await;
        let message = broker.sample().await.unwrap();
        broker.acknowledge(&message, SUCCESS).await;
        // A second acknowledgement of the same packet changes nothing.
        device.push(9_000);
        broker.acknowledge(&message, SUCCESS).await;
        assert_eq!(broker.sample().await.unwrap().topic, message.topic);
        message.payload
    });
    assert!(first.starts_with(r#"[{"ts":1800000000000,"#));
    assert!(second.starts_with(r#"[{"ts":1800000001000,"#));
    assert_eq!(device.acknowledged(), [(2, 1)]);
    assert_eq!(device.queue.len(), 1);
}
