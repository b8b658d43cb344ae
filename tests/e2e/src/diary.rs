//! What a device told, to be read by a scenario.

use device::event::Event;
use protocomm::qr::Payload;
use simulator::observer::Notice;
use simulator::{Simulator, Wiring};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::secrets::{hide, shown};

/// The events of one device from now on.
pub struct Diary {
    notices: UnboundedReceiver<Notice>,
    /// All that was read so far: milliseconds since boot, and the event.
    pub read: Vec<(u64, Event)>,
    /// The provisioning code last shown.
    pub code: Option<String>,
}

impl Diary {
    /// Begins to watch.
    #[must_use]
    pub fn of<W: Wiring>(simulator: &Simulator<W>) -> Self {
        Self {
            notices: simulator.watch(),
            read: Vec::new(),
            code: None,
        }
    }

    /// Reads on until an event for which `wanted` says yes, and returns it.
    ///
    /// # Panics
    ///
    /// If the device is gone.
    pub async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let notice = self.notices.recv().await.expect("the device is gone");
            if let Some(event) = self.take(notice).filter(&wanted) {
                return event;
            }
        }
    }

    /// Reads what has been told so far, up to an event for which `end` says yes.
    pub fn catch_up(&mut self, end: impl Fn(&Event) -> bool) {
        while let Ok(notice) = self.notices.try_recv() {
            if self.take(notice).filter(&end).is_some() {
                return;
            }
        }
    }

    fn take(&mut self, notice: Notice) -> Option<Event> {
        match notice {
            Notice::ProvisioningCode(code) => {
                // It is for the label, and for nobody else.
                hide(proof_in(&code));
                self.code = Some(code);
                None
            }
            Notice::Event(at, event) => {
                let line = format!("{:<24} {event}", event.name());
                println!("{:>10.3} {line}", at as f64 / 1000.0);
                shown(&line);
                self.read.push((at, event.clone()));
                Some(event)
            }
        }
    }

    /// Reads on until the event of this name.
    pub async fn until_named(&mut self, name: &str) -> Event {
        self.until(|event| event.name() == name).await
    }

    /// Reads on until samples were acknowledged so many times more.
    pub async fn acknowledged(&mut self, times: usize) {
        for _ in 0..times {
            self.until_named("telemetry.acknowledged").await;
        }
    }

    /// The proof in the code last shown.
    ///
    /// # Panics
    ///
    /// If none was shown.
    #[must_use]
    pub fn proof(&self) -> &str {
        proof_in(self.code.as_deref().expect("a code was shown"))
    }

    /// The names of all events read so far, without the samples.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let names = self.read.iter().map(|(_, event)| event.name());
        names
            .filter(|name| !name.starts_with("telemetry."))
            .collect()
    }
}

fn proof_in(code: &str) -> &str {
    let payload = Payload::decode(code).expect("a code that a phone reads");
    payload.proof_of_possession.unwrap_or_default()
}
