//! What can be done to the board from outside, by keys on its console:
//!
//! | key | what it does |
//! |---|---|
//! | `b` | holds the button for five seconds |
//! | `w` | the access point goes away for a moment |
//! | `p` | panics |
//! | `P` | panics with a message that panics when it is formatted |
//! | `h` | hangs: a poll that never returns, with interrupts served |
//! | `x` | prints the figures and ends QEMU with exit code 0 |

use embassy_executor::Spawner;
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, signal::Signal};

use crate::board::{ethernet, power, uart};
use crate::figures;

static HELD: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Obeys keys from now on.
pub(crate) fn start(spawner: Spawner) {
    spawner.spawn(obey().expect("it is spawned once"));
}

#[embassy_executor::task]
async fn obey() -> ! {
    loop {
        match uart::key().await {
            b'b' => HELD.signal(()),
            b'w' => ethernet::plug(false),
            b'p' => panic!("somebody pressed a key"),
            b'P' => panic!("{}", Unspeakable),
            b'h' => loop {
                core::hint::spin_loop();
            },
            b'x' => {
                figures::print();
                power::switch_off(0)
            }
            _ => {}
        }
    }
}

/// What cannot be told.
struct Unspeakable;

impl core::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        panic!("amid its own message")
    }
}

/// Returns when the button has been held.
pub(crate) async fn button_held() {
    HELD.wait().await;
}
