//! The device's task, and what it came to.

use crate::time::Task;

/// A task of which the outcome is kept.
pub struct Play<'a, T> {
    task: Task<'a, T>,
    /// What it came to, once it is over.
    pub outcome: Option<T>,
}

impl<'a, T> Play<'a, T> {
    /// A task that has not begun.
    pub fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self {
            task: Task::new(future),
            outcome: None,
        }
    }

    /// Lets the device take note of what happened; whether it goes on.
    pub fn nudge(&mut self) -> bool {
        if self.outcome.is_none() {
            self.outcome = self.task.nudge();
        }
        self.outcome.is_none()
    }
}
