//! The device on a 32-bit core without an operating system, emulated by QEMU, whose time is real time.

mod air;
mod answer;
mod board;
mod sealed;

use e2e::{Desk, scenario_with_peers};

fn emulated(play: impl AsyncFnOnce(Desk)) {
    scenario_with_peers(async {
        hosttime::set_rate(1);
        play(Desk::set().await).await;
    });
}
