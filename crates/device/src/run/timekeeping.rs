//! The activity of setting the clock, and keeping it through a life.
//!
//! Who is believed against whom is the order of [`ClockSource`]. Time servers are asked first, and each hour;
//! the server itself only once there is a connection, for which the time has to be known already, more or less
//! (`cloud/serve/introduction`). Where no time server answers, the clock that ran on through the restart is next: a
//! chip counts that time with an oscillator that it calibrates anew at each start, and may be minutes off after
//! weeks. Then comes what the provisioning client told, if it did: it has proved possession, and its clock
//! is that of somebody's phone or computer. Last is what is certainly past.

use core::convert::Infallible;

use embassy_time::{Duration, Instant, Timer};

use crate::context::Context;
use crate::event::{ClockError, ClockSource, Event};
use crate::lifecycle::State;
use crate::platform::{Platform, System};
use crate::sntp;

/// How long the answer of a time server will do.
const CLOCK_REFRESH: Duration = Duration::from_secs(3600);

/// How long it will do while a certificate's date does not fit it: if it is the certificate's
/// fault, asking more often changes nothing.
const DOUBT_REFRESH: Duration = Duration::from_secs(300);

/// How soon a time server is asked after it was silent: first, and at most.
const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(60);

/// The least difference for which the last good time is written again: a day, for the flash's sake.
const WEAR_S: u64 = 86_400;

/// The longest that a device may have been under power and not online, after which its clock is believed.
const LONGEST_OUTAGE_S: u64 = 365 * 86_400;
/// The longest that a firmware may have been in use when a device is switched on for the first time.
const LONGEST_IN_USE_S: u64 = 10 * 365 * 86_400;

/// Sets the clock by a time server, or, if none answers, by what ran on through a restart, or else by
/// what the provisioning client told. With `floor`, a time that is certainly past will do after these.
pub(super) async fn set_clock<P: Platform>(context: &Context<'_, P>, floor: bool) {
    let doubted = context.clock.is_doubted();
    if context.clock.is_fresh(if doubted {
        DOUBT_REFRESH
    } else {
        CLOCK_REFRESH
    }) {
        return go_on(context);
    }
    let error = match ask_time(context).await {
        Ok(unix_ms) if take_time(context, unix_ms) => return,
        // What the server said holds.
        Ok(_) => return go_on(context),
        Err(error) => error,
    };
    let past = context.certainly_past_s();
    let last = context.storage.last_good_time().ok().flatten();
    if !doubted {
        if context.clock.source() > Some(ClockSource::Floor) {
            return go_on(context);
        }
        if let Some(unix_ms) = context.system.unix_ms() {
            if is_plausible(unix_ms / 1_000, past, last) {
                return clock_is(context, unix_ms, ClockSource::Kept);
            }
            log::warn!("the clock that ran on says {unix_ms} ms since 1970, and is not believed");
        }
        if let Some(unix_ms) = context.answer.client_unix_ms() {
            if is_plausible(unix_ms / 1_000, past, last) {
                return clock_is(context, unix_ms, ClockSource::Client);
            }
            log::warn!("the client says {unix_ms} ms since 1970, and is not believed");
        }
    }
    if floor {
        let past_ms = last.unwrap_or(0).max(past).saturating_mul(1_000);
        return clock_is(context, past_ms, ClockSource::Floor);
    }
    let retry_ms = context.retry_ms();
    context.tell(&Event::ClockFailed { error, retry_ms });
}

/// Whether a clock that ran on through a restart may be right, or what a client says. Nobody vouches for
/// either: a supply that sagged or an oscillator that was measured wrongly leaves anything there, and
/// where the certificates are good for twenty years, they contradict little of it. But a device that is
/// online keeps a good time each day, and one that lost its power has no clock.
fn is_plausible(kept_unix_s: u64, past_unix_s: u64, last_good_unix_s: Option<u64>) -> bool {
    let (from, longest_s) = match last_good_unix_s {
        // It may have fallen behind by as much as the last good time is written for.
        Some(last) => (last.saturating_sub(WEAR_S), LONGEST_OUTAGE_S),
        None => (0, LONGEST_IN_USE_S),
    };
    let from = from.max(past_unix_s);
    (from..=from.saturating_add(longest_s)).contains(&kept_unix_s)
}

/// For a whole life: asks the time again before it is worn, soon while it is not certain, and keeps
/// a good time in flash.
pub(super) async fn keep_clock<P: Platform>(context: &Context<'_, P>) -> Infallible {
    let mut pause = SOON;
    loop {
        Timer::after(pause).await;
        keep_good_time(context);
        let joined = matches!(
            context.state(),
            State::Connecting { .. } | State::Online { .. } | State::Halted
        );
        if joined
            && !context.clock.is_doubted()
            && !context.clock.is_fresh(CLOCK_REFRESH)
            && let Ok(unix_ms) = ask_time(context).await
        {
            take_time(context, unix_ms);
        }
        pause = match context.clock.source() {
            Some(ClockSource::Sntp | ClockSource::Server) => LATER,
            _ if joined => LATER.min(pause * 2),
            _ => SOON,
        };
    }
}

/// Keeps the time if it has proven good: a broker whose certificate is valid at this time has
/// been serving for a while. A time server alone may lie, and one that lied is corrected so.
fn keep_good_time<P: Platform>(context: &Context<'_, P>) {
    let Some(now_unix_ms) = context.clock.now_unix_ms() else {
        return;
    };
    let now_unix_s = now_unix_ms / 1_000;
    let good = context.state().is_steady(Instant::now()) && context.clock.is_proven();
    let news = |last: Option<u64>| last.is_none_or(|last| now_unix_s.abs_diff(last) >= WEAR_S);
    if good
        && context.storage.last_good_time().is_ok_and(news)
        && let Err(error) = context.storage.keep_last_good_time(now_unix_s)
    {
        context.tell(&Event::StorageFailed(error));
    }
    // Only what all agree on: nothing takes it back but a factory reset, and if time servers or server were wrong alone,
    // the truth would be refused until it comes to be that late.
    let later =
        |past: Option<u64>| past.is_none_or(|past| now_unix_s >= past.saturating_add(WEAR_S));
    if context.clock.is_certain()
        && context.storage.past().is_ok_and(later)
        && let Err(error) = context.storage.keep_past(now_unix_s)
    {
        context.tell(&Event::StorageFailed(error));
    }
}

async fn ask_time<P: Platform>(context: &Context<'_, P>) -> Result<u64, ClockError> {
    let past = context.certainly_past_s();
    sntp::ask_all(context.network, &context.settings.sntp_servers, past).await
}

/// Sets the clock as time servers say, unless the server contradicts them. Returns whether it was set.
fn take_time<P: Platform>(context: &Context<'_, P>, unix_ms: u64) -> bool {
    let weighed = context.clock.weigh(unix_ms);
    match weighed {
        Ok(()) => clock_is(context, unix_ms, ClockSource::Sntp),
        Err(Some(news)) => context.tell(&Event::ServerClock(news)),
        Err(None) => {}
    }
    weighed.is_ok()
}

/// The clock stays as it is.
fn go_on<P: Platform>(context: &Context<'_, P>) {
    context.clock.trust();
    if let (Some(unix_ms), Some(source)) = (context.clock.now_unix_ms(), context.clock.source()) {
        context.tell(&Event::ClockSet { unix_ms, source });
    }
}

fn clock_is<P: Platform>(context: &Context<'_, P>, unix_ms: u64, source: ClockSource) {
    context.clock.set(unix_ms, source);
    if source == ClockSource::Sntp {
        context.system.set_unix_ms(unix_ms);
    }
    context.tell(&Event::ClockSet { unix_ms, source });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_ran_on_is_believed_near_what_is_known() {
        const YEAR_S: u64 = 365 * 86_400;
        const BUILT_AT: u64 = 1_800_000_000;
        let never_online = |kept_s| is_plausible(kept_s, BUILT_AT, None);
        assert!(!never_online(BUILT_AT - 1));
        assert!(never_online(BUILT_AT) && never_online(BUILT_AT + 9 * YEAR_S));
        assert!(!never_online(BUILT_AT + 11 * YEAR_S) && !never_online(u64::MAX));
        let last = BUILT_AT + 3 * YEAR_S;
        let online = |kept_s| is_plausible(kept_s, BUILT_AT, Some(last));
        assert!(!online(last - 2 * WEAR_S) && !online(BUILT_AT));
        assert!(online(last - 3_600) && online(last) && online(last + YEAR_S / 2));
        assert!(!online(last + 2 * YEAR_S) && !online(u64::MAX));
        // A newer firmware than the last good time.
        assert!(!is_plausible(
            BUILT_AT - 1,
            BUILT_AT,
            Some(BUILT_AT - YEAR_S)
        ));
        assert!(is_plausible(u64::MAX, 0, Some(u64::MAX)));
    }
}
