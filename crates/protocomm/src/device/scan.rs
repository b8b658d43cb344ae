//! `prov-scan`: starting scans, and handing out what they found.

use heapless::Vec;

use super::Device;
use super::session::Owed;
use crate::refusal::Refusal;
use crate::time::Instant;
use crate::wifi::AccessPoint;
use crate::wire::Status;
use crate::wire::scan::{Entries, Request, Response, Start};

/// How many access points are kept. ESP-IDF: `CONFIG_WIFI_PROV_SCAN_MAX_ENTRIES`.
pub const MAX_SCAN_RESULTS: usize = 16;

/// The last scan, or the one that runs.
#[derive(Default)]
pub(super) struct Scan {
    running: bool,
    /// Strongest first.
    found: Vec<AccessPoint, MAX_SCAN_RESULTS>,
}

impl Scan {
    /// Ends the scan that runs. Without one, the results are nobody's.
    pub(super) fn finish(&mut self, found: impl IntoIterator<Item = AccessPoint>) {
        if !self.running {
            return;
        }
        self.running = false;
        for access_point in found {
            let at = self
                .found
                .iter()
                .position(|kept| kept.rssi < access_point.rssi)
                .unwrap_or(self.found.len());
            if at == MAX_SCAN_RESULTS {
                continue;
            }
            if self.found.is_full() {
                self.found.pop();
            }
            // There is room, and `at` is not beyond the end.
            let _ = self.found.insert(at, access_point);
        }
    }
}

impl Device {
    /// Answers a request to `prov-scan`. `None` if the reply has to wait for the scan.
    pub(super) fn handle_scan(
        &mut self,
        now: Instant,
        request: &[u8],
        response: &mut [u8],
    ) -> Result<Option<usize>, Refusal> {
        let reply = match Request::decode(request)? {
            Request::Start(start) => match self.start_scan(now, start) {
                Some(status) => Response::Start(status),
                None => return Ok(None),
            },
            Request::Status => Response::Status {
                status: Status::Success,
                finished: !self.scan.running,
                count: self.scan.found.len() as u32,
            },
            Request::Results { start_index, count } => {
                return self.results(start_index, count, response).map(Some);
            }
        };
        Ok(Some(reply.encode(response)?))
    }

    /// Starts a scan unless one is running. `None` if the client waits for its end.
    fn start_scan(&mut self, now: Instant, start: Start) -> Option<Status> {
        // The station is using the radio.
        if self.provisioning.is_joining() {
            return Some(Status::InternalError);
        }
        if !self.scan.running {
            self.scan.running = true;
            self.scan.found.clear();
            self.commands.scan = Some(start);
        }
        if !start.blocking {
            return Some(Status::Success);
        }
        let deadline = now + self.config.limits.scan;
        self.owe(Owed::Scan { deadline });
        None
    }

    /// A page of results: as many of those asked for as there are and as the response has room for.
    /// Where there are fewer than asked for the status is `InternalError`, as ESP-IDF means it to be
    /// (its v5.4.1 crashes while it encodes that reply).
    fn results(&self, start_index: u32, count: u32, response: &mut [u8]) -> Result<usize, Refusal> {
        let found = usize::try_from(start_index)
            .ok()
            .and_then(|start| self.scan.found.get(start..))
            .unwrap_or_default();
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        let status = if wanted <= found.len() {
            Status::Success
        } else {
            Status::InternalError
        };
        let room = response.len().saturating_sub(self.overhead());
        let room = response.get_mut(..room).unwrap_or_default();
        let mut page = found.get(..wanted).unwrap_or(found);
        loop {
            let entries = Entries::new(page);
            match (Response::Results { status, entries }.encode(room), page) {
                (Ok(len), _) => return Ok(len),
                // A single entry that does not fit would never come through.
                (Err(error), [] | [_]) => return Err(error.into()),
                (Err(_), [shorter @ .., _]) => page = shorter,
            }
        }
    }
}
