//! Connections with a broker that is played by hand, in no time.

pub(in crate::cloud) mod broker;
mod certificate;
mod clock;
mod commands;
mod errands;
mod fake;
mod kept;
mod large;
mod limits;
mod pacing;
mod wanted;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;

use embassy_futures::join::join;
use embassy_time::{Instant, Timer};
use thingsboard::limits::SessionLimits;
use thingsboard::topic;

use super::*;
use crate::platform::BuildId;
use crate::retained::PanicRecord;
use crate::telemetry::Vitals;
use crate::testing::run;
use crate::tls::tests::pipe::pipe;
use broker::{Broker, SUCCESS};
use fake::{BOOT, Fake};

type Outcome = Result<Command, Failure<Infallible>>;

/// Runs a connection against a script; the script's end hangs up.
fn connection<T>(
    device: &Fake,
    room: usize,
    script: impl AsyncFnOnce(Broker) -> T,
) -> (Outcome, T) {
    connection_at(&mut Pace::new(2), device, room, script)
}

/// The account of somebody who was told that there are no limits.
fn unlimited() -> Pace {
    let mut pace = Pace::new(2);
    pace.learn(SessionLimits::default(), Instant::now());
    pace
}

/// Runs one of several connections.
fn connection_at<T>(
    pace: &mut Pace,
    device: &Fake,
    room: usize,
    script: impl AsyncFnOnce(Broker) -> T,
) -> (Outcome, T) {
    let (here, there) = pipe(room);
    run(join(
        speak(device, "SN-0001", 30, here, pace),
        script(Broker::new(there)),
    ))
}

fn failed(result: &Outcome) -> CloudError {
    match result {
        Err(Failure::Known(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_panic_is_reported_until_the_broker_has_it() {
    let device = Fake::with_samples(0);
    let record = PanicRecord::new(
        "\"x\" is not 1",
        "src/a.rs:1:2",
        [0x4200_0010, 0x4200_0020],
        BuildId([0xb1; 8]),
    );
    device.panic.replace(Some(record));
    let (_, ()) = connection(&device, 4096, async |mut broker| {
        broker.accept(&[]).await;
        broker.subscribed(1).await;
        let attributes = broker.published().await.unwrap();
        let reported = r#","panic":"\"x\" is not 1","panic_at":"src/a.rs:1:2","panic_backtrace":"0x42000010 0x42000020","panic_build":"b1b1b1b1b1b1b1b1"}"#;
        assert!(
            attributes.payload.ends_with(reported),
            "{}",
            attributes.payload
        );
        assert!(broker.published_soon().await.is_some());
        assert!(broker.published_soon().await.is_some());
        assert!(broker.published_soon().await.is_none());
        assert!(device.panic.borrow().is_some(), "not yet heard");
        broker.acknowledge(&attributes, SUCCESS).await;
        assert!(broker.published_soon().await.is_none());
    });
    assert_eq!(*device.panic.borrow(), None);
}

#[test]
fn a_connection_introduces_the_device_and_sends_live_samples() {
    let device = Fake::with_samples(0);
    let build = BuildId(*b"\x01\x23\x45\x67\x89\xab\xcd\xef");
    device.build.set(build);
    let (end, ()) = connection(&device, 4096, async |mut broker| {
        let connect = broker.accept(&[]).await;
        // Version 5, clean start, no will, keep-alive, expiry 0; the name.
        let text = String::from_utf8_lossy(&connect).into_owned();
        assert_eq!(connect[6..10], [5, 0b0000_0010, 0, 30]);
        assert!(text.ends_with("SN-0001"));
        let subscribe = broker.subscribed(1).await;
        let text = String::from_utf8_lossy(&subscribe).into_owned();
        for filter in [
            "v1/devices/me/rpc/request/+",
            "v1/devices/me/attributes",
            "v1/devices/me/attributes/response/+",
            "v1/devices/me/rpc/response/+",
        ] {
            let options = text.find(filter).unwrap() + filter.len();
            // At least once, and No Local (MQTT 5, 3.8.3.1).
            assert_eq!(subscribe[options], 0b101);
        }
        let attributes = broker.published().await.unwrap();
        assert_eq!(attributes.topic, "v1/devices/me/attributes");
        assert_eq!(
            attributes.payload,
            r#"{"serial":"SN-0001","mac":"02:00:00:ab:cd:ef","chip":"host","firmware_version":"1.2.3","build":"0123456789abcdef","reset_reason":"power-on","telemetry_interval_ms":1000,"refused":""}"#
        );
        let call = broker.published().await.unwrap();
        assert_eq!(call.topic, "v1/devices/me/rpc/request/1");
        assert_eq!(call.payload, r#"{"method":"getSessionLimits","params":{}}"#);
        let request = broker.published().await.unwrap();
        assert_eq!(request.topic, "v1/devices/me/attributes/request/1");
        assert_eq!(request.payload, r#"{"sharedKeys":"telemetryIntervalMs"}"#);
        let topic = "v1/devices/me/attributes/response/1";
        broker
            .tell(topic, r#"{"shared":{"telemetryIntervalMs":500}}"#)
            .await;
        let changed = broker.published_soon().await.unwrap();
        assert_eq!(changed.payload, r#"{"telemetry_interval_ms":500}"#);
        assert!(broker.published_soon().await.is_none(), "nothing to send");
        assert_eq!(device.interval_ms.get(), 500);

        device.vitals.set(Vitals::ALL);
        device.push(7_000);
        let sample = broker.published().await.unwrap();
        assert_eq!(sample.topic, "v1/devices/me/telemetry");
        assert_eq!(
            sample.payload,
            r#"[{"ts":1800000007000,"values":{"temperature":-0.5,"humidity":45.1,"rssi":-60,"heap_free":123456,"heap_largest":65536,"uptime_ms":7000,"dropped":0}}]"#
        );
        assert_eq!(device.queue.len(), 1, "not before it is acknowledged");
        broker.acknowledge(&sample, SUCCESS).await;
        assert!(broker.published_soon().await.is_none());
    });
    assert_eq!(failed(&end), CloudError::Kicked { reason: None });
    assert_eq!(device.acknowledged(), [(1, 0)]);
    assert!(matches!(
        device.events.borrow()[0],
        Event::Online {
            session_present: false
        }
    ));
}

#[test]
fn a_backlog_goes_out_in_order_in_paced_batches() {
    let device = Fake::with_samples(100);
    let (_, messages) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        let mut messages = Vec::new();
        while let Some(message) = broker.published_soon().await {
            // A live sample joins at the end.
            if messages.is_empty() {
                device.push(100_000);
            }
            broker.acknowledge(&message, SUCCESS).await;
            messages.push(message);
        }
        messages
    });
    let mut expected = 0;
    for pair in messages.windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(900));
    }
    for message in &messages {
        assert!(message.payload.len() <= 2048);
        for record in message.payload.split("\"ts\":").skip(1) {
            let ts: u64 = record.split(',').next().unwrap().parse().unwrap();
            assert_eq!(ts, BOOT + expected * 1_000);
            expected += 1;
        }
    }
    assert_eq!(expected, 101, "each once, in order");
    assert!(messages.len() <= 7);
    let total: u16 = device
        .acknowledged()
        .iter()
        .map(|(samples, _)| samples)
        .sum();
    assert_eq!((total, device.queue.len()), (101, 0));
}

#[test]
fn samples_of_an_uncertain_time_go_alone_and_without_a_stamp() {
    let device = Fake::with_samples(2);
    device.certain.set(false);
    let _ = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        for _ in 0..2 {
            let message = broker.published().await.unwrap();
            assert!(message.payload.starts_with(r#"{"temperature":-0.5,"#));
            broker.acknowledge(&message, SUCCESS).await;
        }
        assert!(broker.published_soon().await.is_none());
    });
    assert_eq!(device.acknowledged(), [(1, 1), (1, 0)]);
}

#[test]
fn calls_are_answered() {
    let device = Fake::with_samples(0);
    let _ = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        broker.has_no_shared_attributes().await;
        for (call, reply) in [
            (
                r#"{"method":"getStatus","params":{}}"#,
                r#"{"ok":true,"uptime_ms":5000,"time_ms":1800000005000,"telemetry_interval_ms":1000,"backlog":0,"dropped":0,"rssi":-61,"heap_largest":65536,"chip":"host","firmware_version":"1.2.3","reset_reason":"power-on"}"#,
            ),
            (
                r#"{"method":"setInterval","params":{"ms":250}}"#,
                r#"{"ok":true,"telemetry_interval_ms":250,"kept":true}"#,
            ),
            (
                r#"{"method":"setInterval","params":2000}"#,
                r#"{"ok":true,"telemetry_interval_ms":2000,"kept":true}"#,
            ),
            (
                r#"{"method":"setInterval","params":{"ms":99}}"#,
                r#"{"ok":false,"error":"params: {\"ms\": a number from 100 to 3600000}"}"#,
            ),
            (
                r#"{"method":"setInterval"}"#,
                r#"{"ok":false,"error":"params: {\"ms\": a number from 100 to 3600000}"}"#,
            ),
            (
                r#"{"method":"selfDestruct"}"#,
                r#"{"ok":false,"error":"unknown method: getStatus, setInterval, reboot and factoryReset are known"}"#,
            ),
            (
                "nonsense",
                r#"{"ok":false,"error":"the call is no JSON object with a method"}"#,
            ),
        ] {
            let answer = broker.call(7, call).await;
            assert_eq!(answer.payload, reply);
            broker.acknowledge(&answer, SUCCESS).await;
        }
        // Not for the device, and not of the kind it knows.
        broker.tell("v1/devices/me/rpc/request/x", "{}").await;
        broker.tell("v1/devices/me/attributes", "[1]").await;
        assert!(broker.published_soon().await.is_none());
    });
    assert_eq!(device.interval_ms.get(), 2_000);
    let answered: Vec<_> = device.answered().into_iter().map(|(_, ok)| ok).collect();
    assert_eq!(answered, [true, true, true, false, false, false, false]);
}

#[test]
fn a_restart_waits_until_the_server_has_the_reply() {
    for (method, end) in [
        ("reboot", Command::Restart),
        ("factoryReset", Command::FactoryReset),
    ] {
        let device = Fake::with_samples(0);
        let call = format!(r#"{{"method":"{method}"}}"#);
        let (result, restarted) = connection(&device, 4096, async |mut broker| {
            broker.welcome().await;
            let reply = broker.call(1, &call).await;
            let before = broker.published_soon().await;
            assert!(before.is_none(), "still connected");
            broker.acknowledge(&reply, SUCCESS).await;
            broker.packet().await
        });
        assert_eq!(result, Ok(end));
        assert!(restarted.is_none());

        // Without an acknowledgement the device does not obey.
        let device = Fake::with_samples(0);
        let (result, ()) = connection(&device, 4096, async |mut broker| {
            broker.welcome().await;
            broker.call(1, &call).await;
            Timer::after_secs(60).await;
        });
        assert_eq!(failed(&result), CloudError::Silent);
    }
}

#[test]
fn many_calls_at_once_are_answered_as_far_as_there_is_room() {
    let device = Fake::with_samples(30);
    let (_, replies) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        for id in 0..40 {
            let topic = format!("v1/devices/me/rpc/request/{id}");
            broker.tell(&topic, r#"{"method":"getStatus"}"#).await;
        }
        let mut replies = 0;
        while let Some(message) = broker.published_soon().await {
            replies += usize::from(message.topic.contains("rpc"));
            broker.acknowledge(&message, SUCCESS).await;
        }
        replies
    });
    let events = device.events.borrow();
    let dropped = |event: &&Event| matches!(event, Event::RpcDropped { .. });
    let dropped = events.iter().filter(dropped).count();
    assert!(replies >= 8 && dropped > 0, "{replies}");
    assert_eq!(replies + dropped, 40, "none is lost in silence");
    assert!(device.queue.is_empty(), "telemetry goes on");
}

#[test]
fn refusals_are_told_apart() {
    let refused = |reason: u8| {
        let device = Fake::with_samples(0);
        let (result, ()) = connection(&device, 4096, async |mut broker| {
            broker.packet().await.unwrap();
            broker.send(0x20, &[0, reason, 0]).await;
        });
        failed(&result)
    };
    assert_eq!(refused(0x87), CloudError::Refused { reason: 0x87 });
    assert!(
        refused(0x86)
            .to_string()
            .contains("X.509 chain provisioning")
    );
}

#[test]
fn every_end_has_its_reason() {
    fn ended(script: impl AsyncFnOnce(Broker)) -> CloudError {
        let device = Fake::with_samples(1);
        let (result, ()) = connection(&device, 4096, script);
        assert!(device.acknowledged().is_empty() && device.queue.len() == 1);
        failed(&result)
    }
    let hung_up = ended(async |mut broker| {
        broker.packet().await;
    });
    assert_eq!(hung_up, CloudError::HungUp);
    let no_answer = ended(async |mut broker| {
        broker.packet().await;
        Timer::after_secs(60).await;
    });
    assert_eq!(no_answer, CloudError::TimedOut(Phase::Mqtt));
    let old_broker = ended(async |mut broker| {
        broker.packet().await;
        // MQTT 3.1.1: unacceptable protocol version.
        broker.send(0x20, &[0, 1]).await;
    });
    assert_eq!(old_broker, CloudError::Protocol);
    let not_subscribed = ended(async |mut broker| {
        broker.accept(&[]).await;
        broker.subscribed(0x87).await;
        Timer::after_secs(1).await;
    });
    assert_eq!(not_subscribed, CloudError::NotSubscribed { reason: 0x87 });
    let not_taken = ended(async |mut broker| {
        broker.welcome().await;
        let sample = broker.published().await.unwrap();
        broker.acknowledge(&sample, 0x97).await;
        Timer::after_secs(1).await;
    });
    let over_limit = CloudError::OverLimit {
        reason: 0x97,
        samples: 1,
        next: 1,
    };
    assert_eq!(not_taken, over_limit);
    let no_qos_1 = ended(async |mut broker| {
        // Maximum QoS 0.
        broker.accept(&[0x24, 0]).await;
        broker.subscribed(0).await;
        Timer::after_secs(1).await;
    });
    assert_eq!(no_qos_1, CloudError::NotTaken { reason: 0x9b });
    let kicked = ended(async |mut broker| {
        broker.welcome().await;
        broker.send(0xe0, &[0x8e]).await;
        Timer::after_secs(1).await;
    });
    assert_eq!(kicked, CloudError::Kicked { reason: Some(0x8e) });
    let unacknowledged = ended(async |mut broker| {
        broker.welcome().await;
        while broker.packet().await.is_some() {}
    });
    assert_eq!(unacknowledged, CloudError::Silent);
    let nonsense = ended(async |mut broker| {
        broker.welcome().await;
        broker.send(0xf0, &[1, 2, 3]).await;
        Timer::after_secs(1).await;
    });
    assert_eq!(nonsense, CloudError::Protocol);
    let too_large = ended(async |mut broker| {
        broker.welcome().await;
        broker.send(0x90, &[0; 2_000]).await;
        Timer::after_secs(1).await;
    });
    assert_eq!(too_large, CloudError::Protocol);
}

#[test]
fn an_idle_connection_is_kept_alive_and_a_dead_one_is_noticed() {
    let device = Fake::with_samples(0);
    let (_, pings) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        let idle = with_timeout(Duration::from_secs(300), broker.packet()).await;
        assert!(idle.is_err());
        broker.pings
    });
    assert!((10..=13).contains(&pings), "{pings}");

    let device = Fake::with_samples(0);
    let start = Instant::now();
    let (result, ()) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        Timer::after_secs(300).await;
    });
    assert_eq!(failed(&result), CloudError::Silent);
    assert!(start.elapsed() >= Duration::from_secs(30));
}

#[test]
fn a_network_that_takes_nothing_is_noticed_while_there_is_nothing_to_send() {
    let device = Fake::with_samples(0);
    let (end, ()) = connection(&device, 1, async |mut broker| {
        broker.welcome().await;
        // The ping does not leave.
        Timer::after_secs(300).await;
    });
    assert_eq!(failed(&end), CloudError::Silent);
}

#[test]
fn a_small_packet_limit_makes_small_batches() {
    let device = Fake::with_samples(20);
    let (_, messages) = connection_at(&mut unlimited(), &device, 4096, async |mut broker| {
        // Maximum Packet Size 700.
        broker.accept(&[0x27, 0, 0, 2, 188]).await;
        broker.subscribed(1).await;
        let mut messages = 0;
        while let Some(message) = broker.published_soon().await {
            assert!(message.payload.len() < 700);
            broker.acknowledge(&message, SUCCESS).await;
            messages += usize::from(message.topic.contains("telemetry"));
        }
        messages
    });
    assert!(device.queue.is_empty());
    assert!(messages >= 3);

    let (result, ()) = connection(&Fake::with_samples(1), 4096, async |mut broker| {
        broker.accept(&[0x27, 0, 0, 0, 120]).await;
        assert!(broker.packet().await.is_none(), "not even the subscription");
    });
    assert_eq!(failed(&result), CloudError::PacketLimit);
}

#[test]
fn what_is_being_written_is_neither_cut_nor_sent_twice() {
    // There is room for ten acknowledgements of the device, and the broker does not read: it gets
    // stuck in the middle of one, and then a sample arrives.
    let device = Fake::with_samples(0);
    let (_, acknowledgements) = connection(&device, 40, async |mut broker| {
        broker.welcome().await;
        for id in 1..=12 {
            broker.tell_for_sure(id).await;
            Timer::after_millis(1).await;
        }
        device.push(1_000);
        Timer::after_millis(1).await;
        let message = broker.published().await.unwrap();
        assert_eq!(message.topic, topic::TELEMETRY);
        broker.acknowledge(&message, SUCCESS).await;
        assert!(broker.published_soon().await.is_none());
        broker.acknowledgements
    });
    assert_eq!(acknowledgements, 12);
    assert_eq!(device.acknowledged(), [(1, 0)]);
}
