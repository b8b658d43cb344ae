//! The clock, and who may set it.

use embassy_time::Timer;

use super::*;
use crate::testing::run;

#[test]
fn uptime_has_in_it_what_was_before_the_clock() {
    let (start, before) = (Instant::MIN, Instant::now());
    let uptime_ms = Clock::since(start).uptime_ms();
    assert!(uptime_ms >= before.duration_since(start).as_millis());
    assert!(uptime_ms <= Instant::now().duration_since(start).as_millis());
}

#[test]
fn instants_on_a_grid_have_uptimes_on_a_grid() {
    for start_us in [0, 1, 499, 999] {
        let start = Instant::from_micros(1_000_000 + start_us);
        let clock = Clock::since(start);
        let first = start + Duration::from_micros(5_700);
        let slot = |number| first + Duration::from_millis(100) * number;
        let times = (0..50).map(|number| clock.uptime_ms_at(slot(number)));
        assert!(times.eq((0..50_u32).map(|number| 5 + 100 * u64::from(number))));
        assert_eq!(clock.uptime_ms_at(Instant::from_micros(7)), 0);
    }
}

#[test]
fn only_a_time_known_for_certain_stamps_samples() {
    let clock = Clock::boot();
    assert_eq!((clock.now_unix_ms(), clock.stamp(0)), (None, None));
    clock.set(2_000_000_000_000, ClockSource::Floor);
    assert!(clock.now_unix_ms().unwrap() >= 2_000_000_000_000);
    assert_eq!(clock.stamp(0), None);
    clock.set(2_000_000_000_000, ClockSource::Sntp);
    let boot = clock.stamp(0).unwrap();
    assert!(boot <= 2_000_000_000_000);
    assert_eq!(clock.stamp(1_500), Some(boot + 1_500));
}

#[test]
fn a_lower_bound_is_raised_and_a_time_is_not() {
    let clock = Clock::boot();
    clock.raise(5);
    assert_eq!(clock.moment(), Moment::from(0));
    clock.set(2_000_000_000_000, ClockSource::Floor);
    clock.raise(1_999_999_999);
    let floor = |unix_s| Moment {
        unix_s,
        is_floor: true,
    };
    assert_eq!(clock.moment(), floor(2_000_000_000));
    clock.raise(2_000_000_777);
    assert_eq!(clock.moment(), floor(2_000_000_777));
    assert_eq!(clock.stamp(0), None);
    for source in [ClockSource::Kept, ClockSource::Sntp] {
        clock.set(2_000_000_000_000, source);
        clock.raise(2_000_000_777);
        assert_eq!(clock.moment(), Moment::from(2_000_000_000));
    }
}

#[test]
fn a_clock_that_was_moved_far_has_to_be_proven_again() {
    let clock = Clock::boot();
    clock.prove();
    assert!(!clock.is_proven());
    clock.set(2_000_000_000_000, ClockSource::Sntp);
    assert!(!clock.is_proven());
    clock.prove();
    clock.set(2_000_000_000_000 + PROVEN_WITHIN_MS / 2, ClockSource::Sntp);
    assert!(clock.is_proven());
    clock.set(2_000_000_000_000 + PROVEN_WITHIN_MS * 2, ClockSource::Sntp);
    assert!(!clock.is_proven());
}

/// A time of day, in milliseconds since 1970 UTC.
const NOON: u64 = 2_000_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

/// What came of it that the server, asked at once, says `unix_ms`.
fn hear(clock: &Clock, unix_ms: u64) -> Heard {
    clock.ask_server();
    clock.hear_server(unix_ms, 0)
}

fn clock_set(unix_ms: u64, source: ClockSource) -> Clock {
    let clock = Clock::boot();
    clock.set(unix_ms, source);
    clock
}

#[test]
fn the_server_confirms_a_time_that_is_near_its_own_which_is_then_kept() {
    run(async {
        let clock = clock_set(NOON, ClockSource::Sntp);
        let confirmed = Heard::Told(ServerClock::Confirmed { off_ms: 4_321 });
        assert_eq!(hear(&clock, NOON + 4_321), confirmed);
        assert_eq!(clock.now_unix_ms(), Some(NOON));
        assert_eq!(clock.source(), Some(ClockSource::Sntp));
        assert!(!clock.is_certain(), "no certificate was seen at it");
        clock.prove();
        assert!(clock.is_certain());
        clock.doubt();
        assert!(!clock.is_certain());
    });
}

#[test]
fn the_server_is_believed_against_everybody_else() {
    for source in [ClockSource::Floor, ClockSource::Client, ClockSource::Kept] {
        run(async {
            let clock = clock_set(NOON, source);
            assert_eq!(hear(&clock, NOON - 9), Heard::Set(NOON - 9, None));
            assert_eq!(clock.source(), Some(ClockSource::Server));
        });
    }
    for off_s in [-86_400 * 365, -6, 6, 86_400 * 3_650] {
        run(async {
            let clock = clock_set(NOON, ClockSource::Sntp);
            clock.prove();
            let told = NOON.saturating_add_signed(off_s * 1_000);
            let by_s = off_s.unsigned_abs();
            let news = Some(ServerClock::Contradicted { by_s });
            assert_eq!(hear(&clock, told), Heard::Set(told, news));
            assert_eq!(clock.now_unix_ms(), Some(told));
            assert!(!clock.is_certain());
            assert!(clock.is_fresh(DAY));
        });
    }
}

#[test]
fn a_time_server_that_contradicts_the_server_is_told_of_once_until_it_agrees() {
    run(async {
        let clock = clock_set(NOON, ClockSource::Kept);
        assert_eq!(
            clock.weigh(NOON + 9_999_000),
            Ok(()),
            "nobody else was heard"
        );
        hear(&clock, NOON);
        let news = ServerClock::Contradicted { by_s: 9_999 };
        assert_eq!(clock.weigh(NOON + 9_999_000), Err(Some(news)));
        assert_eq!(clock.weigh(NOON + 9_999_000), Err(None));
        assert_eq!(clock.weigh(NOON - 4_000), Ok(()));
        assert_eq!(clock.weigh(NOON + 9_999_000), Err(Some(news)));
        // As its word grows old the device's own clock may have gone wrong a little.
        Timer::after(DAY).await;
        let now = NOON + DAY.as_millis();
        assert_eq!(clock.weigh(now + 5_000 + 8_600), Ok(()));
        assert!(clock.weigh(now + 5_000 + 8_700).is_err());
        // Who does not tell the time any more does not contradict for ever.
        Timer::after(DAY).await;
        assert_eq!(clock.weigh(u64::MAX), Ok(()));
    });
}

#[test]
fn a_server_whose_clock_is_certainly_wrong_is_not_believed() {
    run(async {
        let clock = clock_set(NOON, ClockSource::Sntp);
        let refused = |by_s| Heard::Told(ServerClock::Refused { by_s });
        clock.ask_server();
        assert_eq!(
            clock.hear_server(NOON - 105_000, NOON / 1_000),
            refused(100)
        );
        clock.ask_server();
        let nearly = clock.hear_server(NOON - 4_000, NOON / 1_000);
        assert!(matches!(nearly, Heard::Told(ServerClock::Confirmed { .. })));
        // Its own certificate was made later.
        clock.raise(NOON / 1_000 + 7);
        assert_eq!(hear(&clock, NOON - 5_000), refused(7));
        assert_eq!(hear(&clock, 0), refused(NOON / 1_000 + 2));
        assert_eq!(clock.now_unix_ms(), Some(NOON));
        assert_eq!(clock.weigh(NOON), Ok(()));
    });
}

#[test]
fn an_answer_is_worth_what_its_way_leaves_of_it() {
    run(async {
        let clock = clock_set(NOON, ClockSource::Sntp);
        assert_eq!(clock.hear_server(1, 0), Heard::Nothing, "nobody asked");
        clock.ask_server();
        Timer::after_secs(8).await;
        // It was taken between NOON and NOON + 8 s.
        let told = Heard::Told(ServerClock::Confirmed { off_ms: 8_900 });
        assert_eq!(clock.hear_server(NOON + 12_900, 0), told);
        clock.ask_server();
        Timer::after_secs(11).await;
        assert_eq!(clock.hear_server(1, 0), Heard::Nothing, "too late");
        assert_eq!(
            hear(&clock, u64::MAX),
            Heard::Set(
                u64::MAX,
                Some(ServerClock::Contradicted {
                    by_s: (u64::MAX - 19_000 - NOON) / 1_000
                })
            )
        );
    });
}

#[test]
fn the_server_is_asked_in_each_connection_until_it_answers_and_then_once_a_day() {
    run(async {
        let clock = clock_set(NOON, ClockSource::Sntp);
        let is_due = || clock.question_due() <= Instant::now();
        for _ in 0..2 {
            clock.meet_server();
            assert!(is_due());
            clock.put_off_question();
            assert!(!is_due());
            Timer::after_secs(60).await;
        }
        hear(&clock, NOON + 120_000);
        clock.meet_server();
        assert!(!is_due());
        Timer::after(DAY).await;
        assert!(is_due());
        clock.put_off_question();
        // A contradiction is a reason to ask again, though not at once.
        hear(&clock, NOON + 120_000 + DAY.as_millis());
        assert!(clock.weigh(NOON).is_err());
        assert!(!is_due());
        Timer::after_secs(600).await;
        assert!(is_due());
    });
}
