//! Whose a device is: whoever has its label may claim it, for a time.

use device::event::Event;
use devserver::{Event as Seen, Events};
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, Phone, scenario};
use provisioner::Outcome;

const SERIAL: &str = "SN-800001";

/// Waits until the server knows that the device may be claimed; until when.
async fn claimable(events: &mut Events) -> i64 {
    let seen = events.wait(|event| matches!(event, Seen::Claimable { .. }));
    match &*seen.await.expect("the server lives") {
        Seen::Claimable { expires_ms, .. } => *expires_ms,
        other => panic!("{other:?}"),
    }
}

/// A device is provisioned by the code on its label, and claimed by the secret that follows from it. By a
/// wrong secret it cannot be, nor after one, until somebody presses its button.
#[test]
fn one_code_provisions_and_claims() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let mut seen = server.events();
        let flash = desk.flash_without_proof(SERIAL, server.mqtt_addr().port());
        let board = desk.board(flash, 80);
        let mut diary = Diary::of(&board);
        let story = async {
            diary.until_named("provisioning.started").await;
            let proof = diary.proof().to_owned();
            let mut phone = Phone::paired_by(&desk, "PROV_1A2B50", &proof).await;
            let outcome = phone.send(NETWORK, PASSPHRASE).await;
            assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
            drop(phone);
            let opened = diary.until_named("claim.opened").await;
            assert_eq!(opened, Event::ClaimOpened { minutes: 15 });
            claimable(&mut seen).await;
            let secret = protocomm::claim::secret(&proof);
            assert!(!proof.contains(secret.as_str()));
            let claim =
                async |secret: &str| server.claim(SERIAL, secret).await.expect("it is known");
            assert!(!claim("wrong").await);
            assert!(!claim(&secret).await, "not after a wrong one");
            board.chip.press_button();
            diary.until_named("claim.opened").await;
            claimable(&mut seen).await;
            assert!(claim(&secret).await);
            assert!(!claim(&secret).await, "it is somebody's");
        };
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            () = story => {}
        }
    });
}

/// A press without a connection is not lost, and one whose acknowledgement is lost is told again.
#[test]
fn a_press_of_the_button_waits_for_the_connection() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let mut seen = server.events();
        let port = server.mqtt_addr().port();
        let identity = desk.device_identity(SERIAL);
        let flash = desk.flash_of_provisioned(&identity, identity.trust_pem(), port);
        let board = desk.board(flash, 81);
        let mut diary = Diary::of(&board);
        let story = async {
            diary.until_named("telemetry.acknowledged").await;
            let opened = |diary: &Diary| diary.names().contains(&"claim.opened");
            assert!(!opened(&diary), "it was provisioned in another life");
            board.station.cut();
            board.chip.press_button();
            diary.until_named("cloud.failed").await;
            diary.until_named("claim.opened").await;
            claimable(&mut seen).await;
        };
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            () = story => {}
        }
    });
}

/// With `claim_minutes` 0 nobody may claim the device.
#[test]
fn a_device_that_is_not_to_be_claimed_says_nothing() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let flash = desk.flash(SERIAL, server.mqtt_addr().port(), r#","claim_minutes":0"#);
        let board = desk.board(flash, 82);
        let mut diary = Diary::of(&board);
        let story = async {
            diary.until_named("provisioning.started").await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B52").await;
            phone.send(NETWORK, PASSPHRASE).await;
            drop(phone);
            diary.until_named("telemetry.acknowledged").await;
            board.chip.press_button();
            diary.acknowledged(3).await;
            assert!(!diary.names().contains(&"claim.opened"));
            assert!(!server.claim(SERIAL, "").await.expect("it is known"));
        };
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            () = story => {}
        }
    });
}
