//! Provisioning clients that leave, linger, or guess.

use std::time::Duration;

use device::event::Event;
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, PROOF, hide, scenario};
use embassy_time::{Timer, with_timeout};
use provisioner::{Found, Outcome, Provisioner, Secrets};
use vhci::{ControllerConfig, HciTransport};

/// A phone of someone else.
fn stranger(desk: &Desk, number: u8) -> Provisioner {
    let config = ControllerConfig::with_address([0xc0, 0xbd, 0, 0, 0, number]);
    Provisioner::ble(HciTransport::from(desk.world.bluetooth.controller(config)))
}

async fn connected(desk: &Desk, number: u8) -> Provisioner {
    let mut phone = stranger(desk, number);
    let found: Found = phone
        .find(None, Duration::from_secs(30))
        .await
        .expect("the device");
    phone.connect(&found).await.expect("a connection");
    phone
}

/// Provisions as a patient user does: again and again.
async fn patiently(desk: &Desk) {
    for _ in 0..60 {
        let mut phone = stranger(desk, 99);
        let once = async {
            let found = phone.find(None, Duration::from_secs(10)).await?;
            phone.connect(&found).await?;
            phone.open_session(&Secrets::proof(PROOF)).await?;
            phone.provision(NETWORK, PASSPHRASE).await
        };
        match with_timeout(embassy_time::Duration::from_secs(120), once).await {
            Ok(Ok(Outcome::Joined(_))) => return,
            other => println!("     phone {other:?}"),
        }
        Timer::after_secs(10).await;
    }
    panic!("the device cannot be provisioned");
}

/// Boots a blank board, lets `client` do its worst, and then provisions it.
async fn survives(number: u8, client: impl AsyncFnOnce(&Desk, &mut Diary)) {
    hosttime::set_rate(50);
    let desk = Desk::set().await;
    let board = desk.board(desk.flash("SN-80", 1, ""), number);
    let mut diary = Diary::of(&board);
    let story = async {
        diary.until_named("provisioning.started").await;
        client(&desk, &mut diary).await;
        patiently(&desk).await;
        diary.until_named("provisioning.done").await;
    };
    tokio::select! {
        never = board.live_on() => match never {},
        () = story => {}
    }
}

#[test]
fn a_client_may_leave_at_every_step() {
    scenario(survives(80, async |desk, _| {
        drop(stranger(desk, 1));
        drop(connected(desk, 2).await);
        let mut phone = connected(desk, 3).await;
        phone
            .open_session(&Secrets::proof(PROOF))
            .await
            .expect("a session");
        drop(phone);
        let mut phone = connected(desk, 4).await;
        phone
            .open_session(&Secrets::proof(PROOF))
            .await
            .expect("a session");
        phone.scan_networks().await.expect("networks");
        drop(phone);
        hide("not the right one");
        // In the middle of each exchange, and while the device tries the network.
        for ms in [20, 60, 150, 400, 1_000] {
            let mut phone = connected(desk, 5).await;
            let doing = async {
                phone.open_session(&Secrets::proof(PROOF)).await?;
                phone.provision(NETWORK, "not the right one").await
            };
            let _ = with_timeout(embassy_time::Duration::from_millis(ms), doing).await;
            drop(phone);
        }
    }));
}

#[test]
fn a_session_held_open_for_ever_does_not_keep_others_out() {
    scenario(survives(81, async |desk, _| {
        let mut phone = connected(desk, 1).await;
        phone
            .open_session(&Secrets::proof(PROOF))
            .await
            .expect("a session");
        // It is never dropped.
        std::mem::forget(phone);
    }));
}

#[test]
fn a_client_that_connects_and_says_nothing_does_not_keep_others_out() {
    scenario(survives(82, async |desk, _| {
        std::mem::forget(connected(desk, 1).await);
    }));
}

#[test]
fn guessed_proofs_are_told_and_then_nobody_is_heard_for_a_while() {
    scenario(survives(83, async |desk, diary| {
        for number in 0..6 {
            let mut phone = connected(desk, number).await;
            let guess = format!("guess {number}");
            hide(&guess);
            assert!(phone.open_session(&Secrets::proof(&guess)).await.is_err());
        }
        diary.until_named("provisioning.locked").await;
        let refusals = diary.read.iter().filter_map(|(_, event)| match event {
            Event::ProofRefused { tries_left } => Some(*tries_left),
            _ => None,
        });
        let refusals: Vec<u8> = refusals.collect();
        assert!(
            refusals.windows(2).all(|pair| pair[0] == pair[1] + 1),
            "{refusals:?}"
        );
    }));
}
