//! Limits kept to, and batches that shrink and grow.

use super::*;
use embassy_time::Duration;
use thingsboard::limits::RateLimit;

fn limits(data_points: &str) -> SessionLimits<'_> {
    SessionLimits {
        telemetry_data_points: RateLimit(data_points),
        ..SessionLimits::default()
    }
}

#[test]
fn a_bucket_is_refilled_evenly_and_never_above_its_edge() {
    let start = Instant::from_millis(5_000);
    let mut pace = Pace::new(2);
    assert_eq!(pace.allowance(start).data_points, u32::MAX);
    // Nine of ten tokens are made use of.
    pace.learn(limits("10:1,300:60"), start);
    let after = |ms| start + Duration::from_millis(ms);
    assert_eq!(pace.allowance(start).data_points, 9);
    pace.sent_telemetry(9, start);
    assert_eq!(pace.allowance(start).data_points, 0);
    assert_eq!(pace.telemetry_due(2, start), after(223));
    assert_eq!(pace.allowance(after(222)).data_points, 1);
    assert_eq!(pace.allowance(after(223)).data_points, 2);
    assert_eq!(pace.allowance(after(60_000)).data_points, 9);
    // The same limits told again do not fill them.
    pace.learn(limits("300:60,10:1"), start);
    assert_eq!(pace.allowance(start).data_points, 0);
    // More than there can ever be is due when they are full.
    assert_eq!(
        pace.telemetry_due(1_000, start),
        after(1_000).max(after(2_000))
    );
}

#[test]
fn over_an_hour_no_more_is_sent_than_the_limit_allows() {
    for (limit, most) in [("15000:3600", 15_000), ("5:1,200:60,9000:3600", 9_000)] {
        let mut now = Instant::from_millis(0);
        let mut pace = Pace::new(2);
        pace.learn(limits(limit), now);
        // It begins with full buckets, so a later hour counts.
        let mut sent = 0;
        while now < Instant::from_secs(5 * 3_600) {
            let due = pace.telemetry_due(3, now);
            if due > now {
                now = due;
                continue;
            }
            pace.sent_telemetry(3, now);
            if now >= Instant::from_secs(4 * 3_600) {
                sent += 3;
            }
        }
        assert!(sent <= most && sent >= most * 8 / 10, "{limit}: {sent}");
    }
}

#[test]
fn a_payload_has_room_for_its_topic() {
    let mut pace = Pace::new(2);
    assert_eq!(pace.payload(2_048), 2_048);
    for (told, most) in [(65_536, 2_048), (1_000, 936), (10, 0)] {
        let limits = SessionLimits {
            max_payload_size: Some(told),
            ..SessionLimits::default()
        };
        pace.learn(limits, Instant::from_millis(0));
        assert_eq!(pace.payload(2_048), most);
    }
}

#[test]
fn extreme_limits_do_no_harm() {
    let now = Instant::from_millis(1);
    for limit in [
        "4294967295:4294967295",
        "1:4294967295",
        "4294967295:1",
        "1:1,1:1,1:1,1:1,1:1,1:1",
    ] {
        let mut pace = Pace::new(2);
        pace.learn(limits(limit), now);
        pace.sent_telemetry(u32::MAX, now);
        pace.refused(u16::MAX, now);
        let due = pace.telemetry_due(u32::MAX, now);
        assert!(due > now);
        pace.allowance(Instant::MAX);
        let kept = pace.kept(u32::MAX, u32::MAX).unwrap();
        assert!(kept.least_ms > 0 || kept.count > 1_000);
    }
}

#[test]
fn batches_halve_to_one_sample_without_vitals_and_grow_again() {
    let now = Instant::from_millis(0);
    let mut pace = Pace::new(2);
    assert_eq!(pace.allowance(now).samples, MOST_SAMPLES);
    for (under_way, next) in [(12, 6), (6, 3), (3, 1), (0, 1)] {
        assert_eq!(pace.refused(under_way, now), next);
        assert!(!pace.allowance(now).bare);
    }
    assert_eq!(pace.refused(1, now), 1);
    assert!(pace.allowance(now).bare);
    // Nothing was taken: no reason to try more.
    pace.begin();
    assert!(pace.allowance(now).bare);
    // Less than that is less often, and the first thing to be tried again.
    for expected in [1_800, 3_600] {
        pace.refused(1, now);
        assert_eq!(pace.pause(), Duration::from_millis(expected));
    }
    for expected in [1_800, 900] {
        pace.taken(1);
        pace.begin();
        assert_eq!(pace.pause(), Duration::from_millis(expected));
        assert!(pace.allowance(now).bare);
    }
    for expected in [1, 2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 64, 64] {
        pace.taken(pace.allowance(now).samples);
        pace.begin();
        assert_eq!(pace.allowance(now).samples, expected);
    }
    // A smaller batch than may be says nothing of one that is as large.
    pace.refused(64, now);
    pace.taken(31);
    pace.begin();
    assert_eq!(pace.allowance(now).samples, 32);
}

#[test]
fn the_default_is_enough_for_a_public_cloud() {
    let mut pace = Pace::new(2);
    assert_eq!(pace.kept(1_000, 60), None);
    pace.learn(limits("15000:3600"), Instant::from_millis(0));
    let kept = pace.kept(1_000, 60).unwrap();
    assert!(!kept.costs_samples(), "{kept:?}");
    // As it was once: all vitals with each sample.
    assert!(pace.kept(1_000, 0).unwrap().costs_samples());
}
