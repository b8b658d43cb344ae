//! Restarts and power cuts amid a renewal, and what comes by cable.

use device::event::{Event, Renewal};
use e2e::{beside, power_goes, scenario};
use serde_json::json;

use super::{SERIAL, bench, renew};

#[test]
fn a_restart_in_each_state_changes_nothing() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator.call("renewCertificate").await;
            let request = operator.request().await;
            board.chip.restart();
            diary.until_named("telemetry.acknowledged").await;
            let issued = desk.pki.sign(&request, None).expect("a certificate");
            operator.send_chain(&issued.chain_der()).await;
            diary
                .until(|event| *event == Event::Renewal(Renewal::Trying))
                .await;
            board.chip.restart();
            diary
                .until(|event| *event == Event::Renewal(Renewal::Renewed))
                .await;
            board.chip.restart();
            diary.until_named("telemetry.acknowledged").await;
            operator.until_state("RENEWED").await;
            operator
                .until("certificate_serial", issued.serial_hex())
                .await;
        })
        .await;
    });
}

/// The device gets its certificate in the end, and is never without one that works.
#[test]
fn power_that_goes_at_any_write_leaves_the_old_certificate_or_the_new_one() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
        operator.share("renewCertificate", json!("now")).await;
        let (mut cuts, mut answered) = (0, None);
        loop {
            board.chip.power_cycle();
            operator.cut().await;
            board.flash.restore_power();
            board.flash.lose_power_amid(5 + 29 * cuts, cuts);
            let done = tokio::select! {
                biased;
                () = power_goes(&board) => false,
                () = async {
                    // Whatever was cut: it is online, and is taken on from there.
                    diary.until_named("telemetry.acknowledged").await;
                    operator.answer_until_renewed(&desk, &mut answered).await;
                } => true,
            };
            if done {
                break;
            }
            cuts += 1;
            assert!(cuts < 100, "it does not get on");
        }
        board.flash.restore_power();
        assert!(cuts > 10, "the cuts must hit something: {cuts}");
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
        // While the power goes the flash fails, which a device that went on would tell.
        let failed = |(_, event): &(u64, Event)| match event {
            Event::Renewal(Renewal::Failed { why }) => !why.contains("the flash does not answer"),
            _ => false,
        };
        assert!(!diary.read.iter().any(failed));
    });
}

#[test]
fn forgetting_the_network_keeps_what_was_renewed() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator.call("renewCertificate").await;
            renew(&desk, &operator, &mut diary).await;
            let serial = operator.text("certificate_serial").await;
            operator.call("factoryReset").await;
            diary.until_named("provisioning.started").await;
            let mut phone = e2e::Phone::paired_with(&desk, "PROV_1A2B50").await;
            phone.send(e2e::NETWORK, e2e::PASSPHRASE).await;
            drop(phone);
            diary.until_named("telemetry.acknowledged").await;
            operator.until("certificate_serial", &serial).await;
        })
        .await;
    });
}

/// Whoever is at the board with a cable says who the device is.
#[test]
fn another_certificate_by_cable_ends_the_renewed_one() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator.call("renewCertificate").await;
            renew(&desk, &operator, &mut diary).await;
        })
        .await;
        let renewed = operator.text("certificate_serial").await;
        let identity = desk.device_identity(SERIAL);
        let other = desk.flash_of_provisioned(&identity, identity.trust_pem(), operator.port());
        let spiffs = 0x29_0000..0x2d_0000;
        board.flash.overlay(spiffs.start, &other.to_bytes()[spiffs]);
        board.chip.power_cycle();
        operator.cut().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            while operator.text("certificate_serial").await == renewed {
                diary.until_named("telemetry.acknowledged").await;
            }
        })
        .await;
    });
}
