//! Renewal of a device's certificate, and of the CAs that it trusts its broker by.
//!
//! The operator's side is played as `esptb tb renew` does it: the request is read as a client attribute,
//! proven and signed by the authority, and the chain goes back in pieces, each by a call of its own.

mod anchors;
mod asked;
mod lives;
mod openssl;
mod power;
mod refusals;
mod sealed;

use device::event::{Event, Renewal};
use devserver::Datum;
use e2e::{Desk, Diary, Operator, beside, scenario};
use pki::Issued;
use serde_json::json;
use simulator::Simulator;

/// The device of each scenario.
const SERIAL: &str = "SN-800001";

/// A desk, an operator with his server, and a board that is to be provisioned no more with what it tells.
type Bench = (Desk, Operator, Simulator, Diary);

async fn bench() -> Bench {
    let desk = Desk::set().await;
    let operator = Operator::of(desk.server().await, SERIAL);
    let identity = desk.device_identity(SERIAL);
    let flash = desk.flash_of_provisioned(&identity, identity.trust_pem(), operator.port());
    let board = desk.board(flash, 80);
    let diary = Diary::of(&board);
    (desk, operator, board, diary)
}

/// Signs what is asked for, and waits until the device has it. Returns what was issued.
async fn renew(desk: &Desk, operator: &Operator, diary: &mut Diary) -> Issued {
    let issued = operator.sign_request(desk).await;
    diary
        .until(|event| *event == Event::Renewal(Renewal::Renewed))
        .await;
    operator.until_renewed(&issued).await;
    issued
}

/// How often a device began a renewal.
fn requested(diary: &Diary) -> usize {
    let begun = |(_, event): &&(u64, Event)| *event == Event::Renewal(Renewal::Requested);
    diary.read.iter().filter(begun).count()
}

#[test]
fn a_certificate_is_renewed_when_a_call_asks_for_it() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            let before = operator.attribute("certificate_serial").await;
            let answer = operator.call("renewCertificate").await;
            assert_eq!(answer, json!({"ok": true, "state": "REQUESTED"}));
            let request = operator.request().await;
            assert_eq!(request.common_name(), SERIAL);
            let issued = renew(&desk, &operator, &mut diary).await;
            let serial = operator.attribute("certificate_serial").await;
            assert_eq!(serial, Some(Datum::Text(issued.serial_hex().to_owned())));
            assert_ne!(serial, before);
            let issuer = operator.attribute("certificate_issuer").await;
            assert_eq!(issuer, Some(Datum::Text("esptb Device CA".to_owned())));
        })
        .await;
        assert!(
            !diary.names().contains(&"cloud.failed"),
            "{:?}",
            diary.names()
        );
        // A life later it is still the one.
        board.chip.power_cycle();
        operator
            .server
            .cut(SERIAL)
            .await
            .expect("the device is known");
        beside(&board, async {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            operator.until_state("RENEWED").await;
        })
        .await;
    });
}
