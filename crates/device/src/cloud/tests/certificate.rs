//! What the server is told of the certificate's end.

use super::*;

/// Ten days and an hour after the fake device booted.
const EXPIRES_UNIX_S: u64 = BOOT / 1_000 + 10 * 86_400 + 3_600;
const DAY_MS: u64 = 86_400_000;

fn certified_connection<T>(device: &Fake, script: impl AsyncFnOnce(Broker) -> T) -> (Outcome, T) {
    let (here, there) = pipe(4096);
    let certified = Certified {
        name: "SN-0001",
        expires_unix_s: Some(EXPIRES_UNIX_S),
        bundle: None,
    };
    let mut pace = Pace::new(2);
    run(join(
        speak(device, certified, 30, here, &mut pace),
        script(Broker::new(there)),
    ))
}

async fn introduction(broker: &mut Broker) -> String {
    broker.accept(&[]).await;
    broker.subscribed(1).await;
    broker.published().await.unwrap().payload
}

#[test]
fn the_end_is_told_in_milliseconds_and_in_days_that_are_left() {
    let device = Fake::with_samples(0);
    let _ = certified_connection(&device, async |mut broker| {
        let told = introduction(&mut broker).await;
        let end = format!(
            r#","certificate_expires_ms":{},"certificate_days":10}}"#,
            EXPIRES_UNIX_S * 1_000
        );
        assert!(told.ends_with(&end), "{told}");
        // Asking for limits and attributes.
        assert!(broker.published_soon().await.is_some());
        assert!(broker.published_soon().await.is_some());
        assert!(broker.published_soon().await.is_none());
        // A day later, without another connection.
        device.boot_unix_ms.set(BOOT + DAY_MS);
        device.push(1_000);
        let later = broker.published_soon().await.unwrap();
        assert_eq!(later.payload, r#"{"certificate_days":9}"#);
    });
}

#[test]
fn days_are_not_counted_by_a_clock_that_is_not_certain() {
    let device = Fake::with_samples(0);
    device.certain.set(false);
    let _ = certified_connection(&device, async |mut broker| {
        let told = introduction(&mut broker).await;
        assert!(
            told.contains("certificate_expires_ms") && !told.contains("certificate_days"),
            "{told}"
        );
        assert!(broker.published_soon().await.is_some());
        assert!(broker.published_soon().await.is_some());
        device.certain.set(true);
        device.push(1_000);
        let later = broker.published_soon().await.unwrap();
        assert_eq!(later.payload, r#"{"certificate_days":10}"#);
        // Nor is anything taken back.
        device.certain.set(false);
        assert!(
            broker
                .published_soon()
                .await
                .is_none_or(|next| next.topic != "v1/devices/me/attributes")
        );
    });
}
