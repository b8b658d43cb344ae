//! What a device does not take, and what it says of it.

use device::cloud::CloudError;
use device::event::Event;
use e2e::{Maker, beside, scenario};
use simulator::image::Image;

use super::{SERIAL, Vendor, bench};

/// Assigns what the device is not to take, and returns why it says that it does not.
async fn refused(assign: impl AsyncFnOnce(&Vendor)) -> String {
    let (vendor, board, mut diary, mut watch) = bench().await;
    let mut why = String::new();
    beside(&board, async {
        diary.until_named("telemetry.acknowledged").await;
        assign(&vendor).await;
        why = watch.states_until("FAILED").await.1;
        diary.until_named("firmware.refused").await;
        // It is offered on the next connection, too, and never runs.
        board.station.cut();
        diary.acknowledged(3).await;
        assert_eq!(vendor.version().await, "1.0.0");
    })
    .await;
    why
}

#[test]
fn a_package_that_was_changed_after_it_was_signed_is_refused() {
    scenario(async {
        let why = refused(async |vendor| {
            let mut firmware = vendor.maker.firmware(&Image::of("1.1.0"));
            firmware.data[5000] ^= 1;
            vendor.give(firmware).await;
        })
        .await;
        assert!(why.contains("changed after it was signed"), "{why}");
    });
}

#[test]
fn a_package_of_another_maker_is_refused() {
    scenario(async {
        let why = refused(async |vendor| {
            vendor
                .give(Maker::new().firmware(&Image::of("1.1.0")))
                .await;
        })
        .await;
        assert!(why.contains("which this device does not have"), "{why}");
    });
}

#[test]
fn an_image_without_a_signature_is_refused() {
    scenario(async {
        let why = refused(async |vendor| {
            let mut firmware = vendor.maker.firmware(&Image::of("1.1.0"));
            firmware.data.truncate(firmware.data.len() - 96);
            vendor.give(firmware).await;
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
        let why = refused(async |vendor| vendor.assign(&image).await).await;
        assert!(why.contains("product"), "{why}");
    });
    scenario(async {
        let image = Image {
            chip: 9,
            ..Image::of("1.1.0")
        };
        let why = refused(async |vendor| vendor.assign(&image).await).await;
        assert!(why.contains("built for chip number 9"), "{why}");
    });
    scenario(async {
        let image = Image {
            secure_version: 2,
            ..Image::of("1.1.0")
        };
        let why = refused(async |vendor| vendor.assign(&image).await).await;
        assert!(why.contains('2') && why.contains('3'), "{why}");
    });
}

#[test]
fn a_package_with_a_url_is_refused_with_its_reason() {
    scenario(async {
        let why = refused(async |vendor| {
            let url = serde_json::json!("https://example.com/fw.bin");
            let set = vendor
                .server
                .set_shared_attribute(SERIAL, "fw_url", url)
                .await;
            set.expect("it is set");
        })
        .await;
        assert!(why.contains("not by URL"), "{why}");
    });
}

/// What can only be asked for again and again is not: each time would cost a connection.
#[test]
fn a_package_that_the_server_offers_and_does_not_have_is_refused() {
    scenario(async {
        let (vendor, board, mut diary, mut watch) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
        for (key, value) in [
            ("fw_title", serde_json::json!("climate")),
            ("fw_version", serde_json::json!("1.1.0")),
            ("fw_size", serde_json::json!(100_000)),
            ("fw_checksum", serde_json::json!("26f0db00")),
            ("fw_checksum_algorithm", serde_json::json!("CRC32")),
        ] {
            let set = vendor.server.set_shared_attribute(SERIAL, key, value).await;
            set.expect("it is set");
        }
        board.chip.power_cycle();
        vendor.cut().await;
        beside(&board, async {
            let (_, why) = watch.states_until("FAILED").await;
            assert!(why.contains("assign it again"), "{why}");
            diary.acknowledged(3).await;
        })
        .await;
        // The end of a connection can overtake its reason.
        let blamed = diary.read.iter().filter(|(_, event)| match event {
            Event::ConnectionFailed { error, .. } => match error {
                CloudError::NoFirmware => true,
                CloudError::Lost(_) => false,
                other => panic!("{other}"),
            },
            _ => false,
        });
        assert_eq!(blamed.count(), 2);
    });
}
