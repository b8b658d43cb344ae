//! The broker's CA changes, and devices follow.

use device::cloud::CloudError;
use device::event::{Event, Renewal};
use device::tls::{CertificateFault, TlsError};
use e2e::{Desk, Operator, beside, chain_der, digest, scenario};
use pki::{Options, Pki};
use serde_json::json;

use super::{SERIAL, bench};

/// A server whose own certificate is of another authority.
async fn moved(desk: &Desk, port: u16, authority: &Pki) -> Operator {
    let identity = authority.server(&["localhost", "127.0.0.1"]);
    let identity = identity.expect("a server certificate");
    Operator::of(desk.server_at(port, &identity).await, SERIAL)
}

#[test]
fn a_server_that_gets_another_ca_is_followed() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        let second = Pki::new(&Options::default()).expect("an authority");
        let port = operator.port();
        let operator = std::cell::RefCell::new(Some(operator));
        let take = || operator.borrow_mut().take().expect("a server");
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            let first = take();
            first.send_anchors(&chain_der(second.root_pem())).await;
            first.until("server_chain_renewal", "TRYING").await;
            // The old one goes on being trusted.
            board.station.cut();
            diary.until_named("cloud.online").await;
            first.server.stop().await;
            let moved = moved(&desk, port, &second).await;
            diary
                .until(|event| *event == Event::Renewal(Renewal::AnchorsProven))
                .await;
            moved.until("server_chain_renewal", "RENEWED").await;
            // A life later, too.
            board.chip.restart();
            diary.until_named("telemetry.acknowledged").await;
            operator.replace(Some(moved));
        })
        .await;
        let untrusted = diary.read.iter().filter(|(_, event)| {
            let fault = TlsError::ServerCertificate(CertificateFault::NotTrusted);
            matches!(event, Event::ConnectionFailed { error, .. } if *error == CloudError::Tls(fault))
        });
        assert_eq!(untrusted.count(), 1, "by which the new ones were proven");
        // And back: what came by cable is trusted as ever.
        let moved = take();
        moved.server.stop().await;
        board.chip.power_cycle();
        let back = Operator::of(desk.server_at(port, &desk.server_identity()).await, SERIAL);
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
        drop(back);
    });
}

#[test]
fn what_is_no_anchor_is_not_taken() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            // A leaf, and not a CA.
            let leaf = chain_der(desk.server_identity().leaf_pem());
            operator.send_anchors(&leaf).await;
            let refused =
                |event: &Event| matches!(event, Event::Renewal(Renewal::AnchorsRefused { .. }));
            diary.until(refused).await;
            let why = operator.text_once("server_chain_renewal", "FAILED").await;
            assert!(why.contains("certificate 1 is not a CA's"), "{why}");
            let told = digest(b"another");
            operator
                .send("serverChain", &chain_der(desk.pki.root_pem()), &told)
                .await;
            diary.until(refused).await;
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
    });
}

/// Anchors that nothing proved are forgotten when the server takes them away: no server is trusted by
/// them.
#[test]
fn anchors_that_prove_wrong_are_dropped() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        let wrong = Pki::new(&Options::default()).expect("an authority");
        let port = operator.port();
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator.send_anchors(&chain_der(wrong.root_pem())).await;
            operator.until("server_chain_renewal", "TRYING").await;
            operator.share("serverChain", json!(null)).await;
            diary.acknowledged(2).await;
            operator.server.stop().await;
            let imposter = moved(&desk, port, &wrong).await;
            for _ in 0..3 {
                let failed = |event: &Event| {
                    matches!(event, Event::ConnectionFailed { error, .. }
                    if matches!(error, CloudError::Tls(TlsError::ServerCertificate(_))))
                };
                diary.until(failed).await;
            }
            drop(imposter);
        })
        .await;
        let proven = |(_, event): &(u64, Event)| *event == Event::Renewal(Renewal::AnchorsProven);
        assert!(!diary.read.iter().any(proven));
    });
}
