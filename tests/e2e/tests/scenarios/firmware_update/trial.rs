//! The old image comes back where the new one does not work.

use device::event::{Event, RestartReason};
use e2e::{NETWORK, beside, scenario};
use simulator::image::Image;

use super::bench;

#[test]
fn an_image_that_does_not_get_online_gives_way_to_the_old_one() {
    scenario(async {
        // Ten minutes on trial.
        let (vendor, board, mut diary, mut watch) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            vendor.assign(&Image::of("1.1.0")).await;
            diary.until_named("firmware.installed").await;
            let why = RestartReason::Update;
            diary
                .until(|event| *event == Event::Restarting { why })
                .await;
            let networks = |reachable| {
                vendor.desk.world.wifi.change(|networks| {
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
            diary.acknowledged(3).await;
            assert_eq!(vendor.version().await, "1.0.0");
        })
        .await;
    });
}

#[test]
fn an_image_that_crashes_gives_way_to_the_old_one() {
    scenario(async {
        let (vendor, board, mut diary, mut watch) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            vendor.assign(&Image::of("1.1.0")).await;
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
        vendor.cut().await;
        beside(&board, async {
            let (_, why) = watch.states_until("FAILED").await;
            assert!(why.contains("the old firmware came back"), "{why}");
            assert_eq!(vendor.version().await, "1.0.0");
        })
        .await;
    });
}
