//! What is no renewal: the old certificate works on, and the reason is told.

use std::time::{Duration, SystemTime};

use e2e::{Desk, Operator, beside, chain_der, digest, scenario};
use pki::{Options, Pki, Request, Validity};
use serde_json::json;

use super::{SERIAL, bench, renew};

/// Answers a request in some way, and returns why the device says that it failed. A proper renewal
/// works afterwards.
async fn refused(answer: impl AsyncFnOnce(&Desk, &Operator, Request)) -> String {
    let (desk, operator, board, mut diary) = bench().await;
    let mut why = String::new();
    beside(&board, async {
        diary.until_named("telemetry.acknowledged").await;
        let serial = operator.text("certificate_serial").await;
        operator.call("renewCertificate").await;
        let request = operator.request().await;
        answer(&desk, &operator, request).await;
        operator.until_state("FAILED").await;
        why = operator.text("certificate_renewal_error").await;
        diary.until_named("renewal.failed").await;
        diary.acknowledged(3).await;
        assert_eq!(operator.text("certificate_serial").await, serial);
        // What was wrong is still there, and is not taken for an answer to another request.
        operator.call("renewCertificate").await;
        renew(&desk, &operator, &mut diary).await;
        assert_ne!(operator.text("certificate_serial").await, serial);
        assert_eq!(operator.text("certificate_renewal_error").await, "");
    })
    .await;
    why
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    scenario(async {
        let why = refused(async |desk, operator, _| {
            let another = desk.device_identity(SERIAL);
            operator.send_chain(&chain_der(&another.chain_pem())).await;
        })
        .await;
        assert!(
            why.contains("not for the key of the device's request"),
            "{why}"
        );
    });
}

#[test]
fn a_certificate_that_has_expired_is_refused() {
    scenario(async {
        let why = refused(async |desk, operator, request| {
            let day = Duration::from_secs(86_400);
            let now = SystemTime::now();
            let past = Validity::between(now - day * 9, now - day).expect("dates");
            let issued = desk.pki.sign(&request, Some(past)).expect("a certificate");
            operator.send_chain(&issued.chain_der()).await;
        })
        .await;
        assert!(why.contains("certificate 1 expired on"), "{why}");
    });
}

#[test]
fn a_chain_that_is_none_is_refused() {
    scenario(async {
        let why = refused(async |desk, operator, request| {
            let issued = desk.pki.sign(&request, None).expect("a certificate");
            let other = Pki::new(&Options::default()).expect("an authority");
            let leaf = chain_der(&issued.chain_pem());
            let leaf = &leaf[..leaf.len() - chain_der(desk.pki.intermediate_pem()).len()];
            let chain = [leaf, &chain_der(other.intermediate_pem())].concat();
            operator.send_chain(&chain).await;
        })
        .await;
        assert!(
            why.contains("certificate 1 is not signed by certificate 2"),
            "{why}"
        );
    });
    scenario(async {
        let why = refused(async |desk, operator, request| {
            let issued = desk.pki.sign(&request, None).expect("a certificate");
            let chain = issued.chain_der();
            operator.send_chain(&chain[..chain.len() - 10]).await;
        })
        .await;
        assert!(why.contains("certificate 2 is damaged"), "{why}");
    });
}

#[test]
fn pieces_that_make_no_whole_are_refused() {
    scenario(async {
        let why = refused(async |desk, operator, request| {
            let chain = desk.pki.sign(&request, None).expect("a certificate");
            let chain = chain.chain_der();
            operator
                .send("renewedChain", &chain, &digest(b"another"))
                .await;
        })
        .await;
        assert!(why.contains("another digest"), "{why}");
    });
    scenario(async {
        let why = refused(async |desk, operator, request| {
            let chain = desk.pki.sign(&request, None).expect("a certificate");
            let told = digest(&chain.chain_der());
            operator.share("renewedChain1", json!("AAAA")).await;
            operator
                .share("renewedChain", json!(format!("2 {told}")))
                .await;
        })
        .await;
        assert!(why.contains("piece 2 is not there"), "{why}");
    });
    scenario(async {
        let why = refused(async |_, operator, _| {
            operator.share("renewedChain1", json!("*")).await;
            operator.share("renewedChain2", json!(7)).await;
            let told = digest(b"");
            operator
                .share("renewedChain", json!(format!("1 {told}")))
                .await;
        })
        .await;
        assert!(why.contains("the pieces end amid"), "{why}");
    });
    scenario(async {
        let why = refused(async |_, operator, _| {
            operator.share("renewedChain", json!("soon")).await;
        })
        .await;
        assert!(why.contains("SHA-256 in hexadecimal"), "{why}");
    });
    scenario(async {
        let why = refused(async |_, operator, _| {
            operator
                .share("renewedChain1", json!("A".repeat(2_000)))
                .await;
            let told = digest(b"");
            operator
                .share("renewedChain", json!(format!("1 {told}")))
                .await;
        })
        .await;
        assert!(why.contains("more than"), "{why}");
    });
}

/// All is right but for the authority, which the server does not know.
#[test]
fn a_server_that_refuses_the_new_certificate_has_the_old_one_back() {
    scenario(async {
        let why = refused(async |_, operator, request| {
            let other = Pki::new(&Options::default()).expect("an authority");
            let issued = other.sign(&request, None).expect("a certificate");
            operator.send_chain(&issued.chain_der()).await;
        })
        .await;
        assert!(why.contains("it does not know the CA"), "{why}");
    });
}
