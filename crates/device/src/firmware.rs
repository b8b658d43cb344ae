//! Firmware updates: a package that the server offers, fetched into the slot that does not run beside
//! telemetry, and the trial of what was started from there.
//!
//! What is written and when, and what a package must be, is the crate [`update`]'s. Here is what there is
//! to ask, to tell and to decide; the connection asks and tells it.
//!
//! Every connection begins anew with what the server offers, and goes on with what is in flash: so a lost
//! connection, a restart and a power cut are the same, and another package that was assigned meanwhile, or
//! none, is seen at once.
//!
//! # Keys
//!
//! The makers' public keys are the `PUBLIC KEY` blocks of the file `firmware_key.pem`, beside the
//! credentials: one image serves whoever builds products with it, and who could write another key there by
//! a cable, could write another image. A device without the file takes no update, and says so when one is
//! offered.

mod connection;
mod offer;
mod progress;
mod ready;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use core::cell::RefCell;

use embassy_time::{Duration, Instant};
use embedded_storage::nor_flash::NorFlash;
use heapless::Deque;
use product::Card;
use thingsboard::RequestId;
use thingsboard::firmware::State;
use update::download::{Begun, Download};
use update::trial::{self, Limits, Start};
use update::{Fault, SECTOR};

use crate::event::{Event, Why};
use crate::machine::Running;
use crate::storage::{Partitions, Storage};
pub(crate) use connection::Updating;
use offer::Package;
use progress::Fetching;
use ready::{MbedTls, Names, Ready, Unable};

/// The largest packet of the broker while a device can be updated: a chunk, its topic and what else MQTT
/// has around it.
pub(crate) const PACKET_BYTES: usize = SECTOR as usize + 128;

/// How many states wait to be told.
const MOST_REPORTS: usize = 8;

/// The first thing to do in a life, where code of ours runs first: counts a start of an image that is on
/// trial. True if the device is to restart at once, into the old image: the new one has had its chance.
///
/// A flash that fails ends no life: the image goes on, and its time on trial is counted all the same.
pub fn begin<F: NorFlash>(flash: &mut F, running: Option<Running>) -> bool {
    let slots = Partitions::read(flash).slots;
    let running = slots.and_then(|places| Some((places, ready::slot(&places, running?)?)));
    let Some((places, slot)) = running else {
        return false;
    };
    let start = trial::at_start(flash, &places, slot);
    matches!(start, Ok(Start::GivenUp { restart: true }))
}

/// Something to be told as telemetry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    /// Which image runs.
    Current,
    /// How far an update came.
    State(State<'static>),
    /// It failed, and why.
    Failed(Box<Why>),
}

/// The updates of one life.
pub struct Updates<'a, F> {
    storage: &'a Storage<F>,
    ready: Result<Ready, Unable>,
    names: Names,
    began: Instant,
    /// How long a start of the running image may take on trial.
    patience: Duration,
    /// What the trial of the next image allows.
    limits: Limits,
    inner: RefCell<Inner>,
}

/// Where an update is.
enum Stage {
    /// Nothing is to be done.
    Idle,
    /// Chunks come.
    Fetching(Box<Fetching>),
    /// The new image waits for a restart.
    Installed,
}

struct Inner {
    stage: Stage,
    on_trial: bool,
    /// What is offered, while the running image is on trial.
    pending: Option<Package>,
    /// What became of this one was told in this life.
    settled: Option<Package>,
    /// That this one is fetched was told in this life.
    told: Option<Package>,
    /// The server had no chunks of this one, which it offered.
    absent: Option<Package>,
    /// It was fetched again from the beginning, for it was damaged.
    again: bool,
    /// That the running image is the one offered was told in this life.
    updated: bool,
    /// Which image runs was told.
    introduced: bool,
    requests: u32,
    /// How many bytes the server sends at once, as far as it told.
    size: u32,
    reports: Deque<Report, MOST_REPORTS>,
}

impl<'a, F: NorFlash> Updates<'a, F> {
    /// Those of a life that begins, in which this image runs.
    pub(crate) fn new(
        storage: &'a Storage<F>,
        running: Option<Running>,
        product: Card,
        limits: Limits,
    ) -> Self {
        let (ready, names) = Ready::find(storage, running, product);
        let on_trial = ready.as_ref().is_ok_and(|ready| {
            let (places, slot) = (&ready.places, ready.running);
            let on_trial = storage.with_flash(|flash| trial::is_on_trial(flash, places, slot));
            on_trial.unwrap_or(false)
        });
        let allowed = ready.as_ref().ok().and_then(|ready| {
            let allowed = storage.with_flash(|flash| trial::limits(flash, &ready.places));
            allowed.ok()
        });
        let minutes = allowed.unwrap_or_default().minutes;
        Self {
            storage,
            ready,
            names,
            began: Instant::now(),
            patience: Duration::from_secs(60 * u64::from(minutes)),
            limits,
            inner: RefCell::new(Inner {
                stage: Stage::Idle,
                on_trial,
                pending: None,
                settled: None,
                told: None,
                absent: None,
                again: false,
                updated: false,
                introduced: false,
                requests: 0,
                size: SECTOR,
                reports: Deque::new(),
            }),
        }
    }

    /// Ends the trial of the running image if its time is over; then the device is to restart, into the old
    /// one.
    pub(crate) fn is_given_up(&self, now: Instant) -> bool {
        let mut inner = self.inner.borrow_mut();
        let (true, Ok(ready)) = (
            inner.on_trial && now >= self.began + self.patience,
            &self.ready,
        ) else {
            return false;
        };
        inner.on_trial = false;
        let given_up = |flash: &mut F| trial::give_up(flash, &ready.places);
        self.storage.with_flash(given_up).is_ok()
    }

    /// Begins with an offer, or goes on with it.
    fn consider(&self, inner: &mut Inner, package: Package) -> Option<Event> {
        if matches!(inner.stage, Stage::Installed) || inner.settled.as_ref() == Some(&package) {
            return None;
        }
        let ready = match &self.ready {
            Ok(ready) => ready,
            Err(unable) => return inner.fail(package, unable),
        };
        if package.title == *self.names.product && package.version == *self.names.version {
            // On trial it may yet be taken back: then UPDATED is told once it is accepted.
            return if inner.on_trial {
                None
            } else {
                inner.runs(package)
            };
        }
        let begun = self.storage.with_flash(|flash| {
            Download::begin(flash, &ready.places, ready.running, &package.offer())
        });
        match begun {
            Ok(Begun::Fetch(download)) => {
                let request = inner.next_request();
                if inner.told.as_ref() != Some(&package) {
                    inner.report(Report::State(State::Downloading));
                    inner.told = Some(package.clone());
                    inner.again = false;
                }
                let (version, bytes) = (offer::cut(&package.version), download.len());
                let fetching = Fetching::new(download, package, request, inner.size);
                inner.stage = Stage::Fetching(Box::new(fetching));
                self.go_on(inner)
                    .or(Some(Event::FirmwareFetching { version, bytes }))
            }
            Ok(Begun::Runs) => inner.runs(package),
            Ok(Begun::GivenUp) => inner.fail(
                package,
                &"it was started and did not get online, so the old firmware came back: mend it, and \
                  assign it under another version",
            ),
            Err(Fault::OnTrial) => {
                inner.pending = Some(package);
                None
            }
            Err(fault) => inner.fail(package, &fault),
        }
    }

    /// Installs what is fetched, if all is there.
    fn go_on(&self, inner: &mut Inner) -> Option<Event> {
        let Ok(ready) = &self.ready else { return None };
        let Stage::Fetching(fetching) = &mut inner.stage else {
            return None;
        };
        match self.storage.with_flash(|flash| fetching.is_done(flash)) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(fault) => return inner.give_up(&fault),
        }
        let (download, names) = (fetching.download, fetching.package.clone());
        inner.report(Report::State(State::Downloaded));
        let board = ready.board(&self.names);
        let installed = self.storage.with_flash(|flash| {
            let proven = download.prove(flash, &board, &ready.keys, &MbedTls)?;
            if !names.is_told_by(proven.package().head()) {
                return Ok(false);
            }
            proven.install(flash, self.limits).map(|()| true)
        });
        match installed {
            Ok(true) => {
                inner.report(Report::State(State::Verified));
                inner.report(Report::State(State::Updating));
                inner.stage = Stage::Installed;
                let version = offer::cut(&names.version);
                Some(Event::FirmwareInstalled { version })
            }
            Ok(false) => inner.give_up(&offer::OTHER_NAMES),
            Err(Fault::Refused(refusal)) if refusal.may_be_fetched_again() && !inner.again => {
                inner.again = true;
                let start_over = |flash: &mut F| download.start_over(flash);
                if let Err(fault) = self.storage.with_flash(start_over) {
                    return inner.give_up(&fault);
                }
                if let Stage::Fetching(fetching) = &mut inner.stage {
                    fetching.begin_again();
                }
                None
            }
            Err(fault) => inner.give_up(&fault),
        }
    }
}

impl Inner {
    /// Keeps something to be told; the latest gives way where there is no room, for states are told in
    /// their order.
    fn report(&mut self, report: Report) {
        if let Err(report) = self.reports.push_back(report) {
            let _ = self.reports.pop_back();
            let _ = self.reports.push_back(report);
        }
    }

    /// The number of the next request: another than all before.
    fn next_request(&mut self) -> RequestId {
        self.requests = self.requests.wrapping_add(1);
        RequestId::wrapping(self.requests)
    }

    /// The server sends no more bytes at once.
    fn ask_for_less(&mut self, size: u32) {
        self.size = size;
        let request = self.next_request();
        if let Stage::Fetching(fetching) = &mut self.stage {
            fetching.ask_for_less(request, size);
        }
    }

    fn runs(&mut self, package: Package) -> Option<Event> {
        self.settled = Some(package);
        if !core::mem::replace(&mut self.updated, true) {
            self.report(Report::State(State::Updated));
        }
        None
    }

    fn fail(&mut self, package: Package, why: &dyn core::fmt::Display) -> Option<Event> {
        let why = Box::new(offer::text(why));
        self.report(Report::Failed(why.clone()));
        self.settled = Some(package);
        Some(Event::FirmwareRefused { why })
    }

    /// What is being fetched failed.
    fn give_up(&mut self, why: &dyn core::fmt::Display) -> Option<Event> {
        match core::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Fetching(fetching) => self.fail(fetching.package, why),
            other => {
                self.stage = other;
                None
            }
        }
    }
}
