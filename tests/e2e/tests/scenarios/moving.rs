//! Boards that lived with a C firmware move over: whatever its generation laid out and left behind
//! is found, and nobody has to provision them again.
//!
//! | generation | table | files | NVS |
//! |---|---|---|---|
//! | ESP-IDF v5.4.1 | SPIFFS of 0x40000 at 0x290000 | `server_chain.pem` | Wi-Fi driver's |
//! | ESP-IDF 6.1 | SPIFFS of 0x50000 at 0x3b0000 | `root_ca.crt`, `provisioning.pop` | Wi-Fi driver's |

use device::event::Event;
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, PROOF, scenario};
use flashimage::{FlashImage, NvsEntry, NvsValue, PartitionTable};
use simulator::flash::Flash;

const V5: &str = include_str!("../../../../partitions.csv");
const V6: &str = include_str!("../../../../partitions-idf6.csv");

/// What ESP-IDF's Wi-Fi driver keeps of a network: length and name of 32 bytes; a passphrase of 65.
fn driver(key: &str, value: Vec<u8>) -> NvsEntry {
    NvsEntry {
        namespace: "nvs.net80211".into(),
        key: key.into(),
        value: NvsValue::blob(value),
    }
}

fn flash(desk: &Desk, table: &str, trust_file: &str, proof_file: bool, broker_port: u16) -> Flash {
    let identity = desk.device_identity("SN-000001");
    e2e::hide_key(identity.key_pem());
    let mut ssid = (NETWORK.len() as u32).to_le_bytes().to_vec();
    ssid.extend_from_slice(NETWORK.as_bytes());
    ssid.resize(36, 0);
    let mut passphrase = PASSPHRASE.as_bytes().to_vec();
    passphrase.resize(65, 0);
    let image = FlashImage::builder()
        .table(PartitionTable::from_csv(table).expect("a table"))
        .nvs(driver("sta.ssid", ssid))
        .nvs(driver("sta.pswd", passphrase))
        .file("device.crt", identity.chain_pem())
        .file("device.key", identity.key_pem())
        .file(trust_file, identity.trust_pem())
        .file("settings.json", desk.settings(broker_port, ""));
    let image = if proof_file {
        image.file("provisioning.pop", format!("{PROOF}\n"))
    } else {
        image
    };
    Flash::from_bytes(image.build().expect("an image"))
}

fn a_board_moves_over(table: &'static str, trust_file: &'static str, proof_file: bool) {
    scenario(async move {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let port = server.mqtt_addr().port();
        let board = desk.board(flash(&desk, table, trust_file, proof_file, port), 1);
        let mut diary = Diary::of(&board);
        let story = async {
            let booted = diary.until_named("boot").await;
            assert!(
                matches!(
                    booted,
                    Event::Booted {
                        provisioned: true,
                        ..
                    }
                ),
                "{booted}"
            );
            diary.until_named("telemetry.acknowledged").await;
            assert!(
                !diary.names().contains(&"settings.refused"),
                "{:?}",
                diary.names()
            );
        };
        tokio::select! {
            why = board.live() => panic!("the device restarted: {why:?}"),
            () = story => {}
        }
    });
}

#[test]
fn a_board_of_the_first_generation_moves_over() {
    a_board_moves_over(V5, "server_chain.pem", false);
}

#[test]
fn a_board_of_the_second_generation_moves_over() {
    a_board_moves_over(V6, "root_ca.crt", true);
}
