//! Asking the server what time it is.

use super::*;
use crate::clock::Clock;

/// A device that asks, with nothing else to say.
fn curious() -> Fake {
    Fake {
        clock: Some(Clock::boot()),
        ..Fake::with_samples(0)
    }
}

#[test]
fn the_server_is_asked_after_the_introduction_and_a_day_later() {
    let device = curious();
    let (_, ()) = connection(&device, 4096, async |mut broker| {
        let others = broker.welcome().await;
        assert!(others.iter().all(|message| message.topic.as_str() != TOPIC));
        for _ in 0..2 {
            let call = broker.published().await.expect("a question");
            assert_eq!(call.topic, TOPIC);
            assert_eq!(call.payload, r#"{"method":"getCurrentTime","params":{}}"#);
            broker.acknowledge(&call, SUCCESS).await;
            broker.tell(ANSWER, "1800000000123").await;
            assert!(broker.published_soon().await.is_none());
        }
    });
    assert_eq!(*device.heard.borrow(), [1_800_000_000_123; 2]);
}

#[test]
fn a_server_that_does_not_tell_the_time_is_asked_once_and_nothing_comes_of_it() {
    let device = curious();
    let (_, ()) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        let call = broker.published_soon().await.expect("a question");
        broker.acknowledge(&call, SUCCESS).await;
        Timer::after_secs(60).await;
        // As ThingsBoard says a minute later that no rule chain answered; and what else may come there.
        for answer in [r#"{"error":"timeout"}"#, "", "null", "{", r#"{"time":{}}"#] {
            broker.tell(ANSWER, answer).await;
        }
        assert!(broker.published_soon().await.is_none());
    });
    assert!(device.heard.borrow().is_empty());
    let events = device.events.borrow();
    assert!(matches!(events[..], [Event::Online { .. }]), "{events:?}");
}

const TOPIC: &str = "v1/devices/me/rpc/request/2";
const ANSWER: &str = "v1/devices/me/rpc/response/2";
