//! Updates of the firmware: a package that the maker signed runs in the end, and no other one ever does.

mod changes;
mod far;
mod payloads;
mod refusals;
mod trial;

use device::event::{Event, RestartReason};
use devserver::{Firmware, Limits, Server};
use e2e::{Desk, Diary, Maker, Watch, beside, scenario, second_slot};
use simulator::Simulator;
use simulator::image::Image;

/// The device of each scenario.
const SERIAL: &str = "SN-700001";

/// The last value of a series, as text.
async fn latest(server: &Server, key: &str) -> String {
    e2e::latest(server, SERIAL, key).await
}

async fn assign(server: &Server, firmware: Firmware) {
    e2e::assign(server, SERIAL, firmware).await;
}

/// A desk, a server, and a board that runs version 1.0.0 of this maker.
async fn bench(maker: &Maker) -> (Desk, Server, Simulator) {
    bench_with(maker, Limits::default()).await
}

/// The same with a server that lets its devices do only so much.
async fn bench_with(maker: &Maker, limits: Limits) -> (Desk, Server, Simulator) {
    let desk = Desk::set().await;
    let server = desk.server_with(limits).await;
    let board = board_at(&desk, maker, server.mqtt_addr().port());
    (desk, server, board)
}

/// Such a board, which connects to this port.
fn board_at(desk: &Desk, maker: &Maker, port: u16) -> Simulator {
    let flash = maker.flash(desk, SERIAL, port, &Image::of("1.0.0"));
    desk.board(flash, 70)
}

#[test]
fn a_signed_package_is_fetched_beside_telemetry_and_runs() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch::of(&server, SERIAL);
        beside(&board, async {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            let image = Image::of("1.1.0");
            let firmware = maker.firmware(&image);
            let data = firmware.data.clone();
            assign(&server, firmware).await;
            let (states, _) = watch.states_until("UPDATED").await;
            let told = [
                "QUEUED",
                "INITIATED",
                "DOWNLOADING",
                "DOWNLOADED",
                "VERIFIED",
                "UPDATING",
                "UPDATED",
            ];
            assert_eq!(states, told);
            assert_eq!(latest(&server, "current_fw_version").await, "1.1.0");
            assert_eq!(latest(&server, "current_fw_title").await, "climate");
            assert_eq!(board.flash.to_bytes()[second_slot(data.len())], data);
            diary.until_named("firmware.accepted").await;
            let why = RestartReason::Update;
            assert!(
                diary
                    .read
                    .iter()
                    .any(|(_, event)| *event == Event::Restarting { why })
            );
            // It stays, and nothing is fetched again.
            board.station.cut();
            diary.until_named("cloud.online").await;
            for _ in 0..5 {
                diary.until_named("telemetry.acknowledged").await;
            }
            let fetched = diary.names();
            let fetched = fetched.iter().filter(|name| **name == "firmware.fetching");
            assert_eq!(fetched.count(), 1);
        })
        .await;
    });
}

/// A device that can be updated has room for chunks, and says so of what is larger still.
#[test]
fn what_is_larger_than_a_chunk_is_told_as_too_large() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            let call = async |bytes| {
                let params = serde_json::json!("x".repeat(bytes));
                let answer = server.send_rpc(SERIAL, "getStatus", params).await;
                answer.expect("an answer").get().to_owned()
            };
            let answer = call(2_000).await;
            assert!(answer.contains("uptime_ms"), "{answer}");
            let answer = call(5_000).await;
            assert!(answer.contains("this device takes 4224"), "{answer}");
        })
        .await;
    });
}

#[test]
fn a_package_is_fetched_on_after_the_power_went_at_any_time() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch::of(&server, SERIAL);
        let image = Image {
            len: 200_000,
            ..Image::of("1.1.0")
        };
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
        assign(&server, maker.firmware(&image)).await;
        // A chunk takes 1,026 operations: a cut in each fifth or so.
        let mut cuts = 0;
        let states = loop {
            board.flash.lose_power_after(5_500 + 97 * cuts);
            let told = tokio::select! {
                biased;
                () = power_goes(&board) => None,
                told = async {
                    diary.until(is_whole).await;
                    // Three lives cut short on trial would bring the old image back.
                    board.flash.restore_power();
                    watch.states_until("UPDATED").await
                } => Some(told),
            };
            if let Some((states, _)) = told {
                break states;
            }
            cuts += 1;
            board.flash.restore_power();
            board.chip.power_cycle();
            server.cut(SERIAL).await.expect("the device is known");
            assert!(cuts < 30, "it does not get on");
        };
        assert!(cuts > 5, "the cuts must hit something: {cuts}");
        // While the power goes the flash fails, which a device that went on would tell.
        let end = ["DOWNLOADED", "VERIFIED", "UPDATING", "UPDATED"];
        assert!(states.ends_with(&end.map(str::to_owned)), "{states:?}");
        assert_eq!(latest(&server, "current_fw_version").await, "1.1.0");
    });
}

/// Whether the package was fetched as a whole.
fn is_whole(event: &Event) -> bool {
    matches!(
        event,
        Event::FirmwareInstalled { .. } | Event::FirmwareAccepted
    )
}

/// Lives until the flash has no power.
async fn power_goes(board: &Simulator) {
    let mut life = std::pin::pin!(board.live_on());
    std::future::poll_fn(|context| {
        let std::task::Poll::Pending = life.as_mut().poll(context);
        match board.flash.power_is_lost() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}
