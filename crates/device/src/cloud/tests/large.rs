//! Messages that are larger than the device takes.

use super::*;

/// What a call that is too large looks like.
fn call(bytes: usize) -> String {
    format!(
        r#"{{"method":"reboot","params":{{"x":"{}"}}}}"#,
        "x".repeat(bytes)
    )
}

#[test]
fn a_call_too_large_is_acknowledged_and_answered_with_an_error() {
    for (qos, acknowledgement) in [(0, None), (1, Some(0x40)), (2, Some(0x50))] {
        let device = Fake::with_samples(0);
        let (end, ()) = connection(&device, 4096, async |mut broker| {
            broker.welcome().await;
            let topic = "v1/devices/me/rpc/request/5";
            let bytes = broker.publish(qos, topic, &call(1_000)).await;
            if let Some(expected) = acknowledgement {
                let (first, body) = broker.packet().await.unwrap();
                assert_eq!((first, &body[..2]), (expected, &[0x12, 0x34][..]));
            }
            let answer = broker.published().await.unwrap();
            assert_eq!(answer.topic, "v1/devices/me/rpc/response/5");
            assert_eq!(
                answer.payload,
                format!(
                    r#"{{"ok":false,"error":"the call has {bytes} bytes, and this device takes 1024: shorten its params"}}"#
                )
            );
            broker.acknowledge(&answer, SUCCESS).await;
            // It goes on, and nothing of that call was obeyed.
            let answer = broker.call(6, r#"{"method":"getStatus"}"#).await;
            assert!(answer.payload.starts_with(r#"{"ok":true"#));
        });
        assert_eq!(failed(&end), CloudError::Kicked { reason: None });
        let skipped = |event: &Event| matches!(event, Event::MessageSkipped { .. });
        assert_eq!(
            device.events.borrow().iter().filter(|e| skipped(e)).count(),
            1
        );
        assert_eq!(device.answered()[0], ("?".to_string(), false));
    }
}

#[test]
fn an_attribute_too_large_is_told_to_the_server() {
    let device = Fake::with_samples(0);
    let (_, ()) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        let payload = format!(
            r#"{{"telemetryIntervalMs":500,"x":"{}"}}"#,
            "x".repeat(1_500)
        );
        broker
            .publish(1, "v1/devices/me/attributes", &payload)
            .await;
        let told = broker.published().await.unwrap();
        assert_eq!(told.topic, "v1/devices/me/attributes");
        assert_eq!(
            told.payload,
            r#"{"refused":"a message of 1566 bytes: this device takes 1024"}"#
        );
        assert_eq!(broker.acknowledgements, 1);
        broker.acknowledge(&told, SUCCESS).await;
        device.push(7_000);
        let sample = broker.published().await.unwrap();
        assert_eq!(sample.topic, topic::TELEMETRY);
    });
    assert_eq!(device.interval_ms.get(), 1_000, "nothing of it was obeyed");
}

#[test]
fn samples_go_on_while_a_large_message_trickles_in() {
    // A kilobyte a second for ten minutes: the broker's acknowledgements wait behind it, and so do
    // its answers to pings.
    let device = Fake::with_samples(1);
    let (end, ()) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        let sample = broker.published().await.unwrap();
        let length: u32 = 600 * 1_024;
        let header = [
            0x32,
            length as u8 & 0x7f | 0x80,
            (length >> 7) as u8 & 0x7f | 0x80,
            (length >> 14) as u8,
        ];
        broker.raw(&header).await;
        broker.raw(&[0, 1, b'x', 0, 7]).await;
        broker.raw(&[b'x'; 1_019]).await;
        for _ in 1..600 {
            Timer::after_secs(1).await;
            broker.raw(&[b'x'; 1_024]).await;
        }
        broker.acknowledge(&sample, SUCCESS).await;
        device.push(7_000);
        let next = broker.published().await.unwrap();
        assert_eq!(next.topic, "v1/devices/me/attributes");
        assert!(
            next.payload.contains("a message of 614404 bytes"),
            "{}",
            next.payload
        );
        assert!(broker.pings >= 10, "{}", broker.pings);
    });
    assert_eq!(failed(&end), CloudError::Kicked { reason: None });
    assert_eq!(device.acknowledged().len(), 1);
}

#[test]
fn a_large_message_that_never_ends_is_noticed() {
    let device = Fake::with_samples(0);
    let begin = Instant::now();
    let (end, ()) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        broker.raw(&[0x30, 0xff, 0xff, 0x7f, 0, 1, b'x', 0]).await;
        Timer::after_secs(120).await;
    });
    assert_eq!(failed(&end), CloudError::Silent);
    assert!(begin.elapsed() <= Duration::from_secs(125));
}
