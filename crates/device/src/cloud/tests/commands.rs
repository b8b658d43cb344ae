//! What the server wishes to end a life with.

use super::*;

#[test]
fn a_factory_reset_is_not_lost_to_a_reboot_before_it() {
    let device = Fake::with_samples(0);
    let (end, ()) = connection(&device, 4096, async |mut broker| {
        broker.welcome().await;
        let reboot = broker.call(1, r#"{"method":"reboot"}"#).await;
        let reset = broker.call(2, r#"{"method":"factoryReset"}"#).await;
        broker.acknowledge(&reboot, SUCCESS).await;
        broker.acknowledge(&reset, SUCCESS).await;
        assert!(broker.published_soon().await.is_none());
    });
    assert_eq!(end, Ok(Command::FactoryReset));
}

#[test]
fn samples_that_wait_are_sent_before_a_restart() {
    let device = Fake::with_samples(30);
    let (end, ()) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        broker
            .tell("v1/devices/me/rpc/request/1", r#"{"method":"reboot"}"#)
            .await;
        while let Some(message) = broker.published().await {
            broker.acknowledge(&message, SUCCESS).await;
        }
    });
    assert_eq!(end, Ok(Command::Restart));
    assert!(device.queue.is_empty());
}

#[test]
fn a_restart_does_not_wait_for_ever() {
    let device = Fake::with_samples(600);
    let (end, waited) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        let topic = "v1/devices/me/rpc/request/1";
        broker.tell(topic, r#"{"method":"reboot"}"#).await;
        let begin = Instant::now();
        while let Some(message) = broker.published().await {
            broker.acknowledge(&message, SUCCESS).await;
        }
        begin.elapsed()
    });
    assert_eq!(end, Ok(Command::Restart));
    assert!(waited <= Duration::from_secs(11), "{waited:?}");
    assert!(!device.queue.is_empty());
}

#[test]
fn what_was_answered_is_done_though_the_connection_breaks() {
    for (acknowledged, done) in [(true, Some(Command::FactoryReset)), (false, None)] {
        let device = Fake::with_samples(600);
        let (end, ()) = connection(&device, 65_536, async |mut broker| {
            broker.welcome().await;
            let topic = "v1/devices/me/rpc/request/1";
            broker.tell(topic, r#"{"method":"factoryReset"}"#).await;
            let mut answer = broker.published().await.unwrap();
            while answer.topic != "v1/devices/me/rpc/response/1" {
                answer = broker.published().await.unwrap();
            }
            if acknowledged {
                broker.acknowledge(&answer, SUCCESS).await;
            }
            // And it is gone, with samples that nobody acknowledged.
        });
        assert_eq!(end.ok(), done, "acknowledged: {acknowledged}");
    }
}
