//! Requests for several devices, some of them at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::member::Member;
use crate::Error;

/// How many are under way at once.
const REQUESTS: usize = 8;

/// Does it for each of these members. Who was deleted meanwhile is passed over.
pub(super) fn each(
    members: &[Member],
    indices: &[usize],
    request: impl Fn(&Member) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let (next, fault) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        while let Some(&index) = indices.get(next.fetch_add(1, Ordering::Relaxed)) {
            match request(&members[index]) {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..REQUESTS.min(indices.len()) {
            scope.spawn(work);
        }
    });
    match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
