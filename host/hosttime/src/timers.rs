//! Who is to be woken when: one timer for each task.

use std::collections::{BTreeMap, HashMap};
use std::task::Waker;

/// Timers, by their instants in microseconds.
#[derive(Default)]
pub(crate) struct Timers {
    /// Keyed by instant and task, since two tasks may wake at one instant.
    wakers: BTreeMap<(u64, Task), Waker>,
    /// When each task wakes first. There is one timer for each, as with embassy-time's own queue:
    /// a task polls all its timers whenever it is polled, and so sets the later ones again.
    /// Without this an hour's timer would be here once for each poll within that hour.
    first: HashMap<Task, u64>,
}

/// What a waker wakes. As long as a timer holds the waker, nothing else has the same address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Task {
    data: usize,
    vtable: usize,
}

impl Task {
    fn of(waker: &Waker) -> Self {
        Self {
            data: waker.data().addr(),
            vtable: std::ptr::from_ref(waker.vtable()).addr(),
        }
    }
}

impl Timers {
    /// When the first is due.
    pub(crate) fn next(&self) -> Option<u64> {
        self.wakers.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Wakes `waker` at this instant, unless its task is to wake earlier already. Whether the first of all timers
    /// is another now.
    pub(crate) fn set(&mut self, at: u64, waker: &Waker) -> bool {
        let task = Task::of(waker);
        if let Some(&known) = self.first.get(&task) {
            if known <= at {
                return false;
            }
            self.wakers.remove(&(known, task));
        }
        let first = self.next().is_none_or(|next| at < next);
        self.first.insert(task, at);
        self.wakers.insert((at, task), waker.clone());
        first
    }

    /// Removes the timers up to `now`.
    pub(crate) fn take_due(&mut self, now: u64) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(timer) = self.wakers.first_entry()
            && timer.key().0 <= now
        {
            let ((_, task), waker) = timer.remove_entry();
            self.first.remove(&task);
            due.push(waker);
        }
        due
    }

    /// How many timers a waker's task has, and when the first of them is due.
    #[cfg(test)]
    pub(crate) fn of(&self, waker: &Waker) -> (usize, Option<u64>) {
        let task = Task::of(waker);
        let of_task = self.wakers.keys().filter(|(_, other)| *other == task);
        (of_task.count(), self.first.get(&task).copied())
    }
}
