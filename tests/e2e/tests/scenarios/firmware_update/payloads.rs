//! Servers that send no chunk as large as a sector of flash (ThingsBoard's `NETTY_MAX_PAYLOAD_SIZE`).

use devserver::Limits;
use e2e::{beside, power_goes, scenario, second_slot};
use simulator::image::Image;

use super::bench_with;

/// A server that takes and sends no more bytes at once.
fn at_most(max_payload: u32) -> Limits {
    Limits {
        max_payload,
        ..Limits::default()
    }
}

#[test]
fn a_chunk_comes_in_parts_where_a_payload_may_be_no_larger() {
    scenario(async {
        let (vendor, board, mut diary, mut watch) = bench_with(at_most(1_500)).await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            // Neither whole chunks nor whole parts.
            let image = Image {
                len: 50_001,
                ..Image::of("1.1.0")
            };
            let firmware = vendor.maker.firmware(&image);
            let data = firmware.data.clone();
            vendor.give(firmware).await;
            watch.states_until("UPDATED").await;
            assert_eq!(vendor.version().await, "1.1.0");
            assert_eq!(board.flash.to_bytes()[second_slot(data.len())], data);
            let lost = diary.names();
            let lost = lost.iter().filter(|name| **name == "cloud.failed");
            assert_eq!(lost.count(), 0, "it asks for no more than it was told");
        })
        .await;
    });
}

#[test]
fn what_came_in_parts_is_asked_for_anew_after_the_power_went() {
    scenario(async {
        let (vendor, board, mut diary, mut watch) = bench_with(at_most(512)).await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
        let image = Image {
            len: 50_000,
            ..Image::of("1.1.0")
        };
        let firmware = vendor.maker.firmware(&image);
        let data = firmware.data.clone();
        vendor.give(firmware).await;
        // A part takes 128 operations: in the second part of a chunk, in its last, between two.
        for operations in [1_700, 2_040, 1_026] {
            board.flash.lose_power_after(operations);
            power_goes(&board).await;
            board.flash.restore_power();
            board.chip.power_cycle();
            vendor.cut().await;
        }
        beside(&board, async {
            watch.states_until("UPDATED").await;
        })
        .await;
        assert_eq!(board.flash.to_bytes()[second_slot(data.len())], data);
    });
}

#[test]
fn a_server_that_sends_less_than_the_head_of_an_image_is_told_what_to_raise() {
    scenario(async {
        let (vendor, board, mut diary, mut watch) = bench_with(at_most(500)).await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            vendor.assign(&Image::of("1.1.0")).await;
            let (_, why) = watch.states_until("FAILED").await;
            assert!(why.contains("raise its limit of payloads"), "{why}");
        })
        .await;
    });
}
