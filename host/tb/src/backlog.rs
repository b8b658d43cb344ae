//! How many samples wait in each device: what only the device itself knows.
//!
//! Each that is online is asked by a call (`getStatus`), several at once, for the server waits with each
//! answer until the device has given it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::json;

use crate::{Client, Device};

/// How many calls are under way at once.
const AT_ONCE: usize = 16;

/// Asks all that are online, and writes down what they answer; who does not answer stays unknown.
/// `progress` is told how many were asked, and of how many.
pub fn ask_backlogs(
    client: &Client,
    devices: &mut [Device],
    progress: impl Fn(usize, usize) + Sync,
) {
    let asked: Vec<_> = devices
        .iter_mut()
        .filter(|device| device.online)
        .map(Mutex::new)
        .collect();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(device) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Nobody else has it.
            let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = client.call(&device.id, "getStatus", &json!({})).ok();
            device.backlog = answer.and_then(|answer| answer["backlog"].as_i64());
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, asked.len());
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(asked.len()) {
            scope.spawn(work);
        }
    });
}
