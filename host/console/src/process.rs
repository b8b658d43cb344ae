//! The process: the one thread where devices can live, when somebody asks it to end, what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// Runs something on the one thread where devices and Bluetooth stacks can live.
///
/// # Errors
///
/// What `play` returns, or that the operating system gives no runtime.
pub fn on_one_thread<T>(play: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the operating system gives no runtime")?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(play))
}

/// Returns when somebody outside asks the program to end: Ctrl-C, or what `kill` and service
/// managers send. Only what comes after the first poll is noticed, and nothing in between is lost.
pub async fn interrupted() {
    let by_hand = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = by_hand => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // A system without signals is ended by other means.
    let _ = by_hand.await;
}

/// The computer's time, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
