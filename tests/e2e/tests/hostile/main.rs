//! Bad input of every kind: the device names the fault and who must act, goes on trying, and can be
//! provisioned. `README.md` of this package says which test is for what.

mod calls;
mod clients;
mod crashes;
mod credentials;
mod flash;
mod network;
mod server;
mod time;
mod wifi;

use device::cloud::CloudError;
use device::event::Event;
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, Phone};
use simulator::Simulator;

/// Provisions a blank board and plays `story` while it lives.
async fn play(desk: &Desk, board: &Simulator, number: u8, story: impl AsyncFnOnce(&mut Diary)) {
    let mut diary = Diary::of(board);
    let telling = async {
        diary.until_named("provisioning.started").await;
        let mut phone = Phone::paired_with(desk, &format!("PROV_1A2B{number:02X}")).await;
        phone.send(NETWORK, PASSPHRASE).await;
        drop(phone);
        story(&mut diary).await;
    };
    tokio::select! {
        never = board.live_on() => match never {},
        () = telling => {}
    }
}

/// The next failed connection: why, and how long until the next try.
async fn failure(diary: &mut Diary) -> (CloudError, u32) {
    match diary.until_named("cloud.failed").await {
        Event::ConnectionFailed { error, retry_ms } => (error, retry_ms),
        other => unreachable!("{other:?}"),
    }
}
