//! What a connection asks and tells the updates of a life.

use embassy_time::Instant;
use embedded_storage::nor_flash::NorFlash;
use thingsboard::firmware::{self, State};
use thingsboard::json::{BufferTooSmall, Object};
use thingsboard::{RequestId, Value, telemetry};
use update::{Fault, trial};

use super::offer::Offered;
use super::progress::{Ask, LEAST_BYTES, size_within};
use super::{Report, Stage, Updates};
use crate::event::Event;

/// What a connection does for updates.
pub(crate) trait Updating {
    /// Whether packages can be taken.
    fn is_ready(&self) -> bool;
    /// A connection begins, which has not told yet what is offered.
    fn connected(&self);
    /// The server tells shared attributes: all, or those that changed.
    fn shared(&self, shared: Option<Object<'_>>, all: bool) -> Option<Event>;
    /// It has taken away what it offered.
    fn withdrawn(&self) -> Option<Event>;
    /// Time passed, or the trial ended: what is to be done of its own accord.
    fn look(&self) -> Option<Event>;
    /// The server takes and sends no payload of more bytes.
    fn limit(&self, most_payload: u32);
    /// What to ask for now.
    fn to_ask(&self) -> Option<Ask>;
    /// It was asked for.
    fn asked(&self);
    /// Bytes of it came.
    fn chunk(&self, request: RequestId, index: u32, bytes: &[u8]) -> Option<Event>;
    /// The server has no chunks, and says why in a word.
    fn no_chunks(&self, word: &str) -> Option<Event>;
    /// When a chunk that was asked for is no longer waited for.
    fn due(&self) -> Instant;
    /// Whether something is to be told.
    fn has_report(&self) -> bool;
    /// Writes it; returns the length, and how many values it has.
    fn write_report(&self, buffer: &mut [u8]) -> Result<(usize, u32), BufferTooSmall>;
    /// It was told.
    fn reported(&self);
    /// Whether all is told, and the new image waits for a restart.
    fn is_to_restart(&self) -> bool;
    /// The broker acknowledged telemetry.
    fn telemetry_acknowledged(&self) -> Option<Event>;
}

impl<F: NorFlash> Updating for Updates<'_, F> {
    fn is_ready(&self) -> bool {
        self.ready.is_ok()
    }

    fn connected(&self) {
        let mut inner = self.inner.borrow_mut();
        if matches!(inner.stage, Stage::Fetching(_)) {
            inner.stage = Stage::Idle;
        }
        if self.is_ready() && !core::mem::replace(&mut inner.introduced, true) {
            inner.report(Report::Current);
        }
    }

    fn shared(&self, shared: Option<Object<'_>>, all: bool) -> Option<Event> {
        match Offered::read(shared) {
            Offered::Package(package) => {
                let mut inner = self.inner.borrow_mut();
                match &inner.stage {
                    Stage::Fetching(fetching) if fetching.package == package => None,
                    _ => {
                        if matches!(inner.stage, Stage::Fetching(_)) {
                            inner.stage = Stage::Idle;
                        }
                        self.consider(&mut inner, package)
                    }
                }
            }
            Offered::Refused { package, why } => {
                let mut inner = self.inner.borrow_mut();
                if inner.settled.as_ref() == Some(&package)
                    || matches!(inner.stage, Stage::Installed)
                {
                    return None;
                }
                inner.stage = Stage::Idle;
                inner.pending = None;
                inner.fail(package, &why)
            }
            Offered::Nothing if all => self.withdrawn(),
            Offered::Nothing => None,
        }
    }

    fn withdrawn(&self) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        let (told, settled) = (inner.told.take(), inner.settled.take());
        (inner.pending, inner.absent) = (None, None);
        if matches!(inner.stage, Stage::Installed) {
            return None;
        }
        inner.stage = Stage::Idle;
        // Also what an earlier connection fetched: the one that it was taken away in may have ended by it.
        (told.is_some() && told != settled).then_some(Event::FirmwareWithdrawn)
    }

    fn look(&self) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        if !inner.on_trial
            && let Some(package) = inner.pending.take()
        {
            return self.consider(&mut inner, package);
        }
        match &inner.stage {
            Stage::Fetching(fetching) if fetching.is_overdue(Instant::now()) => {}
            _ => return None,
        }
        let request = inner.next_request();
        let Stage::Fetching(fetching) = &mut inner.stage else {
            return None;
        };
        match fetching.ask_again(request) {
            Ok(()) => None,
            Err(()) => {
                inner.give_up(&"the server sends no chunks: look into its log, and assign it again")
            }
        }
    }

    fn limit(&self, most_payload: u32) {
        // A server that sends too few is asked for the fewest, and then refuses them. What it refused before
        // counts for more than what it tells.
        let size = size_within(most_payload).unwrap_or(LEAST_BYTES);
        let mut inner = self.inner.borrow_mut();
        inner.size = inner.size.min(size);
    }

    fn to_ask(&self) -> Option<Ask> {
        let mut inner = self.inner.borrow_mut();
        let Stage::Fetching(fetching) = &mut inner.stage else {
            return None;
        };
        let found = self.storage.with_flash(|flash| fetching.find_next(flash));
        found.ok()?
    }

    fn asked(&self) {
        if let Stage::Fetching(fetching) = &mut self.inner.borrow_mut().stage {
            fetching.asked(Instant::now());
        }
    }

    fn chunk(&self, request: RequestId, index: u32, bytes: &[u8]) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        let Ok(ready) = &self.ready else { return None };
        let Stage::Fetching(fetching) = &mut inner.stage else {
            return None;
        };
        let came = fetching.came(request, index, Instant::now())?;
        let (board, download) = (ready.board(&self.names), fetching.download);
        let stored = self.storage.with_flash(|flash| {
            if bytes.len() != came.len as usize {
                return Err(Fault::WrongChunk);
            }
            download.store_part(flash, &board, came.chunk, came.from, bytes)
        });
        match stored {
            Ok(_) => self.go_on(&mut inner),
            Err(fault) => inner.give_up(&fault),
        }
    }

    fn no_chunks(&self, word: &str) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        let why = match word {
            // It may have been taken away, which the next connection tells; the server ends this one.
            "NOT_FOUND" => {
                let Stage::Fetching(fetching) = &inner.stage else {
                    return None;
                };
                let package = Some(fetching.package.clone());
                if inner.absent != package {
                    inner.absent = package;
                    return None;
                }
                "the server offers a package that it does not have: assign it again"
            }
            "PAYLOAD_TOO_LARGE" => match size_within(inner.size / 2) {
                Some(size) => {
                    inner.ask_for_less(size);
                    return None;
                }
                None => "the server sends no 512 bytes at once: raise its limit of payloads",
            },
            _ => "the server has no bytes of it: upload the package itself, not a URL",
        };
        inner.give_up(&why)
    }

    fn due(&self) -> Instant {
        match &self.inner.borrow().stage {
            Stage::Fetching(fetching) => fetching.due(),
            _ => Instant::MAX,
        }
    }

    fn has_report(&self) -> bool {
        !self.inner.borrow().reports.is_empty()
    }

    fn write_report(&self, buffer: &mut [u8]) -> Result<(usize, u32), BufferTooSmall> {
        let inner = self.inner.borrow();
        let (product, version) = (self.names.product.as_str(), self.names.version.as_str());
        let (written, count) = match inner.reports.front() {
            None => return Ok((0, 0)),
            Some(Report::Current) => (firmware::write_current(buffer, product, version)?, 2),
            Some(Report::State(State::Updated)) => {
                let values = [
                    ("current_fw_title", Value::Text(product)),
                    ("current_fw_version", Value::Text(version)),
                    ("fw_state", Value::Text(State::Updated.name())),
                ];
                (telemetry::write_values(buffer, values)?, 3)
            }
            Some(Report::State(state)) => (firmware::write_state(buffer, *state)?, 1),
            Some(Report::Failed(why)) => (firmware::write_state(buffer, State::Failed(why))?, 2),
        };
        Ok((written.len(), count))
    }

    fn reported(&self) {
        self.inner.borrow_mut().reports.pop_front();
    }

    fn is_to_restart(&self) -> bool {
        let inner = self.inner.borrow();
        matches!(inner.stage, Stage::Installed) && inner.reports.is_empty()
    }

    fn telemetry_acknowledged(&self) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        let (true, Ok(ready)) = (inner.on_trial, &self.ready) else {
            return None;
        };
        let accept = |flash: &mut F| trial::accept(flash, &ready.places, ready.running);
        // A flash that fails may do better at the next acknowledgement.
        self.storage.with_flash(accept).ok()?;
        inner.on_trial = false;
        if !core::mem::replace(&mut inner.updated, true) {
            inner.report(Report::State(State::Updated));
        }
        Some(Event::FirmwareAccepted)
    }
}
