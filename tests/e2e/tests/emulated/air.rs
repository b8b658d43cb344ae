//! What comes over the air to a 32-bit core without an operating system: firmware, and another certificate.
//!
//! What these show beyond the simulator: what it costs a core and a memory of a chip's size, and how often the
//! flash is erased. The board has no bootloader: which slot starts is told by `otadata`, and the program is the
//! same whichever it is (emulated/src/platform/boot.rs).

use e2e::{
    EmulatedBoard, EmulatedFlash, Figures, Maker, Operator, UPDATED, Watch, assign, latest,
    second_slot,
};
use serde_json::json;
use simulator::image::Image;

use super::emulated;

/// The most heap that something over the air may take more than telemetry does that goes on beside it, in
/// bytes.
const MORE_HEAP: u64 = 8 * 1024;

/// The most heap that a life without Bluetooth may take, in bytes.
const HEAP: u64 = 64 * 1024;

/// The most instructions for each byte of a package: TLS, MQTT, flash, and the proof of the whole.
const INSTRUCTIONS_A_BYTE: u64 = 700;

/// The most instructions for a renewal, from the message before it until a chain is proven: a new key, a
/// request, pieces.
const RENEWAL_INSTRUCTIONS: u64 = 25_000_000;

/// The image that is sent, in bytes.
const IMAGE: usize = 256 * 1024;

/// Bytes that are erased together.
const SECTOR: usize = 4096;

/// Starts that a new image has, by default.
const STARTS: usize = 3;

/// Telemetry has gone on for a while, so that it is known what it costs.
async fn settled(board: &mut EmulatedBoard) {
    for _ in 0..4 {
        board.until("telemetry.acknowledged").await;
    }
}

/// How much more heap this took than messages of telemetry do. In all it took no more of heap and stack than
/// there is on a chip.
fn more_heap(figures: &Figures, what: &str) -> u64 {
    let peak = |what| figures.of(what).heap_peak;
    let more = peak(what).saturating_sub(peak("message"));
    let (heap, stack) = (figures.memory("heap"), figures.memory("stack"));
    assert!(heap.most_used <= HEAP, "{heap:?}");
    assert!(stack.most_used <= stack.size / 4 * 3, "{stack:?}");
    more
}

#[test]
fn a_signed_package_is_fetched_into_the_other_slot_and_starts() {
    emulated(async |desk| {
        let server = desk.server().await;
        let maker = Maker::new();
        let serial = "SN-000113";
        let identity = desk.pki.device(serial).expect("a certificate");
        let port = server.mqtt_addr().port();
        // What a connection takes where there are no updates: no maker's key, and so no room for chunks.
        let flash = EmulatedFlash::provisioned(&desk, &identity, port);
        let mut board = EmulatedBoard::power_up(&desk, &flash, 113).await;
        settled(&mut board).await;
        let plain = board.switch_off().await.of("connected").heap_kept;

        let runs = Image::of("1.0.0");
        let flash = EmulatedFlash::updatable(&desk, &identity, port, &maker, &runs);
        let mut watch = Watch::of(&server, serial);
        let mut board = EmulatedBoard::power_up(&desk, &flash, 113).await;
        settled(&mut board).await;
        assert_eq!(latest(&server, serial, "current_fw_version").await, "1.0.0");

        let firmware = maker.firmware(&Image {
            len: IMAGE,
            ..Image::of("1.1.0")
        });
        let package = firmware.data.clone();
        assign(&server, serial, firmware).await;
        board.until("firmware.fetching").await;
        board.until("firmware.installed").await;
        let took_ms = board.at_ms("firmware.installed") - board.at_ms("firmware.fetching");

        let figures = board.figures();
        let update = figures.of("update");
        let a_byte = update.instructions / package.len() as u64;
        let erased = figures.erased();
        let more = more_heap(figures, "update");
        let ready = figures.of("connected").heap_kept - plain;
        println!(
            "{} bytes in {took_ms} ms: {a_byte} instructions a byte, {more} bytes of heap more and {ready} to \
             be ready for it; {erased:?}",
            package.len()
        );
        assert!(more + ready <= MORE_HEAP, "{update:?}");
        assert!(a_byte <= INSTRUCTIONS_A_BYTE, "{a_byte}");
        // Those of the package, and that of otadata which keeps account of them; each once.
        assert_eq!(erased.most, 1, "{erased:?}");
        let sectors = package.len().div_ceil(SECTOR) as u64 + 1;
        assert_eq!(erased.sectors, sectors, "{erased:?}");

        // The restart, from the slot that otadata tells, on trial until telemetry is acknowledged.
        board.until("restart").await;
        board.until("boot").await;
        board.until("firmware.accepted").await;
        let (states, _) = watch.states_until("UPDATED").await;
        assert_eq!(states, UPDATED);
        assert_eq!(latest(&server, serial, "current_fw_version").await, "1.1.0");
        board.switch_off().await;
        assert_eq!(flash.bytes(second_slot(package.len())), package);

        // It stays, also through the loss of power.
        let mut board = EmulatedBoard::power_up(&desk, &flash, 113).await;
        settled(&mut board).await;
        assert!(!board.names.iter().any(|name| name.starts_with("firmware.")));
        assert_eq!(latest(&server, serial, "current_fw_version").await, "1.1.0");
        board.switch_off().await;
    });
}

/// Its lives end as they begin: the start is counted before anything else, and the old slot comes back by
/// `otadata`.
#[test]
fn an_image_that_crashes_gives_way_to_the_old_one() {
    emulated(async |desk| {
        let server = desk.server().await;
        let maker = Maker::new();
        let serial = "SN-000115";
        let identity = desk.pki.device(serial).expect("a certificate");
        let port = server.mqtt_addr().port();
        let runs = Image::of("1.0.0");
        let flash = EmulatedFlash::updatable(&desk, &identity, port, &maker, &runs);
        let mut watch = Watch::of(&server, serial);
        let mut board = EmulatedBoard::power_up(&desk, &flash, 115).await;
        board.may_panic = true;
        board.until("telemetry.acknowledged").await;
        assign(&server, serial, maker.firmware(&Image::of("1.1.0"))).await;
        board.until("restart").await;
        for _ in 0..STARTS {
            board.until("wifi.joining").await;
            board.press('p').await;
        }
        let refused = board.until("firmware.refused").await;
        assert!(refused.contains("the old firmware came back"), "{refused}");
        let (states, why) = watch.states_until("FAILED").await;
        assert!(!states.iter().any(|state| state == "UPDATED"), "{states:?}");
        assert!(why.contains("the old firmware came back"), "{why}");
        assert_eq!(latest(&server, serial, "current_fw_version").await, "1.0.0");
        board.switch_off().await;
    });
}

#[test]
fn a_certificate_is_renewed_when_an_attribute_asks_for_it() {
    emulated(async |desk| {
        let serial = "SN-000114";
        let operator = Operator::of(desk.server().await, serial);
        let identity = desk.pki.device(serial).expect("a certificate");
        let flash = EmulatedFlash::provisioned(&desk, &identity, operator.port());
        let mut board = EmulatedBoard::power_up(&desk, &flash, 114).await;
        settled(&mut board).await;
        let before = operator.text("certificate_serial").await;

        operator
            .share("renewCertificate", json!("2026-11-30T08:00"))
            .await;
        let signed = operator.sign_request(&desk);
        let (issued, _) = tokio::join!(signed, board.until("renewal.requested"));
        board.until("renewal.trying").await;
        // By a connection of its own, whose telemetry is acknowledged.
        board.until("cloud.tls").await;
        board.until("renewal.renewed").await;
        tokio::join!(operator.until_renewed(&issued), settled(&mut board));
        assert_ne!(before, issued.serial_hex());
        assert!(!board.names.contains(&"cloud.failed".to_owned()));
        let figures = board.switch_off().await;
        let renewal = figures.of("renewal");
        let more = more_heap(&figures, "renewal");
        assert!(more <= MORE_HEAP, "{renewal:?}");
        assert!(renewal.instructions <= RENEWAL_INSTRUCTIONS, "{renewal:?}");
        println!(
            "{renewal:?}: {more} bytes of heap more; {:?}",
            figures.erased()
        );

        // A life later it is still the one.
        let mut board = EmulatedBoard::power_up(&desk, &flash, 114).await;
        settled(&mut board).await;
        operator.until_renewed(&issued).await;
        board.switch_off().await;
    });
}
