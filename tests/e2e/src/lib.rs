//! The desk on which the end-to-end scenarios play: certificates, a world of radio, a time
//! server, a broker, and devices, all in one process, with real Bluetooth host stacks, real TLS and
//! real flash formats between them.
//!
//! A [`scenario`] plays on virtual time, with sockets in memory: no time passes as long as anything goes on, and no
//! load of the computer shows. Where a program that is not ours takes part, a [`scenario_with_peers`] plays in real
//! time, which the device's outruns [`RATE`] times, with the computer's sockets.

pub mod chaos;

mod broker;
mod desk;
mod diary;
mod dice;
mod emulated;
mod figures;
mod line;
mod maker;
mod misbehaviour;
mod operator;
mod phone;
mod pieces;
mod sealing;
mod secrets;
mod watch;

pub use broker::{Mosquitto, TlsVersions};
pub use desk::{Desk, NETWORK, PASSPHRASE, PROOF, RATE, with_backlog};
pub use diary::Diary;
pub use dice::Dice;
pub use emulated::{EmulatedBoard, EmulatedFlash};
pub use figures::{Erased, Extent, Figure, Figures};
pub use line::{Line, Weather};
pub use maker::{Maker, second_slot};
pub use misbehaviour::{Answer, MisbehavingBroker, Misbehaviour, Step};
pub use operator::Operator;
pub use phone::Phone;
pub use pieces::{chain_der, digest, pieces};
pub use sealing::{chip_key, holds, sealed_key, traces};
pub use secrets::{given_away, hide, hide_key, shown};
pub use watch::{UPDATED, Watch, assign, latest};

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use simulator::{Simulator, Wiring};

/// Runs a scenario on one thread, where devices live, on virtual time. At its end no event and nothing that was logged
/// may have shown a secret.
///
/// Scenarios of one process run one after the other, for MbedTLS has no threading on a host.
///
/// # Panics
///
/// If the scenario does, or does not end within a week of its time.
pub fn scenario(play: impl Future<Output = ()>) {
    let week = Duration::from_secs(7 * 86_400);
    on_one_thread(hosttime::virtually(ending(week, Box::pin(play))));
}

/// The same with programs of others, in real time, giving up after [`PATIENCE`] of it.
///
/// # Panics
///
/// If the scenario does, or does not end.
pub fn scenario_with_peers(play: impl Future<Output = ()>) {
    on_one_thread(hosttime::with_one_waker(async {
        hosttime::set_rate(RATE);
        ending(PATIENCE, Box::pin(play)).await;
    }));
}

/// How long a scenario with peers may take: ten times what the longest needs on a computer with nothing else to do.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Gives up after `limit`. What is played is handed over in a box: whole devices are in it, too much for the stack of a
/// test's thread, through which it would be handed several times.
async fn ending(limit: Duration, play: Pin<Box<impl Future<Output = ()>>>) {
    let played = tokio::time::timeout(limit, play).await;
    played.expect("the scenario does not end");
}

fn on_one_thread(play: impl Future<Output = ()>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // A scenario that failed does not spoil the next.
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the scenario");
    hide(PROOF);
    hide(PASSPHRASE);
    runtime.block_on(tokio::task::LocalSet::new().run_until(play));
    let given_away = given_away();
    assert!(given_away.is_empty(), "secrets in {given_away:#?}");
}

/// Plays `story` with a phone that has a session with a blank board, whose MAC ends in this number, while that
/// lives.
pub async fn with_phone<W: Wiring>(
    desk: &Desk,
    board: &Simulator<W>,
    number: u8,
    story: impl AsyncFnOnce(&mut Diary, Phone),
) {
    let mut diary = Diary::of(board);
    let telling = async {
        diary.until_named("provisioning.started").await;
        let phone = Phone::paired_with(desk, &format!("PROV_1A2B{number:02X}")).await;
        story(&mut diary, phone).await;
    };
    beside(board, telling).await;
}

/// Plays `story` while a board lives one life after the other; then its power is cut.
pub async fn beside<W: Wiring, T>(board: &Simulator<W>, story: impl Future<Output = T>) -> T {
    tokio::select! {
        never = board.live_on() => match never {},
        told = story => told,
    }
}

/// Lives until the flash has no power.
pub async fn power_goes(board: &Simulator) {
    let mut life = pin!(board.live_on());
    poll_fn(|context| {
        let Poll::Pending = life.as_mut().poll(context);
        match board.flash.power_is_lost() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// Provisions a blank board, whose MAC ends in this number, and plays `story` while it lives.
pub async fn play<W: Wiring>(
    desk: &Desk,
    board: &Simulator<W>,
    number: u8,
    story: impl AsyncFnOnce(&mut Diary),
) {
    with_phone(desk, board, number, async |diary, mut phone| {
        phone.send(NETWORK, PASSPHRASE).await;
        drop(phone);
        story(diary).await;
    })
    .await;
}
