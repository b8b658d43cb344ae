//! The device in the middle of it: one life after the other, and what is seen of them.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};

use device::event::{Event, Renewal, TlsVersion};
use device::platform::System;
use simulator::Simulator;
use simulator::observer::Notice;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use update::image::Head;

use super::ledger::{End, Life};
use crate::secrets::shown;

/// How many events are kept, to be shown if something goes wrong.
const LAST_WORDS: usize = 60;

/// What the world does with the device's supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    /// The number tells apart what comes before and after the power was off for a moment.
    On(u64),
    Off,
    /// On, but the device must begin anew, as by a watchdog.
    Reset(u64),
}

/// How the device is, for who waits for something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Advertising, and waiting for a client.
    pub(super) provisioning: bool,
    /// A client chose a network that worked.
    pub(super) provisioned: bool,
    pub(super) online: bool,
    /// Samples that waited when the broker last acknowledged, since it is online.
    pub(super) backlog: Option<u16>,
}

/// What a run counts besides samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Boots.
    pub boots: u32,
    /// Times that the broker accepted the device.
    pub connections: u32,
    /// Connections by TLS 1.3.
    pub tls_1_3: u32,
    /// Connections that resumed a TLS session.
    pub resumed: u32,
    /// Tries to connect that failed, or connections that broke.
    pub failures: u32,
    /// Times that a client chose a network that worked.
    pub provisioned: u32,
    /// Versions of the firmware that ran.
    pub versions: u32,
    /// Versions that were not taken, or came back from their trial.
    pub given_up: u32,
    /// Times that another certificate proved good.
    pub renewed: u32,
    /// Requests for another one that came to nothing.
    pub renewals_failed: u32,
    /// Times that the device followed its server to another CA.
    pub anchors: u32,
}

/// All that was seen of the device so far.
pub(super) struct Lives {
    pub(super) power: watch::Sender<Power>,
    /// Whether a life goes on, which is not told of in `lives` yet.
    alive: watch::Sender<bool>,
    pub(super) seen: watch::Sender<Seen>,
    pub(super) lives: RefCell<Vec<Life>>,
    pub(super) counts: RefCell<Counts>,
    pub(super) last_words: RefCell<VecDeque<String>>,
    /// What ran, as flash has it.
    pub(super) versions: RefCell<BTreeSet<String>>,
}

/// What one life tells of its samples.
#[derive(Default)]
struct Told {
    dropped: u64,
    acknowledged: u64,
}

impl Lives {
    pub(super) fn new() -> Self {
        Self {
            power: watch::Sender::new(Power::On(0)),
            alive: watch::Sender::new(false),
            seen: watch::Sender::default(),
            lives: RefCell::default(),
            counts: RefCell::default(),
            last_words: RefCell::default(),
            versions: RefCell::default(),
        }
    }

    /// Lives on and on. Ends when the power is off and `power` is told so for the last time, which
    /// is when its future is dropped: so drop it only while the power is off.
    pub(super) async fn live_on(&self, board: &Simulator) -> std::convert::Infallible {
        let mut notices = board.watch();
        let mut power = self.power.subscribe();
        loop {
            let _ = power.wait_for(|power| *power != Power::Off).await;
            let now = *power.borrow_and_update();
            self.alive.send_replace(true);
            board.flash.restore_power();
            let first = board.wiring.readings();
            let mut told = Told::default();
            let end = {
                let life = board.live();
                tokio::pin!(life);
                loop {
                    tokio::select! {
                        biased;
                        changed = power.wait_for(|power| *power != now) => {
                            // The sender lives as long as this.
                            break match changed.map(|power| *power) {
                                Ok(Power::Reset(_)) => End::Reset,
                                _ => End::Power,
                            };
                        }
                        notice = notices.recv() => {
                            if let Some(notice) = notice {
                                self.hear(&notice, &mut told);
                            }
                        }
                        _ = &mut life => break End::Restart,
                    }
                }
            };
            self.drain(&mut notices, &mut told);
            self.versions.borrow_mut().extend(running(board));
            match end {
                End::Power => board.chip.power_cycle(),
                End::Reset | End::Restart => board.chip.restart(),
            }
            self.seen.send_replace(Seen::default());
            self.lives.borrow_mut().push(Life {
                taken: first..board.wiring.readings(),
                dropped_told: told.dropped,
                acknowledged_told: told.acknowledged,
                end,
            });
            self.alive.send_replace(false);
        }
    }

    /// Turns the power off, and waits until the life that this ends was told of.
    pub(super) async fn end(&self) {
        self.power.send_replace(Power::Off);
        let mut alive = self.alive.subscribe();
        // The sender lives as long as this.
        let _ = alive.wait_for(|alive| !alive).await;
    }

    fn drain(&self, notices: &mut UnboundedReceiver<Notice>, told: &mut Told) {
        while let Ok(notice) = notices.try_recv() {
            self.hear(&notice, told);
        }
    }

    fn hear(&self, notice: &Notice, told: &mut Told) {
        // The provisioning code is for the label; it holds the proof, as it must.
        let Notice::Event(at_ms, event) = notice else {
            return;
        };
        self.count(event, told);
        let line = format!("{:>9.1} {:<24} {event}", *at_ms as f64 / 1e3, event.name());
        shown(&line);
        if !matches!(event, Event::Sampled(_) | Event::Acknowledged { .. }) {
            let mut last_words = self.last_words.borrow_mut();
            if last_words.len() == LAST_WORDS {
                last_words.pop_front();
            }
            last_words.push_back(line);
        }
    }

    fn count(&self, event: &Event, told: &mut Told) {
        let mut counts = self.counts.borrow_mut();
        let see = |change: &dyn Fn(&mut Seen)| self.seen.send_modify(|seen| change(seen));
        match event {
            Event::Booted { .. } => counts.boots += 1,
            Event::ProvisioningStarted { .. } => see(&|seen| seen.provisioning = true),
            Event::BluetoothStopped => see(&|seen| seen.provisioning = false),
            Event::Provisioned { .. } => {
                counts.provisioned += 1;
                see(&|seen| seen.provisioned = true);
            }
            Event::TlsEstablished { version, resumed } => {
                counts.tls_1_3 += u32::from(*version == TlsVersion::Tls13);
                counts.resumed += u32::from(*resumed);
            }
            Event::Online { .. } => {
                counts.connections += 1;
                see(&|seen| {
                    seen.online = true;
                    seen.backlog = None;
                });
            }
            Event::ConnectionFailed { .. } | Event::WifiLost => {
                counts.failures += 1;
                see(&|seen| seen.online = false);
            }
            Event::Acknowledged { samples, backlog } => {
                told.acknowledged += u64::from(*samples);
                see(&|seen| seen.backlog = Some(*backlog));
            }
            Event::Renewal(Renewal::Renewed) => counts.renewed += 1,
            Event::Renewal(Renewal::AnchorsProven) => counts.anchors += 1,
            Event::BacklogAcknowledged { samples } => told.acknowledged += u64::from(*samples),
            Event::SamplesDropped { total } => told.dropped = u64::from(*total),
            _ => {}
        }
    }
}

/// The version that runs, as flash has it.
fn running(board: &Simulator) -> Option<String> {
    let running = board.chip.running()?;
    let flash = board.flash.to_bytes();
    let head = Head::read(flash.get(running.address as usize..)?)?;
    Some(head.version.to_string())
}
