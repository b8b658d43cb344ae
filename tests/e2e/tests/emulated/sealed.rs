//! A key that is sealed for an emulated board's chip, of whose HMAC and eFuses the board has a stand-in.

use e2e::{EmulatedBoard, EmulatedFlash, chip_key, holds, sealed_key, traces};

use super::emulated;

#[test]
fn a_board_goes_online_with_its_sealed_key_and_no_other_does() {
    emulated(async |desk| {
        let server = desk.server().await;
        let (identity, own) = (desk.device_identity("SN-700002"), chip_key(5));
        let key = sealed_key(&identity, &own);
        let port = server.mqtt_addr().port();
        let flash = EmulatedFlash::with_sealed_key(&desk, &identity, &key, port);
        flash.burn(&own);
        let mut board = EmulatedBoard::power_up(&desk, &flash, 71).await;
        board.until("telemetry.acknowledged").await;
        board.switch_off().await;
        let bytes = flash.bytes(0..0x40_0000);
        for trace in traces(identity.key_pem()) {
            assert!(!holds(&bytes, &trace), "the key is in flash");
        }
        // The flash chip, soldered onto another board.
        flash.burn(&chip_key(5));
        let mut board = EmulatedBoard::power_up(&desk, &flash, 72).await;
        let line = board
            .until_any(&["credentials.refused", "cloud.online"])
            .await;
        assert!(
            line.contains("device.key: sealed with another chip's key, or changed"),
            "{line}"
        );
        board.switch_off().await;
    });
}
