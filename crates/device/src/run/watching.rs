//! Watching over the life: feeding the watchdog while it goes on, and noting when it has lasted.

use core::convert::Infallible;

use embassy_time::{Duration, Instant, Timer};

use crate::context::Context;
use crate::event::{Event, RestartReason};
use crate::platform::{Platform, System};
use crate::retained;

/// How often the device looks at itself.
const BEAT: Duration = Duration::from_secs(2);

/// How late the sampling may be: the longest that computing takes at a stretch is a handshake with
/// RSA-4096.
const LATE: Duration = Duration::from_secs(30);

/// A life that has lasted this long did not end in a crash of its beginning, even if it never got
/// online.
const LASTED: Duration = Duration::from_secs(600);

/// Feeds the watchdog as long as sampling keeps its grid and the lifecycle goes on where it must:
/// a device that only looks alive is restarted.
pub(super) async fn watch<P: Platform>(context: &Context<'_, P>) -> Infallible {
    let began = Instant::now();
    let mut settled = false;
    loop {
        let now = Instant::now();
        let sampling = now <= context.next_sample() + LATE;
        if sampling && !context.is_stuck(now) {
            context.system.feed_watchdog();
        }
        if context.updates.is_given_up(now) {
            context.tell(&Event::Restarting {
                why: RestartReason::Rollback,
            });
        }
        if !settled && (context.state().is_steady(now) || now >= began + LASTED) {
            settled = true;
            retained::settle(context.system.retained());
        }
        Timer::after(BEAT).await;
    }
}
