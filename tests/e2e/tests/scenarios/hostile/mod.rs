//! Bad input of every kind: the device names the fault and who must act, goes on trying, and can be
//! provisioned. `README.md` of this package says which test is for what.

mod calls;
mod clients;
mod crashes;
mod credentials;
mod flash;
mod limits;
mod network;
mod server;
mod time;
mod wifi;

use device::cloud::CloudError;
use device::event::Event;
use e2e::{Diary, play};

/// The next failed connection: why, and how long until the next try.
async fn failure(diary: &mut Diary) -> (CloudError, u32) {
    match diary.until_named("cloud.failed").await {
        Event::ConnectionFailed { error, retry_ms } => (error, retry_ms),
        other => unreachable!("{other:?}"),
    }
}
