//! The old image comes back where the new one does not work.

use device::event::{Event, RestartReason};
use e2e::{Diary, Maker, NETWORK, Watch, beside, scenario};
use simulator::image::Image;

use super::{SERIAL, assign, bench, latest};

#[test]
fn an_image_that_does_not_get_online_gives_way_to_the_old_one() {
    scenario(async {
        // Ten minutes on trial.
        let maker = Maker::new();
        let (desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch::of(&server, SERIAL);
        beside(&board, async {
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
        let mut watch = Watch::of(&server, SERIAL);
        beside(&board, async {
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
            beside(&board, async {
                diary.until_named("boot").await;
            })
            .await;
            board.chip.power_cycle();
        }
        server.cut(SERIAL).await.expect("the device is known");
        beside(&board, async {
            let (_, why) = watch.states_until("FAILED").await;
            assert!(why.contains("the old firmware came back"), "{why}");
            assert_eq!(latest(&server, "current_fw_version").await, "1.0.0");
        })
        .await;
    });
}
