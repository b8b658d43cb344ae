//! Provisioning clients that leave, linger, or guess.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use device::event::Event;
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, PROOF, beside, hide, scenario};
use embassy_time::{Instant, Timer, with_timeout};
use provisioner::{Error, Found, Outcome, Provisioner, Secrets};
use tokio::task::JoinHandle;
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

/// How long a user may have to wait at most, whatever others do: five minutes for which a client may
/// be silent, and one to find the device and to connect.
const PATIENCE: embassy_time::Duration = embassy_time::Duration::from_secs(360);

/// Opens a session as a patient user does: again and again.
async fn patiently(desk: &Desk) -> Provisioner {
    loop {
        let mut phone = stranger(desk, 99);
        let once = async {
            let found = phone.find(None, Duration::from_secs(5)).await?;
            phone.connect(&found).await?;
            phone.open_session(&Secrets::proof(PROOF)).await
        };
        match with_timeout(embassy_time::Duration::from_secs(60), once).await {
            Ok(Ok(_)) => return phone,
            other => println!("     phone {other:?}"),
        }
        Timer::after_secs(2).await;
    }
}

/// Boots a blank board, lets `client` do its worst, and then provisions it. Whatever the client
/// returns goes on meanwhile.
async fn survives<T>(number: u8, client: impl AsyncFnOnce(&Desk, &mut Diary) -> T) {
    let desk = Desk::set().await;
    let board = desk.board(desk.flash("SN-80", 1, ""), number);
    let mut diary = Diary::of(&board);
    let story = async {
        diary.until_named("provisioning.started").await;
        let _worst = client(&desk, &mut diary).await;
        let begun = Instant::now();
        let mut phone = patiently(&desk).await;
        let waited = begun.elapsed();
        assert!(waited < PATIENCE, "{} s", waited.as_secs());
        let outcome = phone.provision(NETWORK, PASSPHRASE).await;
        assert!(matches!(outcome, Ok(Outcome::Joined(_))), "{outcome:?}");
        diary.until_named("provisioning.done").await;
    };
    beside(&board, story).await;
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
        // It stays, and is silent.
        phone
    }));
}

#[test]
fn a_client_that_connects_and_says_nothing_does_not_keep_others_out() {
    scenario(survives(82, async |desk, _| connected(desk, 1).await));
}

/// A phone that is busy for as long as this lives.
struct Busy(JoinHandle<Error>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Lets a phone do this again and again until it fails.
fn for_ever(
    mut phone: Provisioner,
    act: impl AsyncFn(&mut Provisioner) -> Result<(), Error> + 'static,
) -> Busy {
    Busy(tokio::task::spawn_local(async move {
        loop {
            if let Err(error) = act(&mut phone).await {
                return error;
            }
            Timer::after_millis(500).await;
        }
    }))
}

#[test]
fn a_client_without_a_proof_that_asks_for_ever_does_not_keep_others_out() {
    scenario(survives(84, async |desk, _| {
        let phone = connected(desk, 1).await;
        // What needs no session: the protocol's version, upon which this client has no proof to go
        // on with.
        for_ever(phone, async |phone| {
            match phone.open_session(&Secrets::proof("")).await {
                Err(Error::ProofNeeded) => Ok(()),
                other => other.map(|_| ()),
            }
        })
    }));
}

/// Whoever has the proof may stay as long as there is something to ask: it is the user, who could as
/// well have provisioned the device. Once it is silent, others have their turn.
#[test]
fn a_client_with_a_proof_that_asks_for_ever_has_the_device_until_it_is_silent() {
    scenario(survives(85, async |desk, _| {
        let mut phone = connected(desk, 1).await;
        phone
            .open_session(&Secrets::proof(PROOF))
            .await
            .expect("a session");
        let silent = Rc::new(Cell::new(false));
        let heard = silent.clone();
        let asking = for_ever(phone, async move |phone| {
            if heard.get() {
                std::future::pending().await
            }
            phone.scan_networks().await.map(|_| ())
        });
        // Nobody else hears the device for twice as long as a silent client would have it.
        let mut other = stranger(desk, 2);
        let found = other.find(None, Duration::from_secs(600)).await;
        assert!(matches!(found, Err(Error::NotFound { .. })), "{found:?}");
        assert!(!asking.0.is_finished());
        silent.set(true);
        asking
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
