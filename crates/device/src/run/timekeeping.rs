//! The activity of setting the clock, and keeping it while online.

use core::convert::Infallible;

use embassy_time::{Duration, Timer};

use crate::clock;
use crate::event::{ClockError, ClockSource, Event};
use crate::life::Life;
use crate::lifecycle::{STEADY, State};
use crate::platform::{Platform, System};

/// How often the clock is set again while the device is online.
const CLOCK_REFRESH: Duration = Duration::from_secs(3600);

/// The least time between two writes of the last good time: a day, for the flash's sake.
const WEAR_S: u64 = 86_400;

/// How soon a time server is asked again while only the floor is known.
const FLOOR_REFRESH: Duration = Duration::from_secs(60);

/// Sets the clock, by what ran on through a restart or by a time server. With `floor`, a time
/// that is certainly past will do if nobody answers.
pub(super) async fn set_clock<P: Platform>(life: &Life<'_, P>, floor: bool) {
    let built_at = life.system.identity().built_at_unix_s;
    let kept = match life.clock.source() {
        _ if life.clock.is_doubted() => None,
        // Only the network was lost in between.
        Some(ClockSource::Kept | ClockSource::Sntp) => life.clock.now_unix_ms(),
        // It may run on through a restart.
        _ => life.system.unix_ms(),
    };
    let kept = kept.filter(|unix_ms| unix_ms / 1_000 >= built_at);
    if kept.is_some() {
        return clock_is(life, kept, ClockSource::Kept);
    }
    match ask_time(life).await {
        Ok(unix_ms) => clock_is(life, Some(unix_ms), ClockSource::Sntp),
        Err(_) if floor => {
            let last = life.storage.last_good_time().ok().flatten().unwrap_or(0);
            let past_ms = last.max(built_at).saturating_mul(1_000);
            clock_is(life, Some(past_ms), ClockSource::Floor);
        }
        Err(error) => {
            let retry_ms = life.retry_ms();
            life.tell(&Event::ClockFailed { error, retry_ms });
        }
    }
}

/// While online: keeps a good time in flash, and sets the clock again every hour; every minute as
/// long as only the floor is known.
pub(super) async fn keep_clock<P: Platform>(life: &Life<'_, P>) -> Infallible {
    loop {
        let certain = life.clock.source() != Some(ClockSource::Floor);
        if certain {
            Timer::after(STEADY).await;
            keep_good_time(life);
            Timer::after(CLOCK_REFRESH - STEADY).await;
        } else {
            Timer::after(FLOOR_REFRESH).await;
        }
        if let Ok(unix_ms) = ask_time(life).await {
            clock_is(life, Some(unix_ms), ClockSource::Sntp);
        }
    }
}

/// Keeps the time if it has proven good: a broker whose certificate is valid at this time has
/// been serving for a while. A time server alone may lie.
fn keep_good_time<P: Platform>(life: &Life<'_, P>) {
    let Some(now_unix_ms) = life.clock.now_unix_ms() else {
        return;
    };
    let now_unix_s = now_unix_ms / 1_000;
    let online = matches!(life.state(), State::Online { .. });
    let stale = life
        .storage
        .last_good_time()
        .is_ok_and(|last| last.is_none_or(|last| now_unix_s >= last.saturating_add(WEAR_S)));
    if online
        && stale
        && let Err(error) = life.storage.keep_last_good_time(now_unix_s)
    {
        life.tell(&Event::StorageFailed(error));
    }
}

async fn ask_time<P: Platform>(life: &Life<'_, P>) -> Result<u64, ClockError> {
    let server = &life.settings.sntp_server;
    let floor = life.system.identity().built_at_unix_s;
    clock::ask(life.network, &server.host, server.port, floor).await
}

fn clock_is<P: Platform>(life: &Life<'_, P>, unix_ms: Option<u64>, source: ClockSource) {
    let Some(unix_ms) = unix_ms else { return };
    life.clock.set(unix_ms, source);
    if source == ClockSource::Sntp {
        life.system.set_unix_ms(unix_ms);
    }
    life.tell(&Event::ClockSet { unix_ms, source });
}
