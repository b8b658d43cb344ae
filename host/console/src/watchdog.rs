//! Notices that the one thread on which devices live hangs: a poll that never returns, after which no
//! deadline, no key and no Ctrl-C is noticed any more. As a chip's watchdog it ends the whole.
//!
//! It counts its own beats, not the time: a computer that slept, or a program that was stopped, is
//! no hang.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Exit;

/// How often either thread gives a sign of life.
const BEAT: Duration = Duration::from_millis(250);

/// After so many beats without a sign of life something hangs: a minute, as on the chip.
const PATIENCE: u32 = 240;

/// The same once the program should have ended: two seconds.
const PATIENCE_AT_THE_END: u32 = 8;

/// Watches until it is dropped.
pub struct Watchdog {
    last: Arc<Mutex<String>>,
    _ends: Sender<()>,
}

impl Watchdog {
    /// Watches over the thread and the local set that this is called from; `whose` it is goes into the
    /// message. With a deadline, it sees to it that the program is over soon after.
    pub fn start(whose: &'static str, deadline: Option<Duration>) -> Self {
        let alive = Arc::new(AtomicU32::new(0));
        let beating = alive.clone();
        tokio::task::spawn_local(async move {
            loop {
                beating.fetch_add(1, Relaxed);
                tokio::time::sleep(BEAT).await;
            }
        });
        let last = Arc::new(Mutex::new(String::new()));
        let (ends, ended) = channel::<()>();
        let told = last.clone();
        let deadline = deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        // Where no thread is to be had, there is no watchdog, as on a chip without its clock.
        let _ = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                let (mut seen, mut silent, mut late) = (0, 0, 0);
                while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                    let now = alive.load(Relaxed);
                    silent = if now == seen { silent + 1 } else { 0 };
                    seen = now;
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        late += 1;
                    }
                    if silent > PATIENCE || late.min(silent) > PATIENCE_AT_THE_END {
                        let last = told.lock().unwrap_or_else(PoisonError::into_inner);
                        bite(whose, BEAT * silent, &last);
                    }
                }
            });
        Self { last, _ends: ends }
    }

    /// What happened last, for the message.
    pub fn note(&self, last: &str) {
        last.clone_into(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Ends the program with words, if they can be said: perhaps it hangs because nobody reads them.
fn bite(whose: &str, silent: Duration, last: &str) -> ! {
    let hung = Exit::Hung {
        whose: whose.to_owned(),
        silent_s: silent.as_secs(),
        last: last.to_owned(),
    };
    let code = hung.code();
    let saying = thread::spawn(move || crate::error(&hung.into()));
    let patience = Instant::now() + Duration::from_secs(1);
    while !saying.is_finished() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(10));
    }
    std::process::exit(code.into())
}
