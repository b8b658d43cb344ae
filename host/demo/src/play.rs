//! The demo as it is played: the device, the phone and the server act, the operator watches.

use std::collections::BTreeSet;
use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use device::event::{Event, Renewal};
use devserver::{Datum, Firmware, Server};
use simulator::ntp::TimeServer;
use simulator::system::BUILT_AT_UNIX_S;
use simulator::wifi::Network;
use simulator::{Simulator, Wiring, World};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::board::{self, Board};
use super::coverage::Coverage;
use super::folder::{Folder, Record};
use super::happening::{Happening, Note, Place};
use super::phone::{self, Script};
use super::renew::{self, Operator};
use super::server;
use super::show::Show;
use super::view::Command;
use console::Exit;
use console::{interrupted, now_ms};

/// The network that the device is to join.
const NETWORK: &str = "Demo network";
/// What opens it.
const PASSPHRASE: &str = "correct horse battery";
/// How long the device may take to come online where nobody watches.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the last sample may be under way.
const GRACE: Duration = Duration::from_secs(3);

/// Everything around the device.
pub struct Desk {
    /// Where all of it is kept.
    pub folder: Folder,
    /// Who the device is.
    pub record: Record,
    server: Server,
    world: World,
    /// What is to be assigned to the device once it is online.
    firmware: Option<Firmware>,
    /// Who renews its certificate.
    operator: Option<Operator>,
    _time: TimeServer,
}

/// When the demo ends by itself.
pub struct Limits {
    /// Whether somebody watches: then nothing ends it but the operator and the duration.
    pub is_watched: bool,
    /// How long telemetry is to flow.
    pub duration: Option<Duration>,
    /// Whether the device's firmware is updated first.
    pub update: bool,
    /// Whether its certificate is renewed first.
    pub renew: bool,
}

/// The air of the demo.
pub fn world() -> World {
    World::new([
        Network::new(NETWORK, PASSPHRASE, -47),
        Network::new("Coffee shop", "", -63),
        Network::new("Neighbour", "not for you", -81),
    ])
}

impl Desk {
    /// With this device, before this server.
    pub fn new(folder: Folder, record: Record, server: Server, time: TimeServer) -> Self {
        Self {
            folder,
            record,
            server,
            world: world(),
            firmware: None,
            operator: None,
            _time: time,
        }
    }

    /// The same with a package to be assigned.
    pub fn with_firmware(self, firmware: Option<Firmware>) -> Self {
        Self { firmware, ..self }
    }

    /// The same with somebody who renews the device's certificate.
    pub fn with_operator(self, operator: Option<Operator>) -> Self {
        Self { operator, ..self }
    }

    fn place(&self) -> Place {
        Place {
            title: "demo",
            serial: self.record.serial.clone(),
            mqtt: self.server.mqtt_url(),
            page: self.server.http_url(),
        }
    }

    /// The phone, with what its user reads from the device's label.
    fn script(&self, name: &str, mistakes: bool) -> Script {
        Script {
            name: name.to_owned(),
            proof: self.record.proof.clone(),
            network: NETWORK.to_owned(),
            passphrase: PASSPHRASE.to_owned(),
            mistakes,
        }
    }
}

/// The demo under way.
struct Stage<W> {
    desk: Desk,
    board: Board<W>,
    reports: UnboundedReceiver<Note>,
    report: UnboundedSender<Note>,
    phone: Option<JoinHandle<Result<()>>>,
    /// Whether the phone mistypes the passphrase next time.
    mistakes: bool,
    outcome: Outcome,
}

/// What there is to say of a demo that has ended.
#[derive(Default)]
struct Outcome {
    started: Option<Instant>,
    /// When the device came online first.
    online: Option<Instant>,
    /// When it came online first in the life that counts, in milliseconds since 1970.
    online_ms: Option<i64>,
    /// Until when samples must have been taken, in milliseconds since 1970.
    until_ms: i64,
    provisioned: bool,
    /// Whether the new firmware got online.
    updated: bool,
    /// Whether the new certificate did.
    renewed: bool,
}

/// A demo that has ended.
pub struct Played {
    /// What was around the device.
    pub desk: Desk,
    /// What arrived at the server.
    pub coverage: Coverage,
    /// Whether the device was provisioned.
    pub provisioned: bool,
    outcome: Outcome,
}

/// Plays the demo until a limit is reached or the operator has seen enough.
///
/// # Errors
///
/// If something breaks down; and where nobody watches, also if provisioning fails or the device
/// does not come online in time.
pub async fn play<W: Wiring + Default + 'static>(
    desk: Desk,
    mistakes: bool,
    limits: &Limits,
    show: &mut Show,
) -> Result<Played> {
    let mut server_events = desk.server.events();
    let mut coverage = Coverage::new(1_000, 0);
    let mut stage = Stage::<W>::set(desk, mistakes, show)?;
    let mut interrupted = pin!(interrupted());
    loop {
        let alarm = stage.outcome.alarm(limits, &coverage);
        tokio::select! {
            // In the order of cause and effect, as far as it goes.
            biased;
            Some(note) = stage.reports.recv() => show.tell(Happening::Phone(note))?,
            happening = stage.board.next() => {
                let happening = happening?;
                stage.follow(&happening)?;
                stage.assign(&happening, show).await?;
                if let Happening::Life { at_ms, .. } = happening
                    && (limits.is_watched || limits.update || limits.renew)
                {
                    // The device was rebooted: what counts is the present life.
                    coverage = Coverage::new(1_000, at_ms);
                    stage.outcome.online_ms = None;
                }
                show.tell(happening)?;
            }
            event = server_events.next() => {
                let event = event.context("the server has stopped")?;
                let Some(happening) = server::happening(&event) else { continue };
                if let Happening::Stored(stored) = &happening {
                    stored.stamps_ms.iter().for_each(|&ts| coverage.arrived(ts));
                }
                show.tell(happening)?;
            }
            ended = end_of(&mut stage.phone) => {
                stage.phone = None;
                if let Err(error) = ended {
                    if !limits.is_watched {
                        return Err(error);
                    }
                    let text = format!("{error:#} (r reboots the device, to try again)");
                    show.tell(Happening::Phone(Note::bad(text)))?;
                }
            }
            command = show.command() => if !stage.grant(command, show).await? {
                break;
            },
            () = &mut interrupted => {
                if coverage.latest().is_none() && !limits.is_watched {
                    return Err(Exit::Interrupted.into());
                }
                break;
            }
            () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => {
                if stage.outcome.online.is_none() {
                    bail!("the device did not come online within {} s", PATIENCE.as_secs());
                }
                if stage.outcome.is_changing(limits) {
                    let what = if limits.renew { "renewal" } else { "update" };
                    bail!("the {what} did not end within {} s", PATIENCE.as_secs());
                }
                break;
            }
        }
    }
    stage.outcome.end(limits);
    let Stage { desk, outcome, .. } = stage;
    Ok(Played {
        desk,
        coverage,
        provisioned: outcome.provisioned,
        outcome,
    })
}

/// How the phone fared; never returns if there is none. Cancel-safe.
async fn end_of(phone: &mut Option<JoinHandle<Result<()>>>) -> Result<()> {
    match phone {
        Some(phone) => phone.await.unwrap_or_else(|error| Err(error.into())),
        None => std::future::pending().await,
    }
    .context("the phone could not provision the device")
}

impl<W: Wiring + Default + 'static> Stage<W> {
    fn set(desk: Desk, mistakes: bool, show: &mut Show) -> Result<Self> {
        let flash_file = desk.folder.path("flash.bin");
        let flash = board::open_flash(&flash_file)?;
        let mut tell = |text: String| show.tell(Happening::Demo(Note::plain(text)));
        let lives = desk.record.lives;
        if lives == 0 {
            tell(format!(
                "certificates are in {}",
                desk.folder.path("ca").display()
            ))?;
            let files = desk.folder.path("spiffs_root");
            tell(format!("{} became the SPIFFS partition", files.display()))?;
        }
        tell(format!("the device's flash is {}", flash_file.display()))?;
        show.tell(Happening::Ready(desk.place()))?;
        let simulator = Simulator::new(flash, desk.record.mac, BUILT_AT_UNIX_S, &desk.world);
        let board = Board::power_on(simulator, desk.world.clone(), lives);
        let (report, reports) = mpsc::unbounded_channel();
        Ok(Self {
            desk,
            board,
            reports,
            report,
            phone: None,
            mistakes,
            outcome: Outcome::default(),
        })
    }

    /// Does what the world does when that happens to the device.
    fn follow(&mut self, happening: &Happening) -> Result<()> {
        match happening {
            Happening::Life { number, .. } => {
                self.desk.record.lives = *number;
                self.desk.folder.keep(&self.desk.record)?;
                self.outcome.started.get_or_insert_with(Instant::now);
            }
            Happening::Device(_, Event::ProvisioningStarted { name, .. })
                if self.phone.is_none() =>
            {
                let script = self.desk.script(name, std::mem::take(&mut self.mistakes));
                let air = self.desk.world.bluetooth.clone();
                let play = phone::play(air, script, self.report.clone());
                self.phone = Some(tokio::task::spawn_local(play));
            }
            Happening::Device(_, Event::Provisioned { .. }) => self.outcome.provisioned = true,
            Happening::Device(_, Event::FirmwareAccepted) => {
                self.outcome.updated = true;
                // From here on telemetry counts.
                self.outcome.online = Some(Instant::now());
            }
            Happening::Device(_, Event::Renewal(Renewal::Renewed)) => {
                self.outcome.renewed = true;
                self.outcome.online = Some(Instant::now());
                self.outcome.online_ms = Some(now_ms());
            }
            Happening::Device(_, Event::Online { .. }) => {
                self.outcome.online.get_or_insert_with(Instant::now);
                self.outcome.online_ms.get_or_insert_with(now_ms);
            }
            _ => {}
        }
        Ok(())
    }

    /// Assigns the firmware, or renews the certificate, once the device sends telemetry.
    async fn assign(&mut self, happening: &Happening, show: &mut Show) -> Result<()> {
        if let Happening::Device(_, Event::Acknowledged { .. }) = happening
            && let Some(firmware) = self.desk.firmware.take()
        {
            let text = format!("firmware {} is assigned to the device", firmware.version);
            show.tell(Happening::Demo(Note::plain(text)))?;
            let serial = &self.desk.record.serial;
            self.desk.server.assign_firmware(serial, firmware).await?;
        }
        if let Happening::Device(_, Event::Acknowledged { .. }) = happening
            && let Some(operator) = &mut self.desk.operator
            && let Some(text) = operator
                .act(&self.desk.server, &self.desk.record.serial)
                .await?
        {
            show.tell(Happening::Demo(Note::plain(text)))?;
        }
        Ok(())
    }

    /// Does what the operator wants; false if that is to end.
    async fn grant(&mut self, command: Command, show: &mut Show) -> Result<bool> {
        if command == Command::Reboot
            && let Some(phone) = self.phone.take()
        {
            phone.abort();
        }
        if let Some(note) = self.board.grant(command).await {
            show.tell(Happening::Demo(note))?;
        }
        Ok(command != Command::Quit)
    }
}

impl Outcome {
    /// When the demo ends by itself, as things stand.
    fn alarm(&self, limits: &Limits, coverage: &Coverage) -> Option<Instant> {
        if self.is_changing(limits) && !limits.is_watched {
            return self.started.map(|started| started + PATIENCE);
        }
        let (Some(online), Some(duration)) = (self.online, limits.duration) else {
            let waiting = self.online.is_none() && !limits.is_watched;
            return self
                .started
                .filter(|_| waiting)
                .map(|started| started + PATIENCE);
        };
        let has_all = match (coverage.latest(), self.online_ms) {
            (Some(latest), Some(online_ms)) => latest >= online_ms + millis(duration),
            _ => false,
        };
        let grace = if has_all || limits.is_watched {
            Duration::ZERO
        } else {
            GRACE
        };
        Some(online + duration + grace)
    }

    /// Whether an update or a renewal is yet to end.
    fn is_changing(&self, limits: &Limits) -> bool {
        (limits.update && !self.updated) || (limits.renew && !self.renewed)
    }

    /// Takes note that the demo ends now.
    fn end(&mut self, limits: &Limits) {
        // What was taken in the last moments need not have arrived.
        let arrived_ms = now_ms() - millis(GRACE);
        let asked_ms = self
            .online_ms
            .zip(limits.duration)
            .map(|(online_ms, duration)| online_ms + millis(duration));
        let ended_by_itself =
            asked_ms.filter(|&asked_ms| !limits.is_watched && now_ms() >= asked_ms);
        self.until_ms = ended_by_itself.unwrap_or(arrived_ms);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Played {
    /// The time in which a sample must have been taken every second, in milliseconds since 1970;
    /// none if the device was not online.
    pub fn window(&self) -> Option<Range<i64>> {
        let online_ms = self.outcome.online_ms?;
        Some(online_ms..self.outcome.until_ms.max(online_ms))
    }

    /// Which firmware the server believes to run.
    ///
    /// # Errors
    ///
    /// If the update did not end well.
    pub async fn firmware(&self) -> Result<String> {
        let latest = self.desk.server.latest(&self.desk.record.serial).await?;
        let text = |key| match latest.get(key).map(|point| &point.value) {
            Some(Datum::Text(text)) => text.as_str(),
            _ => "unknown",
        };
        let (state, version) = (text("fw_state"), text("current_fw_version"));
        if state != "UPDATED" || version != text("target_fw_version") {
            bail!("the update did not end well: {state}, {version} runs");
        }
        Ok(format!(
            "{state}: {} {version} runs",
            text("current_fw_title")
        ))
    }

    /// What the server believes of the device's certificate.
    ///
    /// # Errors
    ///
    /// If the renewal did not end well.
    pub async fn certificate(&self) -> Result<String> {
        renew::outcome(&self.desk.server, &self.desk.record.serial).await
    }

    /// How long the device took from power to being online.
    pub fn time_to_online(&self) -> Option<Duration> {
        Some(self.outcome.online? - self.outcome.started?)
    }

    /// Makes sure that the server has kept what it told of.
    ///
    /// # Errors
    ///
    /// If its database says something else.
    pub async fn compare_with_database(&self) -> Result<()> {
        let told: BTreeSet<i64> = self.coverage.stamps().iter().copied().collect();
        let (Some(&first), Some(&last)) = (told.first(), told.last()) else {
            return Ok(());
        };
        let device = &self.desk.record.serial;
        let limit = u32::try_from(told.len() + 1).unwrap_or(u32::MAX);
        let points = self
            .desk
            .server
            .series(device, server::SERIES, first..last + 1, limit)
            .await?;
        let kept: BTreeSet<i64> = points.iter().map(|point| point.ts_ms).collect();
        if kept != told {
            bail!(
                "the server told of {} samples, but its database has {}: this is a bug of devserver",
                told.len(),
                kept.len()
            );
        }
        Ok(())
    }

    /// Stops the server.
    pub async fn end(self) {
        self.desk.server.stop().await;
    }
}
