//! The clock through restarts, and against a time server that lies: whom the device believes, and
//! what it keeps.

use device::event::{ClockSource, Event};
use device::platform::System;
use device::storage::Storage;
use devserver::Server;
use e2e::{Desk, Diary, play, scenario};
use serde_json::json;
use simulator::Simulator;
use simulator::ntp::now_unix_ms;

const YEAR_MS: i64 = 365 * 86_400_000;

/// Provisions a blank board, waits for telemetry, and plays `story` while it lives.
async fn online(desk: &Desk, number: u8, story: impl AsyncFnOnce(&Server, &Simulator, &mut Diary)) {
    let server = desk.server().await;
    let serial = serial(number);
    let flash = desk.flash(&serial, server.mqtt_addr().port(), "");
    let board = desk.board(flash, number);
    play(desk, &board, number, async |diary| {
        diary.until_named("telemetry.acknowledged").await;
        story(&server, &board, diary).await;
    })
    .await;
}

fn serial(number: u8) -> String {
    format!("SN-{number}")
}

async fn restart(server: &Server, number: u8, diary: &mut Diary) {
    let serial = serial(number);
    let reboot = server.send_rpc(&serial, "reboot", json!({}));
    reboot.await.expect("an answer");
    diary.until_named("boot").await;
}

async fn clock_set(diary: &mut Diary) -> (u64, ClockSource) {
    match diary.until_named("clock.set").await {
        Event::ClockSet { unix_ms, source } => (unix_ms, source),
        other => unreachable!("{other:?}"),
    }
}

fn last_good_time(board: &Simulator) -> Option<u64> {
    let (storage, _) = Storage::open(board.flash.clone());
    storage.last_good_time().expect("NVS")
}

#[test]
fn a_clock_that_ran_on_wrongly_through_a_restart_is_put_right_before_anything_is_stamped() {
    scenario(async {
        let desk = Desk::set().await;
        online(&desk, 70, async |server, board, diary| {
            // As far off as a chip's oscillator may be after weeks.
            let wrong = board.chip.unix_ms().expect("set by SNTP") + 600_000;
            board.chip.set_unix_ms(wrong);
            restart(server, 70, diary).await;
            let (unix_ms, source) = clock_set(diary).await;
            assert_eq!(source, ClockSource::Sntp);
            assert!(unix_ms.abs_diff(now_unix_ms()) < 1_000, "{unix_ms}");
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
    });
}

#[test]
fn where_no_time_server_answers_the_clock_that_ran_on_will_do_until_one_does() {
    scenario(async {
        let desk = Desk::set().await;
        online(&desk, 71, async |server, _, diary| {
            desk.time.be_silent(true);
            restart(server, 71, diary).await;
            assert_eq!(clock_set(diary).await.1, ClockSource::Kept);
            diary.until_named("telemetry.acknowledged").await;
            desk.time.be_silent(false);
            assert_eq!(clock_set(diary).await.1, ClockSource::Sntp);
        })
        .await;
    });
}

#[test]
fn a_time_that_no_certificate_was_valid_at_is_not_kept() {
    scenario(async {
        let desk = Desk::set().await;
        online(&desk, 72, async |_, board, diary| {
            let minutes = |count: u64| embassy_time::Timer::after_secs(count * 60);
            minutes(3).await;
            let kept = last_good_time(board).expect("a good time is kept once it has proven good");
            // Within the certificates' years, but nobody showed one since.
            desk.time.lie(8 * YEAR_MS);
            while clock_set(diary).await.0 < now_unix_ms() + 7 * YEAR_MS as u64 {}
            minutes(10).await;
            assert_eq!(last_good_time(board), Some(kept));
            // The truth again.
            desk.time.lie(0);
            while clock_set(diary).await.0 > now_unix_ms() + YEAR_MS as u64 {}
            assert_eq!(last_good_time(board), Some(kept));
        })
        .await;
    });
}

/// What a sagging supply, or an oscillator that was measured wrongly, leaves in a chip's clock: years in
/// which the certificates are good.
#[test]
fn a_time_server_that_lies_is_outvoted_by_two_and_not_believed_against_one() {
    scenario(async {
        let desk = Desk::set().await;
        let [liar, other] = [
            desk.another_time_server().await,
            desk.another_time_server().await,
        ];
        liar.lie(YEAR_MS);
        let (liar, other_address) = (liar.address(), other.address());
        let three = format!(
            r#","sntp_server":"{liar}, {}, {other_address}""#,
            desk.time.address()
        );
        let server = desk.server().await;
        let flash = desk.flash(&serial(74), server.mqtt_addr().port(), &three);
        let board = desk.board(flash, 74);
        play(&desk, &board, 74, async |diary| {
            let (unix_ms, source) = clock_set(diary).await;
            assert_eq!(source, ClockSource::Sntp);
            assert!(unix_ms.abs_diff(now_unix_ms()) < 1_000, "{unix_ms}");
            diary.until_named("telemetry.acknowledged").await;
            other.be_silent(true);
            restart(&server, 74, diary).await;
            let (unix_ms, source) = clock_set(diary).await;
            assert_eq!(source, ClockSource::Kept);
            assert!(unix_ms.abs_diff(now_unix_ms()) < 1_000, "{unix_ms}");
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
    });
}

#[test]
fn a_clock_that_ran_on_into_the_far_future_is_not_believed() {
    scenario(async {
        let desk = Desk::set().await;
        online(&desk, 73, async |server, board, diary| {
            embassy_time::Timer::after_secs(180).await;
            let kept = last_good_time(board).expect("a good time is kept once it has proven good");
            for years in [-1, 5] {
                desk.time.be_silent(true);
                let now_unix_ms = now_unix_ms();
                let wrong = now_unix_ms.saturating_add_signed(years * YEAR_MS);
                board.chip.set_unix_ms(wrong);
                restart(server, 73, diary).await;
                assert_eq!(clock_set(diary).await, (kept * 1_000, ClockSource::Floor));
                // Without time stamps, which are the server's then.
                diary.until_named("telemetry.acknowledged").await;
                desk.time.be_silent(false);
                let (unix_ms, source) = clock_set(diary).await;
                assert_eq!(source, ClockSource::Sntp);
                assert!(
                    unix_ms.abs_diff(now_unix_ms) < YEAR_MS as u64 / 2,
                    "{unix_ms}"
                );
            }
        })
        .await;
    });
}
