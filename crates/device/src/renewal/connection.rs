//! What a connection asks and tells the renewals of a life.

use alloc::boxed::Box;
use alloc::string::String;
use core::ops::Range;

use ::renewal::pieces::{Fault, Gathering, Notice};
use ::renewal::trial::{Trial, Verdict, With};
use embassy_time::{Duration, Instant};
use esp_nvs::Key;
use thingsboard::json::{BufferTooSmall, Json, Object};
use thingsboard::{RequestId, Value, attributes};

use super::renewing::{ASKED, Known, NOTICES, Renewing};
use super::{
    Inner, KEY_BYTES, Of, REST, Renewals, Stage, TRIES, WHY, flash, identity, request, why,
};
use crate::credentials::{self, Identity};
use crate::event::{Event, Renewal, Why};
use crate::files::sealed;
use crate::platform::Platform;

/// The client attributes that tell how a renewal is.
const STATE: &str = "certificate_renewal";
const ERROR: &str = "certificate_renewal_error";
const REQUEST: &str = "certificate_request";
const ANCHORS_STATE: &str = "server_chain_renewal";

/// Number: which asking was acted on last, by the first bytes of its digest.
const ASKED_MARK: Key = Key::from_array(b"asked");
/// The same for what came in pieces.
const MARKS: [Key; 2] = [Key::from_array(b"seen"), Key::from_array(b"anchors_seen")];

/// How long a piece is waited for before it is asked for again.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is.
const MOST_SILENT: u8 = 3;

impl<P: Platform> Renewing for Renewals<'_, P> {
    fn connected(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.works = false;
        inner.reconnect = false;
        inner.asked = None;
        inner.work = [None, None];
        inner.again = [false; 2];
        inner.telling = [false; 2];
        if inner.stage != Stage::Idle || inner.failed.is_some() || inner.renewed {
            inner.tell(Of::Identity);
        }
        if inner.new_anchors || inner.anchors.is_some() {
            inner.tell(Of::Anchors);
        }
    }

    fn ask(&self, known: &Known<'_>) -> (Option<Event>, Result<&'static str, String>) {
        let mut inner = self.inner.borrow_mut();
        let event = self.begin(&mut inner, known.name);
        let answer = match inner.stage {
            Stage::Idle => Err(self.reason()),
            Stage::Requested => Ok("REQUESTED"),
            Stage::Trying => Ok("TRYING"),
        };
        (event, answer)
    }

    fn shared(&self, shared: Option<Object<'_>>, all: bool, known: &Known<'_>) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        let value = |key| shared.and_then(|shared| shared.get(key));
        // A server that moved may know nothing of those that it is trusted by just now.
        let gone = all && inner.trusting == With::Proven;
        if gone && value(NOTICES[Of::Anchors as usize]).is_none() {
            self.forget_anchors(&mut inner);
        }
        let mut event = None;
        let asked = value(ASKED).filter(|asked| !matches!(asked.as_raw(), "\"\"" | "null"));
        if let Some(mark) = asked.and_then(|asked| self.is_new(&ASKED_MARK, asked)) {
            event = self.begin(&mut inner, known.name);
            self.note(&ASKED_MARK, mark);
        }
        for of in [Of::Identity, Of::Anchors] {
            let Some(told) = value(NOTICES[of as usize]) else {
                continue;
            };
            let waits = of == Of::Anchors || inner.stage == Stage::Requested;
            let Some(mark) = self.is_new(&MARKS[of as usize], told).filter(|_| waits) else {
                continue;
            };
            match told.as_text().and_then(|text| {
                let mut plain = heapless::String::<80>::new();
                text.chars().try_for_each(|c| plain.push(c)).ok()?;
                Notice::parse(&plain)
            }) {
                Some(notice) => {
                    inner.work[of as usize] = Some(Gathering::new(notice, mark).into());
                    inner.again[of as usize] = false;
                    inner.rests_until = Instant::MIN;
                    inner.asked = None;
                    inner.silent = 0;
                }
                None => {
                    self.note(&MARKS[of as usize], mark);
                    let error =
                        "write the number of pieces, a space and the SHA-256 in hexadecimal";
                    event = event.or(Some(self.give_up(&mut inner, of, &error)));
                }
            }
        }
        event
    }

    fn deleted(&self, key: &str) {
        if key == NOTICES[Of::Anchors as usize] {
            self.forget_anchors(&mut self.inner.borrow_mut());
        }
    }

    fn look(&self, known: &Known<'_>) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        if let Some(event) = self.finish(&mut inner, known) {
            return Some(event);
        }
        let now = Instant::now();
        if inner.asked.is_some_and(|(_, _, at)| now >= at + PATIENCE) {
            inner.asked = None;
            inner.silent += 1;
            if inner.silent >= MOST_SILENT {
                // The next connection begins anew.
                inner.work = [None, None];
            }
        }
        if inner.stage == Stage::Trying
            && inner.with == With::Proven
            && inner.works
            && !inner.reconnect
            && inner.news == [false; 2]
            && now >= inner.next_try
        {
            return self.try_it(&mut inner);
        }
        (inner.stage == Stage::Idle && self.is_near_its_end(&inner, known))
            .then(|| self.begin(&mut inner, known.name))
            .flatten()
    }

    fn to_ask(&self) -> Option<RequestId> {
        let inner = self.inner.borrow();
        let idle = inner.asked.is_none() && inner.next().is_some();
        let idle = idle && Instant::now() >= inner.rests_until;
        idle.then(|| RequestId::wrapping(inner.requests.wrapping_add(1)))
    }

    fn write_ask(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let inner = self.inner.borrow();
        let Some((of, piece)) = inner.next() else {
            return Ok(0);
        };
        attributes::write_request(buffer, &[], &[&piece_key(of, piece)]).map(<[u8]>::len)
    }

    fn asked(&self, id: RequestId) {
        let mut inner = self.inner.borrow_mut();
        inner.requests = inner.requests.wrapping_add(1);
        inner.asked = inner.next().map(|(of, _)| (id, of, Instant::now()));
    }

    fn piece(&self, id: RequestId, shared: Option<Object<'_>>) -> bool {
        let mut inner = self.inner.borrow_mut();
        let Some((_, of, _)) = inner.asked.filter(|(asked, ..)| *asked == id) else {
            // One that came too late is no answer to the connection's first question either, which has
            // number 1.
            return inner.requests > 1 && id == RequestId::wrapping(inner.requests);
        };
        inner.asked = None;
        inner.silent = 0;
        let Some(gathering) = &mut inner.work[of as usize] else {
            return true;
        };
        let key = gathering.wanted().map(|piece| piece_key(of, piece));
        let value = key.and_then(|key| shared?.get(&key));
        let value = value.and_then(Json::as_text);
        // What is wrong is told once it is looked at.
        let _ = gathering.take(value.map(|text| text.chars()));
        true
    }

    fn piece_too_large(&self, id: RequestId) {
        let mut inner = self.inner.borrow_mut();
        if let Some((_, of, _)) = inner.asked.filter(|(asked, ..)| *asked == id) {
            inner.asked = None;
            if let Some(gathering) = &mut inner.work[of as usize] {
                gathering.spoil(Fault::TooLong);
            }
        }
    }

    fn due(&self) -> Instant {
        let inner = self.inner.borrow();
        let asked = inner.asked.map(|(_, _, at)| at + PATIENCE);
        let waits = inner.stage == Stage::Trying
            && inner.with == With::Proven
            && inner.works
            && !inner.reconnect;
        let next = waits.then_some(inner.next_try.max(Instant::now() + Duration::from_secs(1)));
        let rests = inner.rests_until > Instant::now();
        let rests = rests.then_some(inner.rests_until);
        let next = next.into_iter().chain(rests);
        asked.into_iter().chain(next).min().unwrap_or(Instant::MAX)
    }

    fn has_news(&self) -> bool {
        let inner = self.inner.borrow();
        inner.news != [false; 2] && inner.telling == [false; 2]
    }

    fn write_news(&self, name: &str, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let inner = self.inner.borrow();
        let of = |of| inner.news[of as usize];
        let (state, error, request) = match inner.stage {
            _ if !of(Of::Identity) => (None, None, None),
            Stage::Requested => (Some("REQUESTED"), None, self.request(name)),
            Stage::Trying => (Some("TRYING"), None, None),
            Stage::Idle if inner.failed.is_some() => (Some("FAILED"), Some(self.reason()), None),
            Stage::Idle => (Some("RENEWED"), None, None),
        };
        let anchors = match &inner.anchors {
            _ if !of(Of::Anchors) => None,
            Some(Ok(())) => Some(String::from("RENEWED")),
            Some(Err(why)) => Some(alloc::format!("FAILED: {why}")),
            None if inner.new_anchors => Some(String::from("TRYING")),
            None => Some(String::new()),
        };
        let values = [
            (STATE, state),
            (ERROR, state.map(|_| error.as_deref().unwrap_or_default())),
            (REQUEST, request.as_deref()),
            (ANCHORS_STATE, anchors.as_deref()),
        ];
        let values = values.into_iter();
        let values = values.filter_map(|(key, value)| Some((key, Value::Text(value?))));
        attributes::write_values(buffer, values).map(<[u8]>::len)
    }

    fn sent_news(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.telling = inner.news;
    }

    fn told_news(&self) {
        let mut inner = self.inner.borrow_mut();
        for of in [Of::Identity, Of::Anchors] {
            // What changed meanwhile is told again.
            if core::mem::take(&mut inner.telling[of as usize]) {
                inner.news[of as usize] = false;
            }
        }
    }

    fn is_to_reconnect(&self) -> bool {
        self.inner.borrow().reconnect
    }

    fn telemetry_acknowledged(&self) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        inner.works = true;
        if inner.new_anchors && inner.trusting == With::Candidate {
            // A flash that fails may do better at the next acknowledgement.
            self.keeping(Of::Anchors).and_then(|of| of.prove()).ok()?;
            inner.new_anchors = false;
            (inner.trust, inner.trusting) = (With::Proven, With::Proven);
            inner.anchors = Some(Ok(()));
            inner.tell(Of::Anchors);
            return Some(Event::Renewal(Renewal::AnchorsProven));
        }
        if inner.stage == Stage::Trying && inner.with == With::Candidate {
            self.keeping(Of::Identity).and_then(|of| of.prove()).ok()?;
            inner.stage = Stage::Idle;
            inner.with = With::Proven;
            inner.renewed = true;
            inner.failed = None;
            inner.tell(Of::Identity);
            return Some(Event::Renewal(Renewal::Renewed));
        }
        None
    }
}

impl<P: Platform> Renewals<'_, P> {
    /// Makes a key and keeps it, unless one waits already, or its certificate is being tried.
    fn begin(&self, inner: &mut Inner, name: &str) -> Option<Event> {
        if inner.stage != Stage::Idle {
            inner.tell(Of::Identity);
            return None;
        }
        let Some(key) = request::new_key(&mut self.entropy()) else {
            return Some(self.fail(inner, &"the device has no memory for a new key: restart it"));
        };
        let key = match sealed::protected(key, self.storage, self.system) {
            Ok(key) => key,
            Err(error) => return Some(self.fail(inner, &error)),
        };
        let kept = self.keeping(Of::Identity).and_then(|of| {
            of.keep(&[&key])?;
            self.storage.keep_renewal_number(&TRIES, 0)?;
            self.storage.keep_renewal_text(&WHY, "")
        });
        if let Err(error) = kept {
            return Some(self.fail(inner, &error));
        }
        log::debug!("{name} asks for a certificate");
        inner.stage = Stage::Requested;
        inner.failed = None;
        inner.trial = Trial::after(0);
        inner.tell(Of::Identity);
        Some(Event::Renewal(Renewal::Requested))
    }

    /// Whether it is time to begin without being asked.
    fn is_near_its_end(&self, inner: &Inner, known: &Known<'_>) -> bool {
        let Range { start, end } = known.valid_unix_s;
        let left = end.saturating_sub(known.now.unix_s);
        // One that lasts a week is not renewed all the time.
        let before = (u64::from(self.days_before) * 86_400).min(end.saturating_sub(start) / 3);
        let rested = inner.failed.is_none_or(|at| at.elapsed() >= REST);
        !known.now.is_floor && left < before && rested
    }

    /// Proves what all pieces of came, and keeps it as candidate.
    fn finish(&self, inner: &mut Inner, known: &Known<'_>) -> Option<Event> {
        let of = [Of::Identity, Of::Anchors].into_iter().find(|of| {
            let work = inner.work[*of as usize].as_ref();
            work.is_some_and(|work| work.wanted().is_none())
        })?;
        let gathering = inner.work[of as usize].take()?;
        let (mark, anew) = (gathering.mark(), gathering.anew());
        let whole = gathering.finish();
        if whole.is_err() && !core::mem::replace(&mut inner.again[of as usize], true) {
            inner.work[of as usize] = Some(anew.into());
            inner.rests_until = Instant::now() + PATIENCE;
            return None;
        }
        let proven = match whole {
            Ok(bytes) => match of {
                Of::Identity => self.take_chain(inner, &bytes, known),
                Of::Anchors => self.take_anchors(inner, &bytes, known),
            },
            Err(fault) => Err(why(&fault)),
        };
        self.note(&MARKS[of as usize], mark);
        Some(match proven {
            Ok(event) => event,
            Err(why) => self.give_up(inner, of, &why),
        })
    }

    /// Proves a chain for the key that waits for it.
    fn take_chain(
        &self,
        inner: &mut Inner,
        chain: &[u8],
        known: &Known<'_>,
    ) -> Result<Event, Box<Why>> {
        let keeping = self.keeping(Of::Identity).map_err(flash)?;
        let kept = keeping.find().map_err(flash)?;
        let kept = kept.candidate.ok_or_else(|| why(&"there is no request"))?;
        let (key, _) = sealed::split(&kept, KEY_BYTES);
        let opened = self.open_identity(key).map_err(|error| why(&error))?;
        let renewed = Identity {
            key: &opened,
            chain,
        };
        let name = credentials::check_identity(renewed, known.now, &mut self.entropy());
        let name = name.map_err(|error| why(&error))?;
        if name != known.name {
            return Err(why(
                &"renewedChain: its common name (CN) is another device's: sign the request of this one",
            ));
        }
        keeping.keep(&[key, chain]).map_err(flash)?;
        inner.stage = Stage::Trying;
        inner.next_try = Instant::MIN;
        inner.tell(Of::Identity);
        Ok(Event::Renewal(Renewal::Trying))
    }

    /// Proves anchors, and keeps them to be trusted, too.
    fn take_anchors(
        &self,
        inner: &mut Inner,
        anchors: &[u8],
        known: &Known<'_>,
    ) -> Result<Event, Box<Why>> {
        credentials::check_anchors(anchors, known.now).map_err(|error| why(&error))?;
        let kept = self.keeping(Of::Anchors).and_then(|of| of.keep(&[anchors]));
        kept.map_err(flash)?;
        inner.new_anchors = true;
        inner.anchors = None;
        inner.tell(Of::Anchors);
        Ok(Event::Renewal(Renewal::AnchorsKept))
    }

    fn give_up(&self, inner: &mut Inner, of: Of, error: &dyn core::fmt::Display) -> Event {
        match of {
            Of::Identity => self.fail(inner, error),
            Of::Anchors => {
                let why = why(error);
                inner.anchors = Some(Err(why.clone()));
                inner.tell(Of::Anchors);
                Event::Renewal(Renewal::AnchorsRefused { why })
            }
        }
    }

    /// The server no longer wants anchors to be trusted that nothing proved yet.
    fn forget_anchors(&self, inner: &mut Inner) {
        inner.work[Of::Anchors as usize] = None;
        if inner.new_anchors {
            let dropped = self.keeping(Of::Anchors).and_then(|of| of.drop_candidate());
            if dropped.is_ok() {
                inner.new_anchors = false;
                inner.trust = With::Proven;
                inner.anchors = None;
                inner.tell(Of::Anchors);
            }
        }
    }

    /// Ends the connection for a try.
    fn try_it(&self, inner: &mut Inner) -> Option<Event> {
        let verdict = inner.trial.proven_works();
        let kept = self
            .storage
            .keep_renewal_number(&TRIES, inner.trial.tries().into());
        if verdict == Verdict::Dropped || kept.is_err() {
            let error = "the broker was reached with the old certificate and not with the new one, again and \
                         again: look into its log";
            return Some(self.fail(inner, &error));
        }
        inner.changed = true;
        inner.reconnect = true;
        None
    }

    /// The request of the key that waits.
    fn request(&self, name: &str) -> Option<String> {
        let kept = self.keeping(Of::Identity).ok()?.find().ok()?.candidate?;
        let opened = self.open_identity(&kept).ok()?;
        request::request(name, identity(&opened).key, &mut self.entropy())
    }

    /// Why the last renewal failed.
    fn reason(&self) -> String {
        match self.storage.renewal_text(&WHY) {
            Ok(why) => String::clone(&why),
            Err(error) => alloc::format!("{error}"),
        }
    }

    /// Its mark, if it was not acted on before.
    fn is_new(&self, key: &Key, value: Json<'_>) -> Option<u64> {
        let digest = ::renewal::digest(value.as_raw().as_bytes());
        let mark = ::renewal::pieces::mark(&digest);
        let known = self.storage.renewal_number(key);
        (known != Ok(mark)).then_some(mark)
    }

    /// It was acted on.
    fn note(&self, key: &Key, mark: u64) {
        if let Err(error) = self.storage.keep_renewal_number(key, mark) {
            log::error!("what the server asked for may be done twice: {error}");
        }
    }
}

impl Inner {
    /// The next piece that is to be had.
    fn next(&self) -> Option<(Of, u16)> {
        [Of::Identity, Of::Anchors].into_iter().find_map(|of| {
            let work = self.work[of as usize].as_ref()?;
            Some((of, work.wanted()?))
        })
    }
}

/// The shared attribute of a piece.
fn piece_key(of: Of, piece: u16) -> String {
    alloc::format!("{}{piece}", NOTICES[of as usize])
}
