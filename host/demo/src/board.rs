//! One simulated device under the operator's hands: power, restart, network, button.

use std::convert::Infallible;
use std::io::ErrorKind::NotFound;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use device::event::Event;
use simulator::flash::{Flash, OpenError};
use simulator::observer::Notice;
use simulator::sensor::Dht11;
use simulator::wifi::Network;
use simulator::{Simulator, Wiring, World};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::happening::{Happening, Note};
use super::view::Command;
use console::now_ms;

/// For how long [`Board::cut_network`] takes the networks out of the air.
const CUT: Duration = Duration::from_secs(10);

/// A device that lives as long as this.
pub struct Board<W = Dht11> {
    simulator: Rc<Simulator<W>>,
    world: World,
    notices: UnboundedReceiver<Notice>,
    /// What is still to be told.
    next: Option<Happening>,
    lives: u32,
    life: JoinHandle<Infallible>,
    cut: Option<JoinHandle<()>>,
}

/// Opens a flash file.
///
/// # Errors
///
/// If there is none, or it is no flash.
pub fn open_flash(path: &Path) -> Result<Flash> {
    Flash::open(path).map_err(|error| {
        let has_none = matches!(&error, OpenError::Io { error, .. } if error.kind() == NotFound);
        let error = anyhow::Error::from(error);
        match has_none {
            true => error.context(
                "the device has no flash (`esptb image` makes one from a folder with its \
                 certificates)",
            ),
            false => error,
        }
    })
}

impl<W: Wiring + 'static> Board<W> {
    /// Gives power to a board. `lives` is how many lives its flash has seen.
    pub fn power_on(simulator: Simulator<W>, world: World, lives: u32) -> Self {
        let simulator = Rc::new(simulator);
        let notices = simulator.watch();
        let life = live(&simulator);
        Self {
            simulator,
            world,
            notices,
            next: None,
            lives,
            life,
            cut: None,
        }
    }

    /// What happens next to the device. Cancel-safe.
    ///
    /// # Errors
    ///
    /// If the device broke down, which is a bug.
    pub async fn next(&mut self) -> Result<Happening> {
        if let Some(happening) = self.next.take() {
            return Ok(happening);
        }
        tokio::select! {
            biased;
            notice = self.notices.recv() => match notice {
                Some(Notice::Event(uptime_ms, event)) => {
                    let booted = matches!(event, Event::Booted { .. });
                    let happening = Happening::Device(uptime_ms, event);
                    if booted {
                        self.next = Some(happening);
                        self.lives += 1;
                        return Ok(Happening::Life { number: self.lives, at_ms: now_ms() });
                    }
                    Ok(happening)
                }
                Some(Notice::ProvisioningCode(code)) => Ok(Happening::Code(code)),
                None => Err(anyhow!("the simulated device tells nothing any more: this is a bug")),
            },
            ended = &mut self.life => Err(match ended {
                Ok(never) => match never {},
                Err(error) => anyhow!("the simulated device broke down: {error}: this is a bug"),
            }),
        }
    }

    /// Does what the operator wants and says what it did; nothing to quit, and where there was
    /// nothing to do.
    pub async fn grant(&mut self, command: Command) -> Option<Note> {
        Some(Note::plain(match command {
            Command::Reboot => {
                self.reboot().await;
                "power off, power on".to_owned()
            }
            Command::CutNetwork if self.cut_network() => {
                format!("the network is gone for {} s", CUT.as_secs())
            }
            Command::FactoryReset => {
                self.simulator.chip.hold_button();
                "the button is held for five seconds".to_owned()
            }
            Command::Quit | Command::CutNetwork => return None,
        }))
    }

    /// Takes the power away and brings it back.
    async fn reboot(&mut self) {
        self.life.abort();
        // Only when all of it is gone may the next life begin. It ended as it was told to.
        let _ = (&mut self.life).await;
        self.simulator.chip.power_cycle();
        self.life = live(&self.simulator);
    }

    /// Takes the networks out of the air for [`CUT`]. Returns false if they are gone already.
    fn cut_network(&mut self) -> bool {
        if self.cut.as_ref().is_some_and(|cut| !cut.is_finished()) {
            return false;
        }
        let air = self.world.wifi.clone();
        let mut gone: Vec<Network> = Vec::new();
        air.change(|networks| gone = std::mem::take(networks));
        self.cut = Some(tokio::task::spawn_local(async move {
            tokio::time::sleep(CUT).await;
            air.change(|networks| networks.append(&mut gone));
        }));
        true
    }
}

impl<W> Drop for Board<W> {
    fn drop(&mut self) {
        self.life.abort();
        if let Some(cut) = &self.cut {
            cut.abort();
        }
    }
}

fn live<W: Wiring + 'static>(simulator: &Rc<Simulator<W>>) -> JoinHandle<Infallible> {
    let simulator = simulator.clone();
    tokio::task::spawn_local(async move { simulator.live_on().await })
}
