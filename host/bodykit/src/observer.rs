//! Whoever is told what happens to the device: watchers who come and go, a function, nobody.

use std::cell::RefCell;
use std::rc::Rc;

use device::event::Event;
use device::platform::Observer;
use tokio::sync::mpsc;

/// Something for whoever watches the device.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An event, and how many milliseconds after boot it happened.
    Event(u64, Event),
    /// The QR code's payload for the provisioning app; it holds the proof of possession.
    ProvisioningCode(String),
}

/// Sends everything to a channel; watchers may come and go.
#[derive(Clone, Default)]
pub struct Watchers(Rc<RefCell<Vec<mpsc::UnboundedSender<Notice>>>>);

impl Watchers {
    /// A new watcher, who sees what happens from now on.
    #[must_use]
    pub fn watch(&self) -> mpsc::UnboundedReceiver<Notice> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.borrow_mut().push(sender);
        receiver
    }

    fn tell(&self, notice: &Notice) {
        self.0
            .borrow_mut()
            .retain(|watcher| watcher.send(notice.clone()).is_ok());
    }
}

impl Observer for Watchers {
    fn notice(&self, uptime_ms: u64, event: &Event) {
        self.tell(&Notice::Event(uptime_ms, event.clone()));
    }

    fn show_provisioning_code(&self, payload: &str) {
        self.tell(&Notice::ProvisioningCode(payload.to_owned()));
    }
}

/// Tells a function of all events, and when they happened: milliseconds after boot.
pub struct Told<F>(pub F);

impl<F: Fn(u64, &Event)> Observer for Told<F> {
    fn notice(&self, uptime_ms: u64, event: &Event) {
        (self.0)(uptime_ms, event);
    }

    fn show_provisioning_code(&self, _: &str) {}
}

/// There is nobody to tell.
pub struct Nobody;

impl Observer for Nobody {
    fn notice(&self, _: u64, _: &Event) {}

    fn show_provisioning_code(&self, _: &str) {}
}
