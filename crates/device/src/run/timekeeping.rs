//! The activity of setting the clock, and keeping it through a life.
//!
//! A time server comes first. The clock that ran on through a restart is second best: a chip counts
//! that time with an oscillator that it calibrates anew at each start, and may be minutes off after
//! weeks.

use core::convert::Infallible;

use embassy_time::{Duration, Instant, Timer};

use crate::clock;
use crate::context::Context;
use crate::event::{ClockError, ClockSource, Event};
use crate::lifecycle::State;
use crate::platform::{Platform, System};

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

/// Sets the clock by a time server, or, if none answers, by what ran on through a restart. With
/// `floor`, a time that is certainly past will do after these.
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
        Ok(unix_ms) => return clock_is(context, unix_ms, ClockSource::Sntp),
        Err(error) => error,
    };
    let built_at = context.system.identity().built_at_unix_s;
    if !doubted {
        if let Some(ClockSource::Kept | ClockSource::Sntp) = context.clock.source() {
            return go_on(context);
        }
        if let Some(unix_ms) = context.system.unix_ms()
            && unix_ms / 1_000 >= built_at
        {
            return clock_is(context, unix_ms, ClockSource::Kept);
        }
    }
    if floor {
        let last = context.storage.last_good_time().ok().flatten().unwrap_or(0);
        let past_ms = last.max(built_at).saturating_mul(1_000);
        return clock_is(context, past_ms, ClockSource::Floor);
    }
    let retry_ms = context.retry_ms();
    context.tell(&Event::ClockFailed { error, retry_ms });
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
            clock_is(context, unix_ms, ClockSource::Sntp);
        }
        pause = match context.clock.source() {
            Some(ClockSource::Sntp) => LATER,
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
}

async fn ask_time<P: Platform>(context: &Context<'_, P>) -> Result<u64, ClockError> {
    let server = &context.settings.sntp_server;
    let floor = context.system.identity().built_at_unix_s;
    clock::ask(context.network, &server.host, server.port, floor).await
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
