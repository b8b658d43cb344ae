//! What it takes a 32-bit core to go online while a client waits for the cloud's answer with Bluetooth up.

use std::time::Duration;

use e2e::{EmulatedBoard, EmulatedFlash, NETWORK, PASSPHRASE, Phone};
use provisioner::{Outcome, Verdict};

use super::emulated;

/// The most heap that a handshake may take beside Bluetooth, in bytes: as without it.
const HANDSHAKE_HEAP: u64 = 40_000;

/// The most heap of all that may be in use then. What a chip's own controller takes comes on top; the
/// device asks how much is free before it goes online so (crates/device/src/run/provision.rs).
const HEAP: u64 = 88 * 1024;

#[test]
fn a_first_life_gets_online_with_bluetooth_up() {
    emulated(async |desk| {
        let server = desk.server().await;
        let identity = desk.pki.device("SN-000112").expect("a certificate");
        let flash = EmulatedFlash::blank(&desk, &identity, server.mqtt_addr().port());
        let mut board = EmulatedBoard::power_up(&desk, &flash, 112).await;
        board.until("provisioning.started").await;
        let talk = async {
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B70").await;
            phone.0.ask_online().await.expect("an answer");
            let outcome = phone.send(NETWORK, PASSPHRASE).await;
            assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
            let patience = Duration::from_secs(60);
            phone.0.wait_online(patience).await.expect("a verdict")
        };
        let (verdict, _) = tokio::join!(talk, board.until("bluetooth.stopped"));
        assert!(
            matches!(&verdict, Verdict::Online { name, .. } if name == "SN-000112"),
            "{verdict:?}"
        );
        let before = |what: &str| board.names.iter().position(|name| name == what);
        assert!(before("cloud.online") < before("bluetooth.stopped"));
        board.until("telemetry.acknowledged").await;
        let figures = board.switch_off().await;
        let handshake = figures.of("handshake-beside-bluetooth");
        let (heap, stack) = (figures.memory("heap"), figures.memory("stack"));
        println!("{handshake:?} {heap:?} {stack:?}");
        assert!(handshake.heap_peak <= HANDSHAKE_HEAP, "{handshake:?}");
        assert!(heap.most_used <= HEAP, "{heap:?}");
        assert!(stack.most_used <= stack.size / 4 * 3, "{stack:?}");
    });
}
