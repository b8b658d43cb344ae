//! Time servers that are silent when it matters, lie, or talk nonsense.

use device::event::{ClockError, ClockSource, Event};
use devserver::{Event as Seen, Events};
use e2e::{Desk, Diary, Dice, scenario};
use simulator::ntp;

use super::play;

/// Waits for telemetry, and returns how far the newest time stamp of it is from the time on the
/// desk, in milliseconds.
async fn off_by_ms(events: &mut Events) -> i64 {
    loop {
        let event = events.next().await.expect("the server lives");
        if let Seen::Telemetry { records, .. } = &*event
            && let Some(newest) = records.iter().map(|record| record.ts_ms).max()
        {
            return newest - ntp::now_unix_ms() as i64;
        }
    }
}

/// The next time that the clock could not be set: why.
async fn no_time(diary: &mut Diary) -> ClockError {
    match diary.until_named("clock.failed").await {
        Event::ClockFailed { error, .. } => error,
        other => unreachable!("{other:?}"),
    }
}

/// The desk's firmware was built long before its certificates, of the device and of the server: that it
/// is at least so late says nothing against them, and they say that it is later. A certificate that has
/// expired by then has expired.
#[test]
fn without_the_time_certificates_newer_than_the_firmware_are_good() {
    scenario(async {
        let desk = Desk::set().await;
        desk.time.be_silent(true);
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-94", server.mqtt_addr().port(), ""), 94);
        let floors = |diary: &Diary| {
            let floors = diary.read.iter().filter_map(|(_, event)| match event {
                Event::ClockSet { source, .. } => Some(*source == ClockSource::Floor),
                _ => None,
            });
            floors.collect::<Vec<_>>()
        };
        play(&desk, &board, 94, async |diary| {
            assert_eq!(no_time(diary).await, ClockError::Silent);
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            assert_eq!(floors(diary), [true]);
            // The time at last, and with it time stamps.
            desk.time.be_silent(false);
            diary.until_named("clock.set").await;
            diary.until_named("telemetry.acknowledged").await;
            assert_eq!(floors(diary), [true, false]);
        })
        .await;
    });
}

#[test]
fn a_lie_that_certificates_do_not_contradict_is_corrected_within_an_hour() {
    const LIE_MS: i64 = 3 * 86_400_000;
    /// Minutes pass here while a busy computer does something else.
    const NEAR_MS: i64 = 3_600_000;
    scenario(async {
        let desk = Desk::set().await;
        desk.time.lie(LIE_MS);
        let server = desk.server().await;
        let mut events = server.events();
        let board = desk.board(desk.flash("SN-95", server.mqtt_addr().port(), ""), 95);
        play(&desk, &board, 95, async |diary| {
            diary.until_named("cloud.online").await;
            let off = off_by_ms(&mut events).await;
            assert!((off - LIE_MS).abs() < NEAR_MS, "{off}");
            desk.time.lie(0);
            let corrected = async {
                diary.until_named("clock.set").await;
                diary.until_named("telemetry.acknowledged").await;
            };
            // What comes meanwhile has the one time or the other, and nothing between.
            let reading = async {
                loop {
                    let off = off_by_ms(&mut events).await;
                    let known = [0, LIE_MS].map(|off_ms| (off - off_ms).abs() < NEAR_MS);
                    assert!(known.contains(&true), "{off}");
                }
            };
            tokio::select! {
                () = reading => unreachable!(),
                () = corrected => {}
            }
            // The last one that was sent before may be on its way.
            off_by_ms(&mut events).await;
            for _ in 0..5 {
                let off = off_by_ms(&mut events).await;
                assert!(off.abs() < NEAR_MS, "{off}");
            }
        })
        .await;
    });
}

#[test]
fn datagrams_that_are_no_time_are_told_and_the_server_is_asked_again() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let mut dice = Dice::from_seed(5);
        // A kiss of death: stratum 0, and a code (RFC 4330, section 8).
        let mut kiss = vec![0; 48];
        kiss[0] = 0x24;
        kiss[12..16].copy_from_slice(b"DENY");
        let nonsense = [
            Vec::new(),
            vec![0x24],
            dice.bytes(47),
            dice.bytes(48),
            dice.bytes(400),
            vec![0; 48],
            vec![0xff; 48],
            kiss,
        ];
        let board = desk.board(desk.flash("SN-96", server.mqtt_addr().port(), ""), 96);
        let mut nonsense = nonsense.into_iter();
        desk.time.talk_nonsense(nonsense.next());
        let mut diary = Diary::of(&board);
        let mut lives = 0;
        // Twice in a life; the third time it goes on with what is certainly past.
        let mut twice = async |diary: &mut Diary| {
            for _ in 0..2 {
                let error = no_time(diary).await;
                let told = [ClockError::Implausible, ClockError::Silent];
                assert!(told.contains(&error), "{error:?}");
                desk.time.talk_nonsense(nonsense.next());
            }
        };
        play(&desk, &board, 96, async |diary| twice(diary).await).await;
        diary.catch_up(|_| false);
        while lives < 3 {
            tokio::select! {
                _ = board.live() => panic!("the device restarted"),
                () = twice(&mut diary) => lives += 1,
            }
        }
        let online = async {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
        };
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            () = online => {}
        }
        let sntp = ClockSource::Sntp;
        let told = diary.read.iter().filter_map(|(_, event)| match event {
            Event::ClockSet { source, .. } if *source == sntp => Some(()),
            _ => None,
        });
        assert_eq!(told.count(), 1, "nonsense was taken for a time");
    });
}
