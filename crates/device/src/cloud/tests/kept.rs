//! Samples that wait in flash, beside those that are taken now.

use super::*;
use crate::cloud::device::Backlog;
use crate::telemetry::SampleQueue;
use crate::testing::Room;
use product::Card;

/// When the life began whose samples wait in flash.
const EARLIER: u64 = BOOT - 7_000_000;

/// Five live samples, and a record of another life.
fn device() -> Fake {
    let mut device = Fake::with_samples(5);
    let kept = SampleQueue::new(32, Card::of::<Room>().schema);
    for second in 0..32 {
        kept.push(device.sample(second * 1_000));
    }
    kept.note_sent(32, EARLIER);
    device.kept = Some(kept);
    device
}

/// The time stamps of all samples in each message, in their order.
fn stamps(device: &Fake, room: usize) -> Vec<Vec<u64>> {
    let (_, messages) = connection(device, room, async |mut broker| {
        broker.welcome().await;
        let mut messages = Vec::new();
        while let Some(message) = broker.published_soon().await {
            broker.acknowledge(&message, SUCCESS).await;
            messages.push(message);
        }
        messages
    });
    for pair in messages.windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(900));
    }
    let stamps = |payload: &str| {
        let records = payload.split("\"ts\":").skip(1);
        let stamps = records.map(|record| record.split(',').next().unwrap().parse().unwrap());
        stamps.collect()
    };
    messages
        .iter()
        .map(|message| stamps(&message.payload))
        .collect()
}

#[test]
fn all_of_a_record_is_sent_by_the_calendar_of_its_life() {
    for room in [65_536, 700] {
        let device = device();
        let messages = stamps(&device, room);
        // In several messages, of which the first is not the last to know whose the samples are.
        assert!(room > 700 || messages.len() > 3, "{messages:?}");
        // Live samples go first, and the others have every other message.
        let sent: Vec<u64> = messages.into_iter().flatten().collect();
        assert_eq!(sent[0], BOOT);
        let (live, kept): (Vec<u64>, Vec<u64>) = sent.iter().partition(|ts| **ts >= BOOT);
        assert!(
            live.into_iter()
                .eq((0..5).map(|second| BOOT + second * 1_000))
        );
        let wanted = (0..32).map(|second| EARLIER + second * 1_000);
        assert!(kept.into_iter().eq(wanted), "{sent:?}");
    }
}

#[test]
fn what_waits_in_flash_goes_first_if_so_it_is_set() {
    let device = device();
    device.oldest_first.set(true);
    let sent: Vec<u64> = stamps(&device, 65_536).into_iter().flatten().collect();
    assert_eq!((sent[0], sent[32]), (EARLIER, BOOT));
    assert!(device.queue.is_empty() && !Backlog::load(&device));
}
