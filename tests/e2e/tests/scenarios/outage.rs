//! Outages longer than memory holds, restarts with unsent samples, power that goes: what waits in flash
//! comes to the server, with the time at which it was taken, and what gave way is counted.

use std::time::Duration;

use device::context::QUEUE_SAMPLES;
use device::event::Event;
use devserver::Server;
use e2e::{Desk, Diary, Maker, beside, play, scenario, with_backlog};
use embassy_time::Instant;
use serde_json::json;
use simulator::Simulator;
use simulator::flash::Flash;
use simulator::image::Image;

const NAME: &str = "SN-95";
/// Ten samples a second, so that memory is full after a minute.
const FAST_SAMPLES: &str = r#","telemetry_interval_ms":100"#;

/// A board online with a place for samples in flash.
async fn online(
    sectors: u32,
    settings: impl AsRef<str>,
    story: impl AsyncFnOnce(&Desk, &Server, &Simulator, &mut Diary),
) {
    let desk = Desk::set().await;
    let server = desk.server().await;
    let flash = desk.flash(NAME, server.mqtt_addr().port(), settings.as_ref());
    let flash = Flash::from_bytes(with_backlog(&flash.to_bytes(), sectors));
    let board = desk.board(flash, 95);
    play(&desk, &board, 95, async |diary| {
        diary.until_named("telemetry.acknowledged").await;
        story(&desk, &server, &board, diary).await;
    })
    .await;
}

/// Takes the network away until `over`.
async fn without_network<T>(desk: &Desk, over: impl Future<Output = T>) -> T {
    let mut gone = None;
    let air = &desk.world.wifi;
    air.change(|networks| gone = Some(networks.remove(0)));
    let done = over.await;
    air.change(|networks| networks.extend(gone));
    air.change(|networks| networks.rotate_right(1));
    done
}

/// Reads on until this many more samples were taken.
async fn sampled(diary: &mut Diary, samples: usize) {
    for _ in 0..samples {
        diary
            .until(|event| matches!(event, Event::Sampled(_)))
            .await;
    }
}

/// What a diary tells of samples.
#[derive(Debug, Default, PartialEq)]
struct Told {
    taken: u64,
    acknowledged: u64,
    from_flash: u64,
    kept: u64,
    dropped: u64,
}

fn told(diary: &Diary) -> Told {
    let mut told = Told::default();
    let mut dropped_before = 0;
    for (_, event) in &diary.read {
        match event {
            Event::Booted { .. } => dropped_before = told.dropped,
            Event::Sampled(_) => told.taken += 1,
            Event::Acknowledged { samples, .. } => told.acknowledged += u64::from(*samples),
            Event::BacklogAcknowledged { samples } => told.from_flash += u64::from(*samples),
            Event::SamplesKept { samples } => told.kept += u64::from(*samples),
            Event::SamplesDropped { total } => told.dropped = dropped_before + u64::from(*total),
            Event::BacklogFailed => panic!("the ring is damaged"),
            _ => {}
        }
    }
    told
}

/// Reads on until all is sent that was kept, and what is taken now.
async fn caught_up(diary: &mut Diary) -> Told {
    loop {
        diary.until_named("telemetry.acknowledged").await;
        let told = told(diary);
        if told.from_flash + told.dropped >= told.kept {
            return told;
        }
    }
}

/// The times of all samples that the server has, in milliseconds since 1970.
async fn times(server: &Server) -> Vec<i64> {
    let series = server.series(NAME, "temperature", 0..i64::MAX, 1_000_000);
    let points = series.await.expect("it is there");
    points.iter().map(|point| point.ts_ms).collect()
}

#[test]
fn an_outage_longer_than_memory_holds_loses_nothing() {
    scenario(online(304, FAST_SAMPLES, async |desk, server, _, diary| {
        let outage = 3 * QUEUE_SAMPLES;
        without_network(desk, sampled(diary, outage)).await;
        let told = caught_up(diary).await;
        assert!(told.kept > QUEUE_SAMPLES as u64, "{told:?}");
        assert_eq!((told.dropped, told.from_flash), (0, told.kept));
        let times = times(server).await;
        // What was taken since is on its way.
        assert!(
            times.len() as u64 >= told.acknowledged + told.from_flash,
            "{told:?}"
        );
        assert!(
            told.taken - told.acknowledged - told.from_flash < 20,
            "{told:?}"
        );
        // Each at its own time on the grid, some of whose slots a busy computer leaves empty; none at two.
        let steps = times.windows(2).map(|two| two[1] - two[0]);
        let off = steps.filter(|step| step % 100 != 0).count();
        assert!(off < 5, "{off} of {} are off the grid", times.len());
    }));
}

#[test]
fn a_restart_that_was_asked_for_during_an_outage_of_the_broker_loses_nothing() {
    scenario(online(
        304,
        FAST_SAMPLES,
        async |desk, server, board, diary| {
            let before = without_network(desk, async {
                sampled(diary, 50).await;
                board.chip.hold_button();
                diary.until_named("boot").await;
                told(diary)
            })
            .await;
            assert!(before.kept >= 50, "{before:?}");
            assert_eq!(before.taken, before.acknowledged + before.kept);
            // It was a factory reset, so it waits for a phone: nothing was lost all the same.
            let mut phone = e2e::Phone::paired_with(desk, "PROV_1A2B5F").await;
            phone.send(e2e::NETWORK, e2e::PASSPHRASE).await;
            drop(phone);
            let told = caught_up(diary).await;
            assert_eq!((told.dropped, told.from_flash), (0, told.kept));
            let times = times(server).await;
            let sent = told.acknowledged + told.from_flash;
            assert!(times.len() as u64 >= sent, "{told:?} {times:?}");
        },
    ));
}

#[test]
fn where_even_the_flash_is_full_the_oldest_go_and_are_counted() {
    // With all vitals in each sample, two sectors hold some hundreds.
    let settings = format!(r#"{FAST_SAMPLES},"vitals_interval_s":0"#);
    scenario(online(2, settings, async |desk, server, _, diary| {
        without_network(desk, sampled(diary, 6 * QUEUE_SAMPLES)).await;
        let told = caught_up(diary).await;
        assert!(told.dropped > 100 && told.from_flash > 100, "{told:?}");
        assert_eq!(told.kept, told.from_flash + told.dropped, "{told:?}");
        assert!(times(server).await.len() as u64 >= told.acknowledged + told.from_flash);
        // The server is told how many are missing.
        loop {
            let latest = server.latest(NAME).await.expect("it is there");
            let dropped = latest
                .get("dropped")
                .map(|point| serde_json::to_value(&point.value));
            if let Some(Ok(dropped)) = dropped
                && dropped == json!(told.dropped)
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }));
}

/// Asks the device for something that restarts it, once it is online again with much to send.
async fn restart(server: &Server, diary: &mut Diary, method: &str) {
    diary.until_named("cloud.online").await;
    let answer = server.send_rpc(NAME, method, json!({}));
    answer.await.expect("an answer");
    diary.until_named("boot").await;
}

#[test]
fn a_restart_by_the_server_keeps_what_is_unsent() {
    for method in ["reboot", "factoryReset"] {
        scenario(online(
            304,
            FAST_SAMPLES,
            async move |desk, server, _, diary| {
                without_network(desk, sampled(diary, 500)).await;
                restart(server, diary, method).await;
                let before = told(diary);
                assert!(before.kept > 100, "{before:?}");
                assert_eq!(before.taken, before.acknowledged + before.kept);
                if method == "factoryReset" {
                    let mut phone = e2e::Phone::paired_with(desk, "PROV_1A2B5F").await;
                    phone.send(e2e::NETWORK, e2e::PASSPHRASE).await;
                }
                let told = caught_up(diary).await;
                assert_eq!((told.dropped, told.from_flash), (0, told.kept));
                assert!(times(server).await.len() as u64 >= told.acknowledged + told.from_flash);
            },
        ));
    }
}

#[test]
fn an_update_keeps_what_is_unsent() {
    scenario(async {
        let maker = Maker::new();
        let desk = Desk::set().await;
        let server = desk.server().await;
        let port = server.mqtt_addr().port();
        let flash = maker.flash(&desk, NAME, port, &Image::of("1.0.0"));
        let flash = Flash::from_bytes(with_backlog(&flash.to_bytes(), 304));
        let board = desk.board(flash, 95);
        let mut diary = Diary::of(&board);
        let story = async {
            diary.until_named("telemetry.acknowledged").await;
            let often = server.set_shared_attribute(NAME, "telemetryIntervalMs", json!(100));
            often.await.expect("it is taken");
            diary.until_named("telemetry.interval").await;
            let firmware = maker.firmware(&Image::of("1.1.0"));
            let assigned = server.assign_firmware(NAME, firmware).await;
            assigned.expect("it is assigned");
            diary.until_named("boot").await;
            let before = told(&diary);
            // Between two messages there are always some.
            assert!(before.kept > 0, "{before:?}");
            assert_eq!(before.taken, before.acknowledged + before.kept);
            diary.until_named("firmware.accepted").await;
            let told = caught_up(&mut diary).await;
            assert_eq!((told.dropped, told.from_flash), (0, told.kept));
        };
        beside(&board, story).await;
    });
}

/// A life without a calendar, with unsent samples when it restarts; what becomes of them in the next, which
/// has one.
async fn without_calendar(power_stays: bool) {
    let desk = Desk::set().await;
    let server = desk.server().await;
    let flash = desk.flash(NAME, server.mqtt_addr().port(), FAST_SAMPLES);
    let board = desk.board(Flash::from_bytes(with_backlog(&flash.to_bytes(), 304)), 95);
    desk.time.be_silent(true);
    play(&desk, &board, 95, async |diary| {
        // By the time that the firmware was built: certificates are checked, and samples go without a stamp.
        diary.until_named("telemetry.acknowledged").await;
        without_network(&desk, sampled(diary, 500)).await;
        // From here on what is measured goes out at once, without a stamp.
        let back = Instant::now();
        diary.until_named("cloud.online").await;
        if !power_stays {
            // What outlives a restart is gone before the next life begins.
            board.chip.power_cycle();
        }
        let restarting = server.send_rpc(NAME, "reboot", json!({}));
        restarting.await.expect("an answer");
        diary.until_named("restart").await;
        // Before the next life can send anything.
        let sent: Vec<i64> = without_network(&desk, times(&server)).await;
        desk.time.be_silent(false);
        diary.until_named("boot").await;
        let before = told(diary);
        sampled(diary, 1).await;
        let between_ms = back.elapsed().as_millis() as i64;
        assert!(before.kept > 300, "{before:?}");
        let told = caught_up(diary).await;
        let after = times(&server).await;
        let new: Vec<i64> = after.into_iter().filter(|ts| !sent.contains(ts)).collect();
        if power_stays {
            assert_eq!((told.dropped, told.from_flash), (0, told.kept));
            // Two grids, of two lives.
            let steps = new.windows(2).map(|two| two[1] - two[0]);
            let off = steps.clone().filter(|step| step % 100 != 0).count();
            assert!(off < 5, "{off} of {} are off the grid", new.len());
            // And between the two no more than passed between what was kept and the first of the next life.
            let longest = steps.max().unwrap_or_default();
            assert!(
                longest <= between_ms + 200,
                "{longest} ms, where {between_ms} ms had passed"
            );
            assert!(new.len() as u64 >= told.kept);
        } else {
            assert_eq!((told.dropped, told.from_flash), (told.kept, 0));
        }
    })
    .await;
}

#[test]
fn a_life_without_a_calendar_gets_its_time_from_the_next() {
    scenario(without_calendar(true));
}

#[test]
fn samples_of_a_life_without_a_calendar_are_counted_as_lost_after_a_power_cut() {
    scenario(without_calendar(false));
}

#[test]
fn after_an_outage_the_newest_or_the_oldest_go_first_as_it_is_set_and_never_all_at_once() {
    for (order, flash_first) in [("newest", false), ("oldest", true)] {
        let settings = format!(r#"{FAST_SAMPLES},"outage_order":"{order}""#);
        scenario(online(304, settings, async move |desk, _, _, diary| {
            without_network(desk, sampled(diary, 2 * QUEUE_SAMPLES)).await;
            diary.until_named("cloud.online").await;
            let from = diary.read.len();
            let told = caught_up(diary).await;
            assert_eq!((told.dropped, told.from_flash), (0, told.kept));
            let names: Vec<_> = diary.read[from..]
                .iter()
                .map(|(at_ms, event)| (*at_ms, event.name()))
                .collect();
            let first = |name| names.iter().position(|(_, known)| *known == name);
            let (live, kept) = ("telemetry.acknowledged", "telemetry.caught_up");
            let times: Vec<_> = names.iter().filter(|(_, name)| *name == kept).collect();
            let lives = first(live).expect("live samples, too");
            let behind = names[lives..].iter().filter(|(_, name)| *name == kept);
            match flash_first {
                // A few may go there while the first live message is on its way: memory is still full then.
                true => assert!(behind.count() * 10 <= times.len(), "{lives}: {times:?}"),
                false => assert!(lives < first(kept).unwrap_or(0), "{lives}: {times:?}"),
            }
            // Message for message, like all telemetry.
            let pauses = times.windows(2).map(|two| two[1].0 - two[0].0);
            let quick = pauses.filter(|pause_ms| *pause_ms < 500).count();
            assert!(times.len() > 10 && quick == 0, "{times:?}");
        }));
    }
}
