//! Power that goes at every single write of a whole device's first life, which makes its own proof
//! of possession and is provisioned: when it comes back, the code on the label still holds, or the
//! device is provisioned; and in the end it is online.
//!
//! What is in flash then is looked at in `power.rs`.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use device::event::Event;
use devserver::Server;
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, Phone, beside, scenario};
use provisioner::Outcome;
use simulator::Simulator;
use simulator::flash::Flash;

/// Lives until the power goes; returns if it does.
async fn live_until_power_goes(board: &Simulator) {
    let mut life = pin!(board.live_on());
    poll_fn(|context| {
        let Poll::Pending = life.as_mut().poll(context);
        // The flash fails in the midst of something, and nothing more may come of that.
        if board.flash.power_is_lost() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Does what a user does with a blank device, until it is online.
async fn provision(desk: &Desk, diary: &mut Diary) {
    diary.until_named("provisioning.started").await;
    let proof = diary.proof().to_owned();
    let mut phone = Phone::paired_by(desk, "PROV_1A2B5A", &proof).await;
    let outcome = phone.send(NETWORK, PASSPHRASE).await;
    assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
    drop(phone);
    diary.until_named("cloud.online").await;
}

/// One device, whose power goes as `cut` says, and comes back. Returns whether a code had been
/// shown by then; none if the device was online before.
async fn one(desk: &Desk, server: &Server, blank: &[u8], cut: impl FnOnce(&Flash)) -> Option<bool> {
    let flash = Flash::from_bytes(blank.to_vec());
    cut(&flash);
    let board = desk.board(flash.clone(), 90);
    let mut diary = Diary::of(&board);
    tokio::select! {
        biased;
        () = live_until_power_goes(&board) => {}
        () = provision(desk, &mut diary) => return None,
    }
    // Without power it would not have come to tell that the flash fails, nor anything after.
    diary.catch_up(|event| matches!(event, Event::KeptInMemory(_) | Event::StorageFailed(_)));
    let code = diary.code.clone();
    let done = diary.names().contains(&"provisioning.done");

    flash.restore_power();
    board.chip.power_cycle();
    let mut diary = Diary::of(&board);
    let story = async {
        let Event::Booted { provisioned, .. } = diary.until_named("boot").await else {
            unreachable!()
        };
        if provisioned {
            diary.until_named("cloud.online").await;
            assert!(!diary.names().contains(&"provisioning.started"));
        } else {
            assert!(!done, "what was told as done is forgotten");
            provision(desk, &mut diary).await;
            assert!(code.is_none() || code == diary.code, "the code has changed");
        }
        assert!(!diary.names().contains(&"storage.failed"));
    };
    beside(&board, story).await;
    // The next one has the same name.
    server.cut("SN-90").await.expect("it is online");
    Some(code.is_some())
}

/// All cuts, until one comes too late.
async fn at_every_write(cut: impl Fn(&Flash, u64)) {
    let desk = Desk::set().await;
    let server = desk.server().await;
    let port = server.mqtt_addr().port();
    let blank = desk.flash_without_proof("SN-90", port).to_bytes();
    let (mut cuts, mut shown) = (0, 0);
    while let Some(code) = one(&desk, &server, &blank, |flash| cut(flash, cuts)).await {
        cuts += 1;
        shown += u64::from(code);
    }
    println!("{cuts} cuts, {shown} of them after a code was shown");
    assert!(shown > 10 && cuts - shown > 10, "{cuts} cuts, {shown}");
}

#[test]
fn power_that_goes_between_two_writes_of_the_first_life_costs_no_label() {
    scenario(at_every_write(Flash::lose_power_after));
}

#[test]
fn power_that_goes_amid_any_write_of_the_first_life_costs_no_label() {
    scenario(async {
        // A write is left in another way each time.
        for round in 0..4 {
            at_every_write(|flash, cut| flash.lose_power_amid(cut, 4 * cut + round)).await;
        }
    });
}
