//! The same lives on a 32-bit core without an operating system, emulated by QEMU.
//!
//! What these show beyond the simulator: that the device lives in heap and stack of a chip's size,
//! and how many instructions it takes.

use device::platform::qr;
use e2e::{
    Desk, EmulatedBoard, EmulatedFlash, Figures, Mosquitto, NETWORK, PASSPHRASE, Phone, TlsVersions,
};
use pki::{Identity, KeyAlgorithm, Profile};
use provisioner::Outcome;
use serde_json::json;

use super::emulated;

/// A board that is new, and a flash for it.
struct Blank<'a> {
    desk: &'a Desk,
    flash: EmulatedFlash,
    number: u8,
}

impl<'a> Blank<'a> {
    fn new(desk: &'a Desk, identity: &Identity, number: u8, broker_port: u16) -> Self {
        let flash = EmulatedFlash::blank(desk, identity, broker_port);
        Self {
            desk,
            flash,
            number,
        }
    }

    async fn power_up(&self) -> EmulatedBoard {
        EmulatedBoard::power_up(self.desk, &self.flash, self.number).await
    }

    /// From blank flash to telemetry.
    async fn first_life(&self) -> Figures {
        let mut board = self.power_up().await;
        board.until("provisioning.started").await;
        let mut drawn = Vec::new();
        let payload = board.payload.as_deref().expect("the QR code's payload");
        qr::draw(payload, qr::BORDER, &mut |line| {
            drawn.push(line.to_owned());
        });
        assert_eq!(board.code, drawn);
        let name = format!("PROV_1A2B{:02X}", self.number);
        let talk = async {
            let mut phone = Phone::paired_with(self.desk, &name).await;
            phone.send(NETWORK, PASSPHRASE).await
        };
        let (outcome, _) = tokio::join!(talk, board.until("provisioning.done"));
        assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
        board.until("cloud.online").await;
        board.until("claim.opened").await;
        board.until("telemetry.acknowledged").await;
        let provisioned = [
            "boot",
            "provisioning.started",
            "provisioning.connected",
            "provisioning.session",
            "provisioning.chosen",
            "wifi.joined",
            "provisioning.done",
            "provisioning.disconnected",
            "bluetooth.stopped",
        ];
        let claimable = ["claim.opened"];
        let names = [&provisioned[..], &CONNECTED, &claimable].concat();
        assert_eq!(board.names, names);
        self.counted(board).await
    }

    /// Straight online, and again after the access point was away.
    async fn second_life(&self) -> Figures {
        let mut board = self.power_up().await;
        for _ in 0..5 {
            board.until("telemetry.acknowledged").await;
        }
        let joined = ["boot", "wifi.joining", "wifi.joined"];
        assert_eq!(board.names, [&joined[..], &CONNECTED].concat());
        board.press('w').await;
        board.until("wifi.lost").await;
        board.until("cloud.online").await;
        for _ in 0..2 {
            board.until("telemetry.acknowledged").await;
        }
        let figures = self.counted(board).await;
        let heap = figures.memory("heap");
        assert!(
            heap.most_used <= SECOND_LIFE_HEAP,
            "more heap than a chip has to spare: {heap:?}"
        );
        figures
    }

    async fn counted(&self, board: EmulatedBoard) -> Figures {
        let figures = board.switch_off().await;
        let stack = figures.memory("stack");
        assert!(
            stack.most_used <= stack.size / 4 * 3,
            "less than a quarter of the stack to spare: {stack:?}"
        );
        figures
    }
}

/// The most heap that a life without Bluetooth may take, in bytes.
const SECOND_LIFE_HEAP: u64 = 64 * 1024;

/// The most heap that a handshake may leave in use, in bytes: the connection's state. While MbedTLS
/// runs it has 25 KiB more, for the buffers of records.
const TLS_HEAP: u64 = 12 * 1024;
/// The most that a handshake may take, with these buffers.
const TLS_HEAP_PEAK: u64 = 40_000;

/// What happens from the network to the broker.
const CONNECTED: [&str; 5] = [
    "clock.set",
    "credentials.proven",
    "cloud.connecting",
    "cloud.tls",
    "cloud.online",
];

/// The most that a phase may cost, so that nobody makes it dearer unseen.
struct Budget {
    phase: &'static str,
    instructions: u64,
    heap_peak: u64,
    heap_kept: u64,
}

const P256_HANDSHAKE: Budget = Budget {
    phase: "handshake-full",
    instructions: 35_000_000,
    heap_peak: TLS_HEAP_PEAK,
    heap_kept: TLS_HEAP,
};

const RSA_2048_HANDSHAKE: Budget = Budget {
    phase: "handshake-full",
    instructions: 240_000_000,
    // RSA's arithmetic takes more than P-256's.
    heap_peak: 45_000,
    heap_kept: TLS_HEAP,
};

/// In the first life: security 2, with its arithmetic in 3072 bits, takes most of it, as `cargo xtask test emulated`
/// bounds it exactly. Here a client on a busy computer lets the device wait, which takes instructions, too.
const PROVISIONING: Budget = Budget {
    phase: "boot-to-provisioned",
    instructions: 450_000_000,
    // What serves the client is on the heap, and no longer in the frame of the device's life; so is what security 2 has
    // worked out ahead.
    heap_peak: 47_000,
    heap_kept: 45_500,
};

const RESUMPTION: Budget = Budget {
    phase: "handshake-resumed",
    instructions: 5_000_000,
    heap_peak: TLS_HEAP_PEAK,
    heap_kept: TLS_HEAP,
};

/// With a server that prefers AES-256 and SHA-384, as OpenSSL does: in software, they take a fifth
/// more.
const RESUMPTION_AES_256: Budget = Budget {
    instructions: 6_500_000,
    ..RESUMPTION
};

/// A sample, taken, sent and acknowledged.
const MESSAGE: Budget = Budget {
    phase: "message",
    instructions: 190_000,
    heap_peak: 27_000,
    heap_kept: 500,
};

fn keep_to(budgets: &[Budget], figures: &Figures) {
    for budget in budgets {
        let figure = figures.of(budget.phase);
        assert!(
            figure.instructions <= budget.instructions
                && figure.heap_peak <= budget.heap_peak
                && figure.heap_kept <= budget.heap_kept,
            "{} has become dearer: {figure:?}",
            budget.phase
        );
    }
}

#[test]
fn two_lives_with_the_local_server() {
    emulated(async |desk| {
        let server = desk.server().await;
        let identity = desk.pki.device("SN-000101").expect("a certificate");
        let blank = Blank::new(&desk, &identity, 101, server.mqtt_addr().port());
        let first = blank.first_life().await;
        keep_to(&[PROVISIONING, P256_HANDSHAKE], &first);
        let attributes = server.client_attributes("SN-000101").await;
        let chip = &attributes.expect("attributes")["chip"];
        assert_eq!(serde_json::to_value(chip).expect("JSON"), "qemu-virt");

        let second = blank.second_life().await;
        keep_to(&[P256_HANDSHAKE, RESUMPTION, MESSAGE], &second);
        let latest = server.latest("SN-000101").await.expect("telemetry");
        assert!(latest.contains_key("temperature"), "{latest:?}");
        let [free, largest] = ["heap_free", "heap_largest"].map(|key| {
            let value = serde_json::to_value(&latest[key].value).expect("JSON");
            value.as_u64().expect("a number of bytes")
        });
        // In pieces, and not into crumbs.
        assert!(free / 4 < largest && largest <= free, "{largest} of {free}");
    });
}

#[test]
fn two_lives_with_an_rsa_key() {
    emulated(async |desk| {
        let server = desk.server().await;
        let profile = Profile {
            algorithm: KeyAlgorithm::Rsa2048,
            ..Profile::default()
        };
        let identity = desk.pki.device_with("SN-000102", &profile);
        let identity = identity.expect("a certificate");
        let blank = Blank::new(&desk, &identity, 102, server.mqtt_addr().port());
        blank.first_life().await;
        let second = blank.second_life().await;
        keep_to(&[RSA_2048_HANDSHAKE, RESUMPTION], &second);
    });
}

#[test]
fn two_lives_with_mosquitto() {
    emulated(async |desk| {
        let broker = Mosquitto::start(&desk, TlsVersions::From12).await;
        let (_client, mut lines) = broker.subscribe("v1/devices/me/telemetry");
        let identity = desk.pki.device("SN-000103").expect("a certificate");
        let blank = Blank::new(&desk, &identity, 103, broker.port);
        blank.first_life().await;
        let second = blank.second_life().await;
        keep_to(&[P256_HANDSHAKE, RESUMPTION_AES_256, MESSAGE], &second);
        for _ in 0..8 {
            let line = lines.next_line().await.expect("output");
            let line = line.expect("a message");
            assert!(line.contains("\"temperature\""), "{line}");
        }
    });
}

/// What once wrote beyond a buffer: HelloRetryRequest.
#[test]
fn a_broker_that_wants_p384_alone_is_talked_to() {
    emulated(async |desk| {
        let broker = Mosquitto::start(&desk, TlsVersions::Only13InP384).await;
        let identity = desk.pki.device("SN-000110").expect("a certificate");
        let flash = EmulatedFlash::provisioned(&desk, &identity, broker.port);
        let mut board = EmulatedBoard::power_up(&desk, &flash, 110).await;
        for _ in 0..3 {
            board.until("telemetry.acknowledged").await;
        }
        assert!(!board.names.contains(&"cloud.failed".to_owned()));
        board.press('w').await;
        board.until("wifi.lost").await;
        board.until("cloud.online").await;
        board.switch_off().await;
    });
}

#[test]
fn an_rpc_resets_the_machine_whose_clock_runs_on() {
    emulated(async |desk| {
        let server = desk.server().await;
        let identity = desk.pki.device("SN-000104").expect("a certificate");
        let blank = Blank::new(&desk, &identity, 104, server.mqtt_addr().port());
        blank.first_life().await;

        let mut board = blank.power_up().await;
        board.until("telemetry.acknowledged").await;
        // The first life kept where the network was, so that nobody looked at all channels, which takes
        // 1,560 ms.
        let joining_ms = board.at_ms("wifi.joined") - board.at_ms("wifi.joining");
        assert!(joining_ms < 1_000, "{joining_ms}");
        // A time server comes first, so there is none.
        desk.time.be_silent(true);
        let (answer, _) = tokio::join!(
            server.send_rpc("SN-000104", "reboot", json!({})),
            board.until("restart"),
        );
        answer.expect("an answer");
        let boot = board.until("boot").await;
        assert!(boot.contains("software"), "{boot}");
        assert!(!board.names.contains(&"boot.paused".to_owned()));
        let clock = board.until("clock.set").await;
        assert!(clock.contains("kept through the restart"), "{clock}");
        board.until("telemetry.acknowledged").await;

        // The button forgets the network.
        board.press('b').await;
        board.until("restart").await;
        board.until("provisioning.started").await;
        board.switch_off().await;
    });
}

/// Some samples, into a ring that was never looked at before: the state of its 304 sectors is read.
const KEPT_BEFORE_RESTART: Budget = Budget {
    phase: "kept-before-restart",
    instructions: 200_000,
    heap_peak: 512,
    heap_kept: 0,
};

#[test]
fn what_is_unsent_before_a_restart_is_kept_in_flash_and_sent_in_the_next_life() {
    emulated(async |desk| {
        let server = desk.server().await;
        let identity = desk.pki.device("SN-000111").expect("a certificate");
        let port = server.mqtt_addr().port();
        let flash = EmulatedFlash::with_place_for_samples(&desk, &identity, port);
        let mut board = EmulatedBoard::power_up(&desk, &flash, 111).await;
        board.until("telemetry.acknowledged").await;
        let often = server.set_shared_attribute("SN-000111", "telemetryIntervalMs", json!(100));
        often.await.expect("it is taken");
        board.until("telemetry.interval").await;
        board.press('w').await;
        board.until("wifi.lost").await;
        for _ in 0..6 {
            board.until("telemetry.sampled").await;
        }
        // It does not wait for the server, as a restart by RPC does for a while.
        board.press('b').await;
        board.until("telemetry.kept").await;
        board.until("provisioning.started").await;
        let talk = async {
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B6F").await;
            phone.send(NETWORK, PASSPHRASE).await
        };
        let (outcome, _) = tokio::join!(talk, board.until("provisioning.done"));
        assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
        board.until("telemetry.caught_up").await;
        let figures = board.switch_off().await;
        keep_to(&[KEPT_BEFORE_RESTART], &figures);
        println!("{:?}", figures.of(KEPT_BEFORE_RESTART.phase));
    });
}

/// The panic handler is the firmware's: nothing else runs, the record is kept and told, its crashes are
/// counted, also where the message cannot be formatted.
#[test]
fn a_panic_is_recorded_and_told_and_many_make_the_board_pause() {
    emulated(async |desk| {
        let server = desk.server().await;
        let identity = desk.pki.device("SN-000108").expect("a certificate");
        let mut blank = Blank::new(&desk, &identity, 108, server.mqtt_addr().port());
        blank.flash = EmulatedFlash::provisioned(&desk, &identity, server.mqtt_addr().port());
        let mut board = blank.power_up().await;
        board.may_panic = true;
        board.until("telemetry.acknowledged").await;
        for (key, message) in [
            ('p', "somebody pressed a key"),
            ('P', "a panic while a panic was told"),
        ] {
            board.press(key).await;
            let boot = board.until("boot").await;
            assert!(boot.contains("panic"), "{boot}");
            board.until("telemetry.acknowledged").await;
            let attributes = server.client_attributes("SN-000108").await;
            let attributes = attributes.expect("attributes");
            let told = serde_json::to_value(&attributes["panic"]).expect("JSON");
            assert_eq!(told, message);
            let place = serde_json::to_value(&attributes["panic_at"]).expect("JSON");
            assert!(
                place
                    .as_str()
                    .is_some_and(|place| place.contains("keys.rs"))
            );
        }
        // The second crash in a row: the life after it came after a pause.
        assert!(board.names.contains(&"boot.paused".to_owned()));
        board.switch_off().await;
    });
}

/// A poll that never returns starves the executor, and with it whoever feeds the watchdog: interrupts go
/// on and feed nothing. Its patience is fifteen seconds of the board's, each of which takes QEMU a while if it is all
/// computing.
#[test]
fn a_board_that_hangs_is_ended_by_its_watchdog() {
    emulated(async |desk| {
        let server = desk.server().await;
        let identity = desk.pki.device("SN-000109").expect("a certificate");
        let mut blank = Blank::new(&desk, &identity, 109, server.mqtt_addr().port());
        blank.flash = EmulatedFlash::provisioned(&desk, &identity, server.mqtt_addr().port());
        let mut board = blank.power_up().await;
        board.until("telemetry.acknowledged").await;
        board.press('h').await;
        let boot = board.until("boot").await;
        assert!(boot.contains("watchdog"), "{boot}");
        board.until("telemetry.acknowledged").await;
        let attributes = server.client_attributes("SN-000109").await;
        let told = &attributes.expect("attributes")["reset_reason"];
        assert_eq!(serde_json::to_value(told).expect("JSON"), "watchdog");
        board.switch_off().await;
    });
}

/// Power lost while the network is being kept, at several moments: the board comes back blank or
/// provisioned, and can be provisioned.
#[test]
fn power_lost_while_being_provisioned_leaves_the_board_blank_or_provisioned() {
    emulated(async |desk| {
        let server = desk.server().await;
        let identity = desk.pki.device("SN-000105").expect("a certificate");
        let blank = Blank::new(&desk, &identity, 105, server.mqtt_addr().port());
        for moment in ["provisioning.chosen", "wifi.joined", "provisioning.done"] {
            let mut board = blank.power_up().await;
            let settled = ["provisioning.started", "wifi.joining"];
            if board.until_any(&settled).await.contains("wifi.joining") {
                board.press('b').await;
                board.until("provisioning.started").await;
            }
            let talk = async {
                let mut phone = Phone::paired_with(&desk, "PROV_1A2B69").await;
                // The board loses its power in the middle of it.
                let _ = phone.0.provision(NETWORK, PASSPHRASE).await;
            };
            tokio::select! {
                () = async { talk.await; std::future::pending().await } => {}
                _ = board.until(moment) => {}
            }
            drop(board);
        }
        let mut board = blank.power_up().await;
        let settled = ["provisioning.started", "wifi.joining"];
        board.until_any(&settled).await;
        assert!(!board.names.contains(&"storage.failed".to_owned()));
        // What was done is done.
        assert_eq!(board.names, ["boot", "wifi.joining"]);
        board.until("cloud.online").await;
    });
}

#[test]
fn a_key_of_another_board_is_told_and_the_board_waits_to_be_provisioned() {
    emulated(async |desk| {
        let identity = desk.pki.device("SN-000106").expect("a certificate");
        let other = desk.pki.device("SN-000107").expect("a certificate");
        let flash = EmulatedFlash::with_key(&desk, &identity, other.key_pem(), 8883);
        let mut board = EmulatedBoard::power_up(&desk, &flash, 106).await;
        let told = board.until("credentials.refused").await;
        assert!(told.contains("device.key"), "{told}");
        board.until("provisioning.started").await;
        board.switch_off().await;
    });
}
