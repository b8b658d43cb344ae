//! Another package than before, or none.

use device::event::Event;
use e2e::{beside, scenario};
use simulator::image::Image;

use super::{SERIAL, bench, is_whole};

#[test]
fn another_package_takes_the_place_of_one_and_one_can_be_taken_away() {
    scenario(async {
        let (vendor, board, mut diary, mut watch) = bench().await;
        let image = |version| Image {
            len: 1_200_000,
            ..Image::of(version)
        };
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            // A package may be whole before it is taken away: then another.
            for version in ["1.1.0", "1.1.1", "1.1.2", "1.1.3", "1.1.4", "1.1.5"] {
                vendor.assign(&image(version)).await;
                diary.until_named("firmware.fetching").await;
                let away = vendor.server.take_firmware_away(SERIAL).await;
                away.expect("it is taken away");
                let ended =
                    diary.until(|event| is_whole(event) || *event == Event::FirmwareWithdrawn);
                if ended.await == Event::FirmwareWithdrawn {
                    break;
                }
                watch.states_until("UPDATED").await;
            }
            assert!(diary.names().contains(&"firmware.withdrawn"));
            vendor.assign(&image("1.2.0")).await;
            diary.until_named("firmware.fetching").await;
            vendor.assign(&image("1.3.0")).await;
            // The one before may have been whole by then.
            while vendor.version().await != "1.3.0" {
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
        let (vendor, board, mut diary, _) = bench().await;
        let image = Image {
            len: 1_200_000,
            ..Image::of("1.1.0")
        };
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            vendor.assign(&image).await;
            diary.until_named("firmware.fetching").await;
            board.station.cut();
            let away = vendor.server.take_firmware_away(SERIAL).await;
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
        let (vendor, board, mut diary, mut watch) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            vendor.assign(&Image::of("1.1.0")).await;
            diary.until_named("firmware.installed").await;
            vendor.assign(&Image::of("1.2.0")).await;
            while vendor.version().await != "1.2.0" {
                watch.states_until("UPDATED").await;
            }
        })
        .await;
    });
}
