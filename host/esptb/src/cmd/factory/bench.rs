//! The steps at one port: what `factory::Line` has done with a board.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use factory::{Board, Identity, LedgerError, Station};
use flashimage::FlashImage;
use pki::{Existing, Pki, Profile};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{labels, seal};
use crate::cmd::flash::board::{Connected, How};
use crate::cmd::flash::plan::Plan;
use crate::cmd::image::prover::Prover;
use crate::cmd::pki::makers::Keys;
use crate::cmd::pki::settings::Template;
use crate::cmd::pki::warnings;
use console::files;
use console::{FAINT, paint};
use serial::event::EventLine;
use serial::lines::{Lines, Next};

/// How often it is looked whether a board came.
const PAUSE: Duration = Duration::from_millis(500);

/// What only one at a time can use.
pub(super) struct Desk {
    pub(super) pki: Pki,
    pub(super) profile: Profile,
    pub(super) template: Template,
    pub(super) makers: Option<Keys>,
    /// What all boards have in common was looked at.
    pub(super) warned: bool,
    pub(super) prover: Prover,
}

/// What all ports share.
pub(super) struct Places<'a> {
    pub(super) desk: &'a Mutex<Desk>,
    /// Everything but a device's own files.
    pub(super) image: FlashImage,
    pub(super) version: String,
    pub(super) devices: &'a Path,
    pub(super) labels: &'a labels::LabelOptions,
    pub(super) seal: &'a seal::SealOptions,
    pub(super) baud: u32,
    pub(super) start_within: Duration,
    pub(super) wait: Option<Duration>,
    pub(super) count: Option<usize>,
    /// Boards that are done or under way.
    pub(super) begun: AtomicUsize,
}

/// One port.
pub(super) struct Bench<'a> {
    port: &'a str,
    places: &'a Places<'a>,
    connected: Option<Connected>,
    /// The board that was here last, and still may be.
    last: Option<[u8; 6]>,
    /// What is here does not answer, and that was told.
    is_mute: bool,
    /// A place among those that are to be made is taken.
    has_place: bool,
}

/// Why a step failed.
pub(super) struct Fault(pub(super) anyhow::Error);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self(error.into())
    }
}

impl<'a> Bench<'a> {
    pub(super) fn new(port: &'a str, places: &'a Places<'a>) -> Self {
        Self {
            port,
            places,
            connected: None,
            last: None,
            is_mute: false,
            has_place: false,
        }
    }

    pub(super) fn port(&self) -> &str {
        self.port
    }

    /// The board is done with; its place is another's if it is not done.
    pub(super) fn let_go(&mut self, done: bool) {
        self.connected = None;
        if self.has_place && !done {
            self.places.begun.fetch_sub(1, Ordering::Relaxed);
        }
        self.has_place = false;
    }

    fn say(&self, text: &str) {
        anstream::eprintln!("{}", paint(FAINT, format!("{}: {text}", self.port)));
    }

    fn folder(&self, serial: &str) -> PathBuf {
        self.places.devices.join(serial)
    }

    /// Takes one of the places that are left; false if there is none.
    fn take_place(&mut self) -> bool {
        let most = self.places.count.unwrap_or(usize::MAX);
        let taken = self
            .places
            .begun
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |begun| {
                (begun < most).then_some(begun + 1)
            });
        self.has_place = taken.is_ok();
        self.has_place
    }

    fn is_enough(&self) -> bool {
        let begun = self.places.begun.load(Ordering::Relaxed);
        self.places.count.is_some_and(|most| begun >= most)
    }

    fn connect(&self) -> Result<Connected> {
        Connected::open(&How {
            port: Some(self.port),
            baud: self.places.baud,
            no_reset: false,
            no_stub: false,
            quiet: true,
        })
    }

    /// Waits for a board that is not the one before.
    fn wait(&mut self) -> Result<Option<Identity>> {
        let begun = Instant::now();
        self.say("put a board on");
        loop {
            if self.is_enough() || self.places.wait.is_some_and(|most| begun.elapsed() > most) {
                return Ok(None);
            }
            match self.connect().and_then(|mut connected| {
                let identity = connected.identity()?;
                Ok((connected, identity))
            }) {
                Ok((_, identity)) if self.last == Some(identity.mac) => {}
                Ok((connected, identity)) => {
                    if !self.take_place() {
                        return Ok(None);
                    }
                    self.is_mute = false;
                    self.last = Some(identity.mac);
                    self.connected = Some(connected);
                    return Ok(Some(identity));
                }
                Err(_) if !self.is_there() => {
                    self.last = None;
                    self.is_mute = false;
                }
                Err(error) if !self.is_mute => {
                    self.is_mute = true;
                    return Err(error);
                }
                Err(_) => {}
            }
            thread::sleep(PAUSE);
        }
    }

    /// Whether something is at the port. Nobody knows of a TCP connection until it was made.
    fn is_there(&self) -> bool {
        !self.port.starts_with("tcp:") && Path::new(self.port).exists()
    }

    fn make_certificate(&self, serial: &str) -> Result<String> {
        let folder = self.folder(serial);
        let mut desk = self
            .places
            .desk
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !desk.pki.has_device(&folder, serial)? {
            let identity = desk.pki.device_with(serial, &desk.profile)?;
            identity.write_to(&folder, Existing::Replace)?;
        }
        desk.template.write(serial, &folder)?;
        if let Some(makers) = &desk.makers {
            makers.write(&folder)?;
        }
        if !seal::is_sealed(&folder) {
            desk.prover.prove(&folder)?;
        }
        if !std::mem::replace(&mut desk.warned, true) {
            for warning in warnings::of_folder(&folder) {
                console::warn(&folder, &warning);
            }
        }
        let chain = pem::parse_many(files::read(&folder.join("device.crt"))?)?;
        let leaf = chain.first().context("device.crt is empty")?;
        let digest = Sha256::digest(leaf.contents());
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn write_flash(&mut self, serial: &str) -> Result<()> {
        let folder = self.folder(serial);
        let image = self.places.image.clone();
        let plan = |image: FlashImage| {
            let image = Zeroizing::new(image.folder(&folder)?.build()?);
            // Its NVS too: nothing of a former life stays.
            Plan::of_image(&image, serial, true)
        };
        let connected = self.connected.as_mut().context("no board is connected")?;
        if self.places.seal.is_on() {
            // Nothing is burned into a board that the image is not for.
            connected.check(&plan(image.clone())?)?;
            let done = self.places.seal.seal(connected, &folder)?;
            anstream::eprintln!("{}", paint(FAINT, format!("{}: {done}", self.port)));
        } else {
            seal::check_plain(&folder)?;
        }
        let plan = plan(image)?;
        connected.check(&plan)?;
        connected.write(&plan)
    }

    /// Watches the first start, until it advertises under its own name. That its credentials are good
    /// was proven before they were written, and what was written was verified; the device itself looks
    /// at them when it has a network.
    fn watch(&mut self, board: &Board) -> Result<()> {
        let label = labels::label(board, &self.folder(&board.serial))?;
        let advertised = format!("advertising as {},", label.name());
        let connected = self.connected.take().context("no board is connected")?;
        let mut lines = Lines::new(connected.into_console()?.port);
        let end = Instant::now() + self.places.start_within;
        // Only names of events are told: the console also shows the proof of possession.
        let mut last = String::from("none");
        loop {
            let line = match lines.next(Some(end))? {
                Next::Line(line) => line,
                Next::TimeUp | Next::End => bail!(
                    "it does not advertise within {} s; the last event was {last}: see `esptb monitor`",
                    self.places.start_within.as_secs()
                ),
            };
            if line.trim_start().starts_with("{\"ver\":") && line.trim() != label.code_text() {
                bail!(
                    "the QR code on its console is not that of its label: another board, or an old app"
                );
            }
            let Some(event) = EventLine::parse(&line) else {
                continue;
            };
            match event.name {
                "provisioning.started" if event.text.starts_with(&advertised) => return Ok(()),
                "provisioning.started" => bail!(
                    "it says {:?}, and should advertise as {}: another board, or an app that names it \
                     otherwise",
                    event.text,
                    label.name()
                ),
                "wifi.joining" => bail!(
                    "it does not advertise, for it knows a network: its app brings one, which boards in \
                     series should not"
                ),
                "panic"
                | "credentials.refused"
                | "settings.refused"
                | "storage.failed"
                | "bluetooth.failed" => bail!("it does not start: {}: {}", event.name, event.text),
                name => name.clone_into(&mut last),
            }
        }
    }
}

impl Station for Bench<'_> {
    type Fault = Fault;

    fn port(&self) -> &str {
        self.port
    }

    fn arrive(&mut self) -> Result<Option<Identity>, Fault> {
        self.wait().map_err(Fault)
    }

    fn is_made(&self, serial: &str) -> bool {
        self.folder(serial).join("device.crt").exists()
    }

    fn certify(&mut self, board: &Board) -> Result<String, Fault> {
        self.say(&format!(
            "{} is {}, {}",
            board.mac, board.serial, board.chip
        ));
        self.make_certificate(&board.serial).map_err(Fault)
    }

    fn write(&mut self, board: &Board) -> Result<String, Fault> {
        let begun = Instant::now();
        self.write_flash(&board.serial).map_err(Fault)?;
        let seconds = begun.elapsed().as_secs_f64();
        self.say(&format!(
            "{} written and verified in {seconds:.1} s",
            board.serial
        ));
        Ok(self.places.version.clone())
    }

    fn start(&mut self, board: &Board) -> Result<(), Fault> {
        self.watch(board).map_err(Fault)?;
        self.say(&format!("{} starts and advertises", board.serial));
        Ok(())
    }

    fn label(&mut self, board: &Board) -> Result<(), Fault> {
        let folder = self.folder(&board.serial);
        self.places.labels.make(board, &folder).map_err(Fault)
    }
}
