//! What faults can take from a device, and a body asks for: its network, and memory that outlives a restart.

use std::cell::Cell;

use device::retained;
use tokio::sync::Notify;

/// Whether a device has its network.
pub(super) struct Link {
    up: Cell<bool>,
    changed: Notify,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            up: Cell::new(true),
            changed: Notify::new(),
        }
    }
}

impl Link {
    pub(super) fn set(&self, up: bool) {
        self.up.set(up);
        self.changed.notify_waiters();
    }

    /// Returns once it is there, or is not.
    pub(super) async fn is(&self, up: bool) {
        while self.up.get() != up {
            self.changed.notified().await;
        }
    }
}

/// Brings the network back, whatever ends the wait.
pub(super) struct Mended<'a>(pub(super) &'a Link);

impl Drop for Mended<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Memory that outlives a restart.
pub(super) struct Ram(Cell<[u8; retained::BYTES]>);

impl Default for Ram {
    fn default() -> Self {
        Self(Cell::new([0; retained::BYTES]))
    }
}

impl retained::Memory for Ram {
    fn read(&self) -> [u8; retained::BYTES] {
        self.0.get()
    }

    fn write(&self, bytes: &[u8; retained::BYTES]) {
        self.0.set(*bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_is_waited_for_either_way() {
        let link = Link::default();
        link.is(true).await;
        let cut = async { link.set(false) };
        let ((), ()) = tokio::join!(link.is(false), cut);
        let mend = async { drop(Mended(&link)) };
        let ((), ()) = tokio::join!(link.is(true), mend);
    }
}
