//! The desk on which the end-to-end scenarios play: certificates, a world of radio, a time
//! server, a broker, and devices, all in one process, with real Bluetooth host stacks, real
//! sockets, real TLS and real flash formats between them.
//!
//! Device time runs [`RATE`] times as fast as real time, so that a scenario over minutes takes
//! seconds; sockets and cryptography do not notice.

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
pub use watch::{Watch, assign, latest};

use simulator::{Simulator, Wiring};

/// Runs a scenario on one thread, where devices live, giving up after two real minutes. At its end
/// no event and nothing that was logged may have shown a secret.
///
/// Scenarios of one process run one after the other: MbedTLS has no threading on a host, and the
/// rate of time belongs to the process.
///
/// # Panics
///
/// If the scenario does, or does not end.
pub fn scenario(play: impl Future<Output = ()>) {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    // A scenario that failed does not spoil the next.
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    hosttime::set_rate(RATE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the scenario");
    let limit = std::time::Duration::from_secs(120);
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        hide(PROOF);
        hide(PASSPHRASE);
        tokio::time::timeout(limit, play)
            .await
            .expect("the scenario does not end");
    }));
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
    tokio::select! {
        never = board.live_on() => match never {},
        () = telling => {}
    }
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
