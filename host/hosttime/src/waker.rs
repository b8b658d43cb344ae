//! One waker for one task.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Context;

/// Does `work` with a waker that is always seen to be the same.
///
/// A waker and its clone have each a pointer to a table of functions, and the compiler may put a table of its own beside
/// each piece of code that makes a waker: then a task's waker is not seen to wake the same as what was cloned of it
/// (`Waker::will_wake`). What keeps one waker at a time, as embassy-sync does, wakes the old one for the new one at each
/// poll, and the task is polled without end. It was so with that of tokio's `block_on`. A clone and its clones have one
/// table.
pub async fn with_one_waker<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let waker = context.waker().clone();
        work.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}
