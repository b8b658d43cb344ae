//! Updates of the firmware: a package that the maker signed runs in the end, and no other one ever does.

use device::event::{Event, RestartReason};
use devserver::{Datum, Event as Seen, Events, Server};
use e2e::{Desk, Diary, Maker, NETWORK, scenario, second_slot};
use simulator::Simulator;
use simulator::image::Image;

/// The device of each scenario.
const SERIAL: &str = "SN-700001";

/// What the server sees of an update.
struct Watch(Events);

impl Watch {
    /// The states told by the device up to this one, and the last reason.
    async fn states_until(&mut self, last: &str) -> (Vec<String>, String) {
        let (mut states, mut why) = (Vec::new(), String::new());
        loop {
            let event = self.0.next().await.expect("the server lives");
            let Seen::Telemetry { device, records } = &*event else {
                continue;
            };
            if device != SERIAL {
                continue;
            }
            for (key, value) in records.iter().flat_map(|record| &record.values) {
                match (key.as_str(), value) {
                    ("fw_state", Datum::Text(state)) => states.push(state.clone()),
                    ("fw_error", Datum::Text(error)) => why = error.clone(),
                    _ => {}
                }
            }
            if states.last().is_some_and(|state| state == last) {
                return (states, why);
            }
        }
    }
}

/// The last value of a series, as text.
async fn latest(server: &Server, key: &str) -> String {
    let all = server.latest(SERIAL).await.expect("telemetry");
    match all.get(key).map(|point| &point.value) {
        Some(Datum::Text(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

/// A desk, a server, and a board that runs version 1.0.0 of this maker.
async fn bench(maker: &Maker) -> (Desk, Server, Simulator) {
    let desk = Desk::set().await;
    let server = desk.server().await;
    let port = server.mqtt_addr().port();
    let flash = maker.flash(&desk, SERIAL, port, &Image::of("1.0.0"));
    let board = desk.board(flash, 70);
    (desk, server, board)
}

/// Plays a story while the board lives one life after the other.
async fn play(board: &Simulator, story: impl Future<Output = ()>) {
    tokio::select! {
        never = board.live_on() => match never {},
        () = story => {}
    }
}

#[test]
fn a_signed_package_is_fetched_beside_telemetry_and_runs() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch(server.events());
        play(&board, async {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            let image = Image::of("1.1.0");
            let firmware = maker.firmware(&image);
            let data = firmware.data.clone();
            let assigned = server.assign_firmware(SERIAL, firmware).await;
            assigned.expect("it is assigned");
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

/// Assigns what the device is not to take, and returns why it says that it does not.
async fn refused(assign: impl AsyncFnOnce(&Server, &Maker)) -> String {
    let maker = Maker::new();
    let (_desk, server, board) = bench(&maker).await;
    let mut diary = Diary::of(&board);
    let mut watch = Watch(server.events());
    let mut why = String::new();
    play(&board, async {
        diary.until_named("telemetry.acknowledged").await;
        assign(&server, &maker).await;
        why = watch.states_until("FAILED").await.1;
        diary.until_named("firmware.refused").await;
        // It is offered on the next connection, too, and never runs.
        board.station.cut();
        for _ in 0..3 {
            diary.until_named("telemetry.acknowledged").await;
        }
        assert_eq!(latest(&server, "current_fw_version").await, "1.0.0");
    })
    .await;
    why
}

async fn assign(server: &Server, firmware: devserver::Firmware) {
    let assigned = server.assign_firmware(SERIAL, firmware).await;
    assigned.expect("it is assigned");
}

#[test]
fn a_package_that_was_changed_after_it_was_signed_is_refused() {
    scenario(async {
        let why = refused(async |server, maker| {
            let mut firmware = maker.firmware(&Image::of("1.1.0"));
            firmware.data[5000] ^= 1;
            assign(server, firmware).await;
        })
        .await;
        assert!(why.contains("changed after it was signed"), "{why}");
    });
}

#[test]
fn a_package_of_another_maker_is_refused() {
    scenario(async {
        let why = refused(async |server, _| {
            assign(server, Maker::new().firmware(&Image::of("1.1.0"))).await;
        })
        .await;
        assert!(why.contains("which this device does not have"), "{why}");
    });
}

#[test]
fn an_image_without_a_signature_is_refused() {
    scenario(async {
        let why = refused(async |server, maker| {
            let mut firmware = maker.firmware(&Image::of("1.1.0"));
            firmware.data.truncate(firmware.data.len() - 96);
            assign(server, firmware).await;
        })
        .await;
        assert!(why.contains("nobody signed it"), "{why}");
    });
}

#[test]
fn another_product_another_chip_and_an_older_image_are_refused() {
    scenario(async {
        let image = Image {
            product: "greenhouse",
            ..Image::of("1.1.0")
        };
        let why = refused(async |server, maker| assign(server, maker.firmware(&image)).await).await;
        assert!(why.contains("product"), "{why}");
    });
    scenario(async {
        let image = Image {
            chip: 9,
            ..Image::of("1.1.0")
        };
        let why = refused(async |server, maker| assign(server, maker.firmware(&image)).await).await;
        assert!(why.contains("built for chip number 9"), "{why}");
    });
    scenario(async {
        let image = Image {
            secure_version: 2,
            ..Image::of("1.1.0")
        };
        let why = refused(async |server, maker| assign(server, maker.firmware(&image)).await).await;
        assert!(why.contains('2') && why.contains('3'), "{why}");
    });
}

#[test]
fn a_package_with_a_url_is_refused_with_its_reason() {
    scenario(async {
        let why = refused(async |server, _| {
            let url = serde_json::json!("https://example.com/fw.bin");
            let set = server.set_shared_attribute(SERIAL, "fw_url", url).await;
            set.expect("it is set");
        })
        .await;
        assert!(why.contains("not by URL"), "{why}");
    });
}

#[test]
fn a_package_is_fetched_on_after_the_power_went_at_any_time() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch(server.events());
        let image = Image {
            len: 200_000,
            ..Image::of("1.1.0")
        };
        play(&board, async {
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

#[test]
fn another_package_takes_the_place_of_one_and_one_can_be_taken_away() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch(server.events());
        let image = |version| Image {
            len: 1_200_000,
            ..Image::of(version)
        };
        play(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            // On a busy machine a package may be whole before it is taken away: then another.
            for version in ["1.1.0", "1.1.1", "1.1.2", "1.1.3", "1.1.4", "1.1.5"] {
                assign(&server, maker.firmware(&image(version))).await;
                diary.until_named("firmware.fetching").await;
                let away = server.take_firmware_away(SERIAL).await;
                away.expect("it is taken away");
                let ended =
                    diary.until(|event| is_whole(event) || *event == Event::FirmwareWithdrawn);
                if ended.await == Event::FirmwareWithdrawn {
                    break;
                }
                watch.states_until("UPDATED").await;
            }
            assert!(diary.names().contains(&"firmware.withdrawn"));
            assign(&server, maker.firmware(&image("1.2.0"))).await;
            diary.until_named("firmware.fetching").await;
            assign(&server, maker.firmware(&image("1.3.0"))).await;
            // On a busy machine the one before may have been whole by then.
            while latest(&server, "current_fw_version").await != "1.3.0" {
                watch.states_until("UPDATED").await;
            }
            assert!(!diary.names().contains(&"firmware.refused"));
        })
        .await;
    });
}

#[test]
fn an_image_that_does_not_get_online_gives_way_to_the_old_one() {
    scenario(async {
        // Ten minutes on trial.
        hosttime::set_rate(100);
        let maker = Maker::new();
        let (desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch(server.events());
        play(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            assign(&server, maker.firmware(&Image::of("1.1.0"))).await;
            diary.until_named("firmware.installed").await;
            let why = RestartReason::Update;
            diary
                .until(|event| *event == Event::Restarting { why })
                .await;
            let networks = |reachable| {
                desk.world.wifi.change(|networks| {
                    let network = networks
                        .iter_mut()
                        .find(|network| network.seen.ssid.as_bytes() == NETWORK.as_bytes());
                    network.expect("the desk's network").dhcp = reachable;
                });
            };
            networks(false);
            let why = RestartReason::Rollback;
            diary
                .until(|event| *event == Event::Restarting { why })
                .await;
            networks(true);
            let (states, why) = watch.states_until("FAILED").await;
            assert!(!states.iter().any(|state| state == "UPDATED"), "{states:?}");
            assert!(why.contains("the old firmware came back"), "{why}");
            diary.until_named("firmware.refused").await;
            for _ in 0..3 {
                diary.until_named("telemetry.acknowledged").await;
            }
            assert_eq!(latest(&server, "current_fw_version").await, "1.0.0");
        })
        .await;
    });
}

#[test]
fn an_image_that_crashes_gives_way_to_the_old_one() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch(server.events());
        play(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            assign(&server, maker.firmware(&Image::of("1.1.0"))).await;
            let why = RestartReason::Update;
            diary
                .until(|event| *event == Event::Restarting { why })
                .await;
        })
        .await;
        // Its lives end as they begin: by a panic, a watchdog or the plug.
        for _ in 0..3 {
            play(&board, async {
                diary.until_named("boot").await;
            })
            .await;
            board.chip.power_cycle();
        }
        server.cut(SERIAL).await.expect("the device is known");
        play(&board, async {
            let (_, why) = watch.states_until("FAILED").await;
            assert!(why.contains("the old firmware came back"), "{why}");
            assert_eq!(latest(&server, "current_fw_version").await, "1.0.0");
        })
        .await;
    });
}

/// On trial an image takes no other: it begins with that once it is accepted.
#[test]
fn a_package_that_is_assigned_during_a_trial_comes_after_it() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch(server.events());
        play(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            assign(&server, maker.firmware(&Image::of("1.1.0"))).await;
            diary.until_named("firmware.installed").await;
            assign(&server, maker.firmware(&Image::of("1.2.0"))).await;
            while latest(&server, "current_fw_version").await != "1.2.0" {
                watch.states_until("UPDATED").await;
            }
        })
        .await;
    });
}
