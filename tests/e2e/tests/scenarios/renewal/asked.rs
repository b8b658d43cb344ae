//! Who begins a renewal: the server, by a call or an attribute, or the device itself.

use std::time::{Duration, SystemTime};

use device::event::{Event, Renewal};
use e2e::{Desk, Diary, Operator, beside, digest, pieces, scenario};
use pki::{Profile, Validity};
use serde_json::json;

use super::{Bench, SERIAL, bench, renew, requested};

#[test]
fn a_device_that_was_offline_when_it_was_asked_begins_when_it_comes() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
        board.chip.power_cycle();
        operator.cut().await;
        operator
            .share("renewCertificate", json!("2026-11-29T20:00"))
            .await;
        beside(&board, async {
            renew(&desk, &operator, &mut diary).await;
            // What was acted on is not acted on again.
            board.station.cut();
            diary.until_named("cloud.online").await;
            diary.acknowledged(3).await;
            assert_eq!(requested(&diary), 1);
            operator
                .share("renewCertificate", json!("2026-12-01T08:00"))
                .await;
            renew(&desk, &operator, &mut diary).await;
            assert_eq!(requested(&diary), 2);
        })
        .await;
    });
}

/// Whoever sends a second chain while the first is fetched makes a mixture of the two, until the notice of the second
/// comes.
#[test]
fn a_chain_that_is_sent_while_another_is_fetched_is_the_one() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator.call("renewCertificate").await;
            let request = operator.request().await;
            let [first, second] = [(); 2].map(|()| desk.pki.sign(&request, None).expect("a chain"));
            let [first, second] = [first.chain_der(), second.chain_der()];
            let (mut mixture, second) = (
                pieces("renewedChain", &first, &digest(&first)),
                pieces("renewedChain", &second, &digest(&second)),
            );
            mixture[0] = second[0].clone();
            for (key, value) in mixture {
                operator.share(&key, json!(value)).await;
            }
            // Time enough to fetch all of it.
            diary.acknowledged(5).await;
            for (key, value) in second {
                operator.share(&key, json!(value)).await;
            }
            diary
                .until(|event| *event == Event::Renewal(Renewal::Renewed))
                .await;
        })
        .await;
        let failed =
            |(_, event): &(u64, Event)| matches!(event, Event::Renewal(Renewal::Failed { .. }));
        assert!(!diary.read.iter().any(failed), "{:?}", diary.names());
    });
}

#[test]
fn who_asks_again_meanwhile_gets_the_same_request() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator.call("renewCertificate").await;
            let first = operator.request().await;
            let again = operator.call("renewCertificate").await;
            assert_eq!(again, json!({"ok": true, "state": "REQUESTED"}));
            board.chip.restart();
            diary.until_named("telemetry.acknowledged").await;
            assert_eq!(operator.request().await, first, "the key is the same");
            renew(&desk, &operator, &mut diary).await;
        })
        .await;
    });
}

/// A board whose certificate was made so many days ago, for so many days.
async fn aged(ago: u64, days: u64, more: &str) -> Bench {
    const DAY: Duration = Duration::from_secs(86_400);
    let desk = Desk::set().await;
    let operator = Operator::of(desk.server().await, SERIAL);
    let from = SystemTime::now() - DAY * ago as u32;
    let validity = Validity::between(from, from + DAY * days as u32).expect("dates");
    let profile = Profile {
        validity: Some(validity),
        ..Profile::default()
    };
    let identity = desk
        .pki
        .device_with(SERIAL, &profile)
        .expect("a certificate");
    let files = [
        &identity.chain_pem(),
        identity.key_pem(),
        identity.trust_pem(),
    ];
    let flash = desk.flash_of_known_network(files, operator.port(), more);
    let board = desk.board(flash, 81);
    let diary = Diary::of(&board);
    (desk, operator, board, diary)
}

#[test]
fn a_device_whose_certificate_ends_soon_asks_by_itself() {
    scenario(async {
        let (desk, operator, board, mut diary) = aged(340, 365, "").await;
        beside(&board, async {
            renew(&desk, &operator, &mut diary).await;
            // The new one lasts: there is nothing more to ask for.
            diary.acknowledged(5).await;
            assert_eq!(requested(&diary), 1);
        })
        .await;
    });
}

#[test]
fn it_does_not_ask_before_nor_where_it_is_not_to() {
    for (ago, days, more) in [
        (300, 365, ""),
        (340, 365, r#","renew_before_days":0"#),
        // One for a week is not renewed all the time.
        (1, 7, ""),
    ] {
        scenario(async move {
            let (_desk, _operator, board, mut diary) = aged(ago, days, more).await;
            beside(&board, async {
                diary.acknowledged(5).await;
            })
            .await;
            let begun = |(_, event): &(u64, Event)| *event == Event::Renewal(Renewal::Requested);
            assert!(!diary.read.iter().any(begun), "{ago} of {days} {more}");
        });
    }
}
