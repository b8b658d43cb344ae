//! The same lives on a 32-bit core without an operating system, emulated by QEMU.
//!
//! What these show beyond the simulator: that the device lives in a heap and stack of a chip's
//! size, and how many instructions it takes.

use devserver::{Event as Seen, Server};
use e2e::{Desk, EmulatedBoard, EmulatedFlash, NETWORK, PASSPHRASE, Phone, scenario};
use provisioner::Outcome;
use serde_json::json;

/// Provisions a board that has just been powered up.
async fn provision(desk: &Desk, board: &mut EmulatedBoard, name: &str) {
    board.until("provisioning.started").await;
    let talk = async {
        let mut phone = Phone::paired_with(desk, name).await;
        phone.send(NETWORK, PASSPHRASE).await
    };
    let console = board.until("provisioning.done");
    let (outcome, _) = tokio::join!(talk, console);
    assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
}

/// Waits until the server has so many records of a device.
async fn telemetry(server: &Server, device: &str, count: usize) {
    let mut events = server.events();
    let mut seen = 0;
    while seen < count {
        let event = events.next().await.expect("the server lives");
        if let Seen::Telemetry {
            device: of,
            records,
        } = &*event
            && of == device
        {
            seen += records.len();
        }
    }
}

#[test]
fn first_and_second_life_against_the_local_server() {
    scenario(async {
        hosttime::set_rate(1);
        let desk = Desk::set().await;
        let server = desk.server().await;
        let identity = desk.pki.device("SN-000101").expect("a device certificate");
        let flash = EmulatedFlash::blank(&desk, &identity, server.mqtt_addr().port());

        let mut board = EmulatedBoard::power_up(&desk, &flash, 101).await;
        provision(&desk, &mut board, "PROV_1A2B65").await;
        board.until("cloud.online").await;
        let (seen, _) = tokio::join!(telemetry(&server, "SN-000101", 3), async {
            for _ in 0..3 {
                board.until("telemetry.acknowledged").await;
            }
        });
        let () = seen;
        assert_eq!(
            board.names,
            [
                "boot",
                "provisioning.started",
                "provisioning.connected",
                "provisioning.session",
                "provisioning.chosen",
                "wifi.joined",
                "provisioning.done",
                "provisioning.disconnected",
                "bluetooth.stopped",
                "clock.set",
                "credentials.proven",
                "cloud.connecting",
                "cloud.tls",
                "cloud.online",
            ]
        );

        // The access point goes away for a moment.
        board.press('w').await;
        board.until("wifi.lost").await;
        board.until("cloud.online").await;
        board.until("telemetry.acknowledged").await;

        // A restart by RPC: the machine is reset, and its clock runs on.
        let answer = server.send_rpc("SN-000101", "reboot", json!({})).await;
        answer.expect("an answer");
        board.until("restart").await;
        let boot = board.until("boot").await;
        assert!(boot.contains("software"), "{boot}");
        let clock = board.until("clock.set").await;
        assert!(clock.contains("kept through the restart"), "{clock}");
        board.until("cloud.online").await;
        board.until("telemetry.acknowledged").await;
        drop(board);

        // The power was cut: the second life goes straight online.
        let mut board = EmulatedBoard::power_up(&desk, &flash, 101).await;
        for _ in 0..10 {
            board.until("telemetry.acknowledged").await;
        }
        assert_eq!(
            board.names,
            [
                "boot",
                "wifi.joining",
                "wifi.joined",
                "clock.set",
                "credentials.proven",
                "cloud.connecting",
                "cloud.tls",
                "cloud.online",
            ]
        );
        board.switch_off().await;
    });
}
