//! Updates of the firmware: a package that the maker signed runs in the end, and no other one ever does.

mod changes;
mod far;
mod payloads;
mod refusals;
mod trial;

use device::event::{Event, RestartReason};
use devserver::{Firmware, Limits, Server};
use e2e::{
    Desk, Diary, Maker, UPDATED, Watch, assign, beside, latest, power_goes, scenario, second_slot,
};
use simulator::Simulator;
use simulator::image::Image;

/// The device of each scenario.
const SERIAL: &str = "SN-700001";

/// Who made the board, and operates it.
struct Vendor {
    desk: Desk,
    maker: Maker,
    server: Server,
}

impl Vendor {
    /// Assigns a package of this image to the board.
    async fn assign(&self, image: &Image<'_>) {
        self.give(self.maker.firmware(image)).await;
    }

    /// Assigns this package to it.
    async fn give(&self, firmware: Firmware) {
        assign(&self.server, SERIAL, firmware).await;
    }

    /// Ends the board's connection, if it has one.
    async fn cut(&self) {
        let cut = self.server.cut(SERIAL).await;
        cut.expect("the device is known");
    }

    /// The version that the board says it runs.
    async fn version(&self) -> String {
        self.latest("current_fw_version").await
    }

    async fn latest(&self, key: &str) -> String {
        latest(&self.server, SERIAL, key).await
    }
}

/// A board that runs version 1.0.0 of its maker's, what it tells, and what the server is told of its updates.
type Bench = (Vendor, Simulator, Diary, Watch);

/// With a server that allows what a server usually does.
async fn bench() -> Bench {
    bench_with(Limits::default()).await
}

/// With a server that lets its devices do only so much.
async fn bench_with(limits: Limits) -> Bench {
    let desk = Desk::set().await;
    let server = desk.server_with(limits).await;
    let port = server.mqtt_addr().port();
    bench_at(desk, server, port)
}

/// With a board that finds this server at this port.
fn bench_at(desk: Desk, server: Server, port: u16) -> Bench {
    let maker = Maker::new();
    let flash = maker.flash(&desk, SERIAL, port, &Image::of("1.0.0"));
    let board = desk.board(flash, 70);
    let (diary, watch) = (Diary::of(&board), Watch::of(&server, SERIAL));
    let vendor = Vendor {
        desk,
        maker,
        server,
    };
    (vendor, board, diary, watch)
}

#[test]
fn a_signed_package_is_fetched_beside_telemetry_and_runs() {
    scenario(async {
        let (vendor, board, mut diary, mut watch) = bench().await;
        beside(&board, async {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            let image = Image::of("1.1.0");
            let firmware = vendor.maker.firmware(&image);
            let data = firmware.data.clone();
            vendor.give(firmware).await;
            let (states, _) = watch.states_until("UPDATED").await;
            assert_eq!(states, UPDATED);
            assert_eq!(vendor.version().await, "1.1.0");
            assert_eq!(vendor.latest("current_fw_title").await, "climate");
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
            diary.acknowledged(5).await;
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
        let (vendor, board, mut diary, _) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            let call = async |bytes| {
                let params = serde_json::json!("x".repeat(bytes));
                let answer = vendor.server.send_rpc(SERIAL, "getStatus", params).await;
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
        let (vendor, board, mut diary, mut watch) = bench().await;
        let image = Image {
            len: 200_000,
            ..Image::of("1.1.0")
        };
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
        vendor.assign(&image).await;
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
            vendor.cut().await;
            assert!(cuts < 30, "it does not get on");
        };
        assert!(cuts > 5, "the cuts must hit something: {cuts}");
        // While the power goes the flash fails, which a device that went on would tell.
        let end = ["DOWNLOADED", "VERIFIED", "UPDATING", "UPDATED"];
        assert!(states.ends_with(&end.map(str::to_owned)), "{states:?}");
        assert_eq!(vendor.version().await, "1.1.0");
    });
}

/// Whether the package was fetched as a whole.
fn is_whole(event: &Event) -> bool {
    matches!(
        event,
        Event::FirmwareInstalled { .. } | Event::FirmwareAccepted
    )
}
