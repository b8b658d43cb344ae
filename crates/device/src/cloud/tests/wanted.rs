//! What the server wants, by its shared attribute and by call, and what it is told of that.

use super::*;

const SHARED: &str = "v1/devices/me/attributes";

#[test]
fn an_interval_that_is_none_is_told_back_until_there_is_a_good_one() {
    let device = Fake::with_samples(0);
    let (_, ()) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        broker.tell(SHARED, r#"{"telemetryIntervalMs":5}"#).await;
        let told = broker.published().await.unwrap();
        assert_eq!(told.topic, SHARED);
        assert_eq!(
            told.payload,
            r#"{"refused":"telemetryIntervalMs: set a number from 100 to 3600000"}"#
        );
        broker.acknowledge(&told, SUCCESS).await;
        // The same again is no news.
        broker.tell(SHARED, r#"{"telemetryIntervalMs":"x"}"#).await;
        assert!(broker.published_soon().await.is_none());
        broker.tell(SHARED, r#"{"telemetryIntervalMs":500}"#).await;
        let told = broker.published().await.unwrap();
        assert_eq!(
            told.payload,
            r#"{"telemetry_interval_ms":500,"refused":""}"#
        );
    });
    let refused = |event: &&Event| matches!(event, Event::IntervalRefused);
    assert_eq!(device.events.borrow().iter().filter(refused).count(), 2);
}

#[test]
fn the_answer_to_set_interval_says_how_long_it_holds() {
    const CALL: &str = r#"{"method":"setInterval","params":250}"#;
    let device = Fake::with_samples(0);
    let (_, ()) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        let mut set = async |shared: Option<&str>, expected: &str| {
            if let Some(shared) = shared {
                broker.tell(SHARED, shared).await;
            }
            let answer = broker.call(1, CALL).await;
            assert_eq!(answer.payload, expected);
            broker.acknowledge(&answer, SUCCESS).await;
            while let Some(told) = broker.published_soon().await {
                broker.acknowledge(&told, SUCCESS).await;
            }
        };
        let kept = r#"{"ok":true,"telemetry_interval_ms":250,"kept":true}"#;
        let undone = r#"{"ok":true,"telemetry_interval_ms":250,"kept":false,"until":"the next connection: then the shared attribute telemetryIntervalMs holds again, which is 2000"}"#;
        let unknown = r#"{"ok":true,"telemetry_interval_ms":250,"kept":true,"until":"the server tells a shared attribute telemetryIntervalMs, which it has not yet"}"#;
        set(None, unknown).await;
        set(Some(r#"{"telemetryIntervalMs":2000}"#), undone).await;
        set(Some(r#"{"other":1}"#), undone).await;
        set(Some(r#"{"telemetryIntervalMs":250}"#), kept).await;
        set(Some(r#"{"telemetryIntervalMs":2000}"#), undone).await;
        set(Some(r#"{"deleted":["telemetryIntervalMs"]}"#), kept).await;
    });
}
