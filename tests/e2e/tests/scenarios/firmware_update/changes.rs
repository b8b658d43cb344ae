//! Another package than before, or none.

use device::event::Event;
use e2e::{Diary, Maker, Watch, beside, scenario};
use simulator::image::Image;

use super::{SERIAL, assign, bench, is_whole, latest};

#[test]
fn another_package_takes_the_place_of_one_and_one_can_be_taken_away() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let mut watch = Watch::of(&server, SERIAL);
        let image = |version| Image {
            len: 1_200_000,
            ..Image::of(version)
        };
        beside(&board, async {
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

/// The server ends a connection in which a chunk is asked for that it no longer has, so that the next
/// one learns that the package was taken away.
#[test]
fn a_package_that_is_taken_away_behind_a_connections_back_is_told_as_withdrawn() {
    scenario(async {
        let maker = Maker::new();
        let (_desk, server, board) = bench(&maker).await;
        let mut diary = Diary::of(&board);
        let image = Image {
            len: 1_200_000,
            ..Image::of("1.1.0")
        };
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            assign(&server, maker.firmware(&image)).await;
            diary.until_named("firmware.fetching").await;
            board.station.cut();
            let away = server.take_firmware_away(SERIAL).await;
            away.expect("it is taken away");
            diary.until_named("firmware.withdrawn").await;
            diary.until_named("telemetry.acknowledged").await;
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
        let mut watch = Watch::of(&server, SERIAL);
        beside(&board, async {
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
