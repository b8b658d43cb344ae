//! A device's passage to its broker: a stopwatch and a turnstile, between it and its sockets.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bodykit::sockets::Tap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Measures from the packet that carries a sample to whatever its owner waits for.
#[derive(Clone, Default)]
pub(super) struct Stopwatch(Rc<Cell<Watch>>);

#[derive(Clone, Copy, Default)]
enum Watch {
    #[default]
    Idle,
    /// The next packet that is sent starts it.
    Ready,
    Running(Instant),
}

impl Stopwatch {
    /// The next packet to be sent starts it, unless it runs.
    pub(super) fn get_ready(&self) {
        if matches!(self.0.get(), Watch::Idle) {
            self.0.set(Watch::Ready);
        }
    }

    fn sent(&self) {
        if matches!(self.0.get(), Watch::Ready) {
            self.0.set(Watch::Running(Instant::now()));
        }
    }

    /// Stops it, and returns what it shows, if it ran.
    pub(super) fn stop(&self) -> Option<Duration> {
        match self.0.take() {
            Watch::Running(since) => Some(since.elapsed()),
            Watch::Idle | Watch::Ready => None,
        }
    }
}

/// How many devices of a process may be between their ClientHello and what answers it.
///
/// In between MbedTLS keeps the key of the key exchange in a slot of PSA's (`xxdh_psa_privkey` of
/// `mbedtls_ssl_handshake_params`), of which a process has 32 (`MBEDTLS_PSA_KEY_SLOT_COUNT`, MbedTLS
/// 3.6.5, as mbedtls-rs-sys builds it: its list `ALWAYS_OFF` has `PSA_KEY_STORE_DYNAMIC`). Some are
/// left for what a step of a handshake needs for itself.
const AT_ONCE: usize = 24;

/// How many may be between joining their network and that: each takes some seconds for what comes in
/// between (its clock), and few enough that none waits for its turn until its patience with the
/// broker's TCP is at its end.
const ON_THE_WAY: usize = 512;

/// Lets so many devices of a process on their way to the broker, and so many into the handshake. The
/// others wait, in order, before they join their network, where no patience of theirs runs out.
#[derive(Clone)]
pub(super) struct Turnstile {
    ways: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self {
            ways: Arc::new(Semaphore::new(ON_THE_WAY)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// A device's turn, from the turnstile until the handshake needs it no more.
#[derive(Clone, Default)]
pub(super) struct Turn(Rc<RefCell<Vec<OwnedSemaphorePermit>>>);

impl Turn {
    /// Waits until it may join.
    pub(super) async fn set_out(&self, turnstile: &Turnstile) {
        self.end();
        self.wait(&turnstile.ways).await;
    }

    /// Waits until it may connect.
    async fn take(&self, turnstile: &Turnstile) {
        self.wait(&turnstile.turns).await;
    }

    async fn wait(&self, semaphore: &Arc<Semaphore>) {
        // It is never closed.
        let permit = semaphore.clone().acquire_owned().await.ok();
        self.0.borrow_mut().extend(permit);
    }

    fn end(&self) {
        self.0.borrow_mut().clear();
    }
}

/// What stands between a device and its connections.
#[derive(Clone)]
pub(super) struct Passage {
    pub(super) stopwatch: Stopwatch,
    turnstile: Turnstile,
    turn: Turn,
    /// Whether the server has answered.
    has_read: bool,
}

impl Passage {
    pub(super) fn new(turn: Turn, turnstile: Turnstile) -> Self {
        Self {
            stopwatch: Stopwatch::default(),
            turnstile,
            turn,
            has_read: false,
        }
    }
}

impl Tap for Passage {
    async fn connecting(&mut self) {
        self.turn.take(&self.turnstile).await;
    }

    fn has_read(&mut self) {
        self.has_read = true;
    }

    fn writes(&mut self) {
        if self.has_read {
            // What answers a ServerHello: its key was needed before.
            self.turn.end();
        }
    }

    fn has_written(&mut self) {
        self.stopwatch.sent();
    }
}

/// A turn ends with the connection that it was for.
impl Drop for Passage {
    fn drop(&mut self) {
        self.turn.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_are_let_in_than_there_are_turns() {
        let turnstile = Turnstile::default();
        let turns: Vec<_> = (0..AT_ONCE).map(|_| Turn::default()).collect();
        for turn in &turns {
            turn.set_out(&turnstile).await;
            turn.take(&turnstile).await;
        }
        let late = Turn::default();
        let waiting = late.take(&turnstile);
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, waiting).await.is_err());
        drop(Passage::new(turns[3].clone(), turnstile.clone()));
        let let_in = tokio::time::timeout(Duration::from_secs(60), late.take(&turnstile));
        assert!(let_in.await.is_ok());
    }

    #[test]
    fn the_stopwatch_runs_from_the_first_packet_after_the_sample() {
        let stopwatch = Stopwatch::default();
        stopwatch.sent();
        assert_eq!(stopwatch.stop(), None, "no sample was on its way");
        stopwatch.get_ready();
        assert_eq!(stopwatch.stop(), None, "nothing was sent");
        stopwatch.get_ready();
        stopwatch.sent();
        stopwatch.get_ready();
        stopwatch.sent();
        assert!(stopwatch.stop().is_some());
        assert_eq!(stopwatch.stop(), None);
    }
}
