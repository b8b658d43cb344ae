//! The thin shell around the [`Air`]: controllers that host stacks in this process await.
//!
//! Time is `embassy-time`'s, so that a program which runs its clock faster has faster air too.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use embassy_futures::select::select;
use embassy_time::{Instant, Timer};

use crate::air::{Air, ControllerConfig, Port};
use crate::error::Error;
use crate::faults::Faults;

/// Air that controllers of this process share. Clones are the same air.
#[derive(Clone, Default)]
pub struct SharedAir {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    air: Air,
    waiting: BTreeMap<Port, Waker>,
    /// Counts the changes from outside, each of which may move the next deadline.
    changes: u64,
}

impl Inner {
    /// Something was done to the air: all look again, since the next deadline may have moved.
    fn changed(&mut self) {
        self.changes += 1;
        for (_, waker) in std::mem::take(&mut self.waiting) {
            waker.wake();
        }
    }

    /// Time passed: those look again for whom it brought packets. Waking more would have two
    /// waiting controllers wake each other for ever.
    fn wake_fresh(&mut self) {
        let air = &self.air;
        self.waiting.retain(|port, waker| {
            let fresh = air.has_news(*port);
            if fresh {
                waker.wake_by_ref();
            }
            !fresh
        });
    }
}

fn now() -> Duration {
    Duration::from_micros(Instant::now().as_micros())
}

impl SharedAir {
    /// Empty air.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a controller on the air. It leaves when it is dropped.
    pub fn controller(&self, config: ControllerConfig) -> VirtualController {
        let port = self.lock().air.add(config);
        VirtualController {
            air: self.clone(),
            port,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The state machine does not panic half-way; a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One controller on shared air.
pub struct VirtualController {
    air: SharedAir,
    port: Port,
}

/// Changes a controller's faults while a host stack owns the controller itself.
#[derive(Clone)]
pub struct FaultControl {
    air: SharedAir,
    port: Port,
}

impl VirtualController {
    /// Takes a packet from the host, indicator byte first.
    pub fn send(&self, packet: &[u8]) {
        let mut inner = self.air.lock();
        inner.air.from_host(self.port, packet, now());
        inner.changed();
    }

    /// Waits for the next packet for the host, indicator byte first.
    ///
    /// Cancel-safe: no packet is lost. One waiter per controller at a time.
    pub async fn receive(&self) -> Vec<u8> {
        loop {
            let (packet, deadline, seen) = {
                let mut inner = self.air.lock();
                let now = now();
                inner.air.poll(now);
                let packet = inner.air.to_host(self.port, now);
                // What this host took and what became due may have brought the others packets.
                inner.wake_fresh();
                (packet, inner.air.next_deadline(), inner.changes)
            };
            if let Some(packet) = packet {
                return packet;
            }
            let changed = self.changed(seen);
            match deadline {
                Some(at) => {
                    select(
                        changed,
                        Timer::at(Instant::from_micros(at.as_micros() as u64)),
                    )
                    .await;
                }
                None => changed.await,
            }
        }
    }

    async fn changed(&self, seen: u64) {
        poll_fn(|cx| {
            let mut inner = self.air.lock();
            if inner.changes != seen || inner.air.has_news(self.port) {
                return Poll::Ready(());
            }
            inner.waiting.insert(self.port, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// A handle to this controller's faults.
    pub fn faults(&self) -> FaultControl {
        FaultControl {
            air: self.air.clone(),
            port: self.port,
        }
    }
}

impl Drop for VirtualController {
    fn drop(&mut self) {
        let mut inner = self.air.lock();
        inner.air.remove(self.port, now());
        inner.changed();
    }
}

impl FaultControl {
    /// Changes the faults. Nothing happens once the controller is gone.
    pub fn set(&self, change: impl FnOnce(&mut Faults)) {
        let mut inner = self.air.lock();
        if let Some(faults) = inner.air.faults(self.port) {
            change(faults);
        }
        inner.changed();
    }

    /// Loses all links of the controller now.
    pub fn drop_links(&self) {
        let mut inner = self.air.lock();
        inner.air.drop_links(self.port, now());
        inner.changed();
    }
}

impl embedded_io::ErrorType for VirtualController {
    type Error = Error;
}

impl bt_hci_transport::Transport for VirtualController {
    async fn read<'a, P: bt_hci_transport::PacketToHost<'a>>(
        &self,
        rx: &'a mut [u8],
    ) -> Result<P, Error> {
        Ok(crate::raw::decode(&self.receive().await, rx)?)
    }

    async fn write<P: bt_hci_transport::PacketToController>(
        &self,
        packet: &P,
    ) -> Result<(), Error> {
        self.send(&crate::raw::encode(packet));
        Ok(())
    }
}
