//! The server's own clock, told over TLS: against time servers that lie, where none answers, and when it is wrong
//! itself.

use device::event::{ClockSource, Event, ServerClock};
use device::storage::Storage;
use devserver::{Event as Seen, Events, Server};
use e2e::{Desk, Diary, play, scenario};
use embassy_time::Timer;
use serde_json::json;
use simulator::Simulator;
use simulator::ntp::now_unix_ms;

const DAY_MS: i64 = 86_400_000;
/// Minutes pass here while a busy computer does something else.
const NEAR_MS: u64 = 3_600_000;

/// A server whose clock is off by this many milliseconds.
async fn server_off_by(desk: &Desk, off_ms: i64) -> Server {
    let server = desk.server().await;
    set_off(&server, off_ms);
    server
}

fn set_off(server: &Server, off_ms: i64) {
    server.tell_time(move || now_unix_ms().saturating_add_signed(off_ms) as i64);
}

fn board(desk: &Desk, server: &Server, number: u8) -> Simulator {
    let flash = desk.flash(&serial(number), server.mqtt_addr().port(), "");
    desk.board(flash, number)
}

fn serial(number: u8) -> String {
    format!("SN-{number}")
}

async fn clock_set(diary: &mut Diary) -> (u64, ClockSource) {
    match diary.until_named("clock.set").await {
        Event::ClockSet { unix_ms, source } => (unix_ms, source),
        other => unreachable!("{other:?}"),
    }
}

fn is_near(unix_ms: u64) -> bool {
    unix_ms.abs_diff(now_unix_ms()) < NEAR_MS
}

fn count(diary: &Diary, name: &str) -> usize {
    let named = diary.read.iter().filter(|(_, event)| event.name() == name);
    named.count()
}

/// Waits for telemetry, and says whether it has the time of the desk.
async fn is_stamped_rightly(events: &mut Events) -> bool {
    loop {
        let event = events.next().await.expect("the server lives");
        if let Seen::Telemetry { records, .. } = &*event
            && let Some(newest) = records.iter().map(|record| record.ts_ms).max()
        {
            return is_near(newest as u64);
        }
    }
}

#[test]
fn a_time_server_that_lies_is_contradicted_by_the_server_and_not_believed_again() {
    scenario(async {
        let desk = Desk::set().await;
        desk.time.lie(30 * DAY_MS);
        let server = server_off_by(&desk, 0).await;
        let board = board(&desk, &server, 75);
        play(&desk, &board, 75, async |diary| {
            let (unix_ms, source) = clock_set(diary).await;
            assert!(source == ClockSource::Sntp && !is_near(unix_ms));
            let (unix_ms, source) = clock_set(diary).await;
            assert!(source == ClockSource::Server && is_near(unix_ms));
            let told = diary.until_named("clock.contradicted").await;
            let Event::ServerClock(ServerClock::Contradicted { by_s }) = told else {
                unreachable!("{told:?}");
            };
            assert!(by_s.abs_diff(30 * 86_400) < 3_600, "{by_s}");
            // What was sent before may be on its way.
            let mut events = server.events();
            is_stamped_rightly(&mut events).await;
            for _ in 0..3 {
                assert!(is_stamped_rightly(&mut events).await);
            }
            // It is asked again after an hour, and says the same.
            Timer::after_secs(80 * 60).await;
            diary.catch_up(|_| false);
            let of_time_servers = diary.read.iter().filter(|(_, event)| {
                matches!(
                    event,
                    Event::ClockSet {
                        source: ClockSource::Sntp,
                        ..
                    }
                )
            });
            assert_eq!(of_time_servers.count(), 1);
            assert_eq!(count(diary, "clock.contradicted"), 1, "it is told once");
            // The truth at last.
            desk.time.lie(0);
            loop {
                let (unix_ms, source) = clock_set(diary).await;
                assert!(is_near(unix_ms));
                if source == ClockSource::Sntp {
                    break;
                }
            }
        })
        .await;
    });
}

#[test]
fn where_no_time_server_answers_the_server_tells_the_time() {
    scenario(async {
        let desk = Desk::set().await;
        desk.time.be_silent(true);
        let server = server_off_by(&desk, 0).await;
        let board = board(&desk, &server, 76);
        let mut events = server.events();
        play(&desk, &board, 76, async |diary| {
            assert_eq!(clock_set(diary).await.1, ClockSource::Floor);
            let (unix_ms, source) = clock_set(diary).await;
            assert!(source == ClockSource::Server && is_near(unix_ms));
            while !is_stamped_rightly(&mut events).await {}
        })
        .await;
    });
}

#[test]
fn a_server_that_does_not_tell_the_time_costs_a_message() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let mut events = server.events();
        let board = board(&desk, &server, 77);
        play(&desk, &board, 77, async |diary| {
            let (unix_ms, source) = clock_set(diary).await;
            assert!(source == ClockSource::Sntp && is_near(unix_ms));
            diary.until_named("telemetry.acknowledged").await;
            Timer::after_secs(300).await;
            diary.catch_up(|_| false);
            for name in [
                "clock.confirmed",
                "clock.contradicted",
                "clock.refused",
                "cloud.failed",
            ] {
                assert_eq!(count(diary, name), 0, "{name}");
            }
            assert_eq!(count(diary, "clock.set"), 1);
        })
        .await;
        let mut asked = 0;
        let soon = std::time::Duration::from_millis(10);
        while let Ok(Some(event)) = tokio::time::timeout(soon, events.next()).await {
            if let Seen::RpcReceived { method, .. } = &*event {
                asked += usize::from(method == "getCurrentTime");
            }
        }
        assert_eq!(asked, 1);
    });
}

#[test]
fn a_server_whose_clock_is_certainly_wrong_is_told_of_and_not_believed() {
    scenario(async {
        let desk = Desk::set().await;
        // Before its own certificate was made.
        let server = server_off_by(&desk, -400 * DAY_MS).await;
        let board = board(&desk, &server, 78);
        let mut events = server.events();
        play(&desk, &board, 78, async |diary| {
            assert_eq!(clock_set(diary).await.1, ClockSource::Sntp);
            diary.until_named("clock.refused").await;
            diary.until_named("telemetry.acknowledged").await;
            assert!(is_stamped_rightly(&mut events).await);
            assert_eq!(count(diary, "clock.set"), 1);
        })
        .await;
    });
}

/// Who has the key of a server's certificate that expired since, and answers for the time servers, too.
#[test]
fn what_time_servers_and_server_agreed_on_cannot_be_taken_back_by_both() {
    scenario(async {
        let desk = Desk::set().await;
        let server = server_off_by(&desk, 0).await;
        let board = board(&desk, &server, 79);
        let past = || Storage::open(board.flash.clone()).0.past().expect("NVS");
        play(&desk, &board, 79, async |diary| {
            assert_eq!(clock_set(diary).await.1, ClockSource::Sntp);
            diary.until_named("clock.confirmed").await;
            while past().is_none() {
                Timer::after_secs(5).await;
            }
            let agreed = past();
            assert!(is_near(agreed.unwrap() * 1_000));
            // Not so long that certificates contradict it.
            let back_ms = -1_200_000;
            desk.time.lie(back_ms - NEAR_MS as i64);
            set_off(&server, back_ms - NEAR_MS as i64);
            let serial = serial(79);
            let reboot = server.send_rpc(&serial, "reboot", json!({}));
            reboot.await.expect("an answer");
            diary.until_named("boot").await;
            // As far as it believes nobody, it goes by the clock that ran on.
            let (unix_ms, source) = clock_set(diary).await;
            assert!(source == ClockSource::Kept && is_near(unix_ms));
            diary.until_named("clock.refused").await;
            diary.until_named("telemetry.acknowledged").await;
            assert_eq!(past(), agreed);
        })
        .await;
    });
}
