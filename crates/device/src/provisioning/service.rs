//! The provisioning service itself: requests in, replies out, whatever carries them.

mod waiting;

use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;

use embassy_futures::select::{Either, Either4, select, select4};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer};
use protocomm::device::{
    Command, Config, Device, Event as Report, History, MAX_SCAN_RESULTS, Outcome, SessionId,
    Station,
};
use protocomm::endpoint::Endpoint;
use protocomm::online;
use protocomm::refusal::Refusal;
use protocomm::security::Security;
use protocomm::time::Instant;
use protocomm::wifi::{Connected, FailReason};
use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::{Answer, Proven};
use crate::event::Event;
use crate::platform::{self, AccessPoint, JoinError, ScanRequest, Wifi, WifiCredentials};
use waiting::Waiting;

/// How often a network is tried. A wrong passphrase is told at once; anything else may be chance.
const TRIES: u32 = 2;

/// How many seconds longer than its window the service stays for a client that is in the middle of
/// it.
const EXTENSION_S: u32 = 300;

/// The endpoints that are ours, by their names, after ESP-IDF's own.
pub(super) const CUSTOM: [&str; 1] = [online::ENDPOINT];

/// The provisioning service of one life.
///
/// It is over a moment after the client has read that the network works, which is all that ESP-IDF's
/// clients know of. One that has asked the endpoint of [`protocomm::online`] waits for more: then the
/// service tells [`Event::AnswerAwaited`], whereupon the device goes online, and is over when that
/// client has read that it is, has gone, or has waited for a minute; likewise for every client where the
/// [`Answer`] holds "connected" back. Meanwhile nobody scans.
///
/// Carriers of requests call [`request`](Self::request) and
/// [`disconnected`](Self::disconnected); somebody has to await [`run`](Self::run) meanwhile.
pub struct Service<'a, W, R> {
    device: RefCell<Device>,
    history: &'a Cell<History>,
    answer: &'a Answer,
    waiting: Waiting,
    rng: RefCell<R>,
    scheme: u8,
    wifi: &'a W,
    tell: &'a dyn Fn(&Event),
    keep: &'a dyn Fn(&Proven),
    next_session: Cell<u32>,
    /// The client of a carrier that cannot tell when a client has gone.
    replaceable: Cell<Option<SessionId>>,
    /// There may be commands to perform.
    work: Signal<NoopRawMutex, ()>,
    /// The next deadline may have changed.
    moved: Signal<NoopRawMutex, ()>,
    /// A reply that had to wait may be due.
    late: Signal<NoopRawMutex, ()>,
    /// The connection with this session is to be dropped.
    dropped: Signal<NoopRawMutex, SessionId>,
    closing: Signal<NoopRawMutex, ()>,
    /// There may be something to work out ahead of the next client.
    idle: Signal<NoopRawMutex, ()>,
}

impl<'a, W: Wifi, R: CryptoRng> Service<'a, W, R> {
    /// A service with this security for which nobody has connected yet.
    ///
    /// `history` is what clients did to services before this one in the same life, and is kept up.
    /// `answer` knows how the device gets online.
    /// `tell` is told what happens. `keep` gets a network at the moment at which it has proven to
    /// work, which is the time to store it: the client may never come back.
    pub fn new(
        security: Security,
        history: &'a Cell<History>,
        answer: &'a Answer,
        wifi: &'a W,
        rng: R,
        tell: &'a dyn Fn(&Event),
        keep: &'a dyn Fn(&Proven),
    ) -> Self {
        let config = Config {
            app: &[online::APP],
            custom_endpoints: CUSTOM.len() as u8,
            ..Config::new(security)
        };
        Self {
            scheme: config.security.scheme(),
            device: RefCell::new(Device::resume(config, history.get())),
            history,
            answer,
            waiting: Waiting::default(),
            rng: RefCell::new(rng),
            wifi,
            tell,
            keep,
            next_session: Cell::new(1),
            replaceable: Cell::new(None),
            work: Signal::new(),
            moved: Signal::new(),
            late: Signal::new(),
            dropped: Signal::new(),
            closing: Signal::new(),
            idle: Signal::new(),
        }
    }

    /// The session security: 0, 1 or 2.
    pub fn scheme(&self) -> u8 {
        self.scheme
    }

    pub(super) fn mac(&self) -> [u8; 6] {
        self.wifi.mac()
    }

    pub(super) fn tell(&self, event: &Event) {
        (self.tell)(event);
    }

    /// Names a new connection.
    pub fn connected(&self) -> SessionId {
        let id = self.next_session.get();
        self.next_session.set(id.wrapping_add(1));
        self.tell(&Event::ClientConnected);
        SessionId(id)
    }

    /// As [`connected`](Self::connected), for a carrier that is not told when its client has gone:
    /// whoever comes next has the session, as with ESP-IDF over HTTP. There is one such carrier.
    pub(super) fn connected_replaceably(&self) -> SessionId {
        let session = self.connected();
        self.replaceable.set(Some(session));
        session
    }

    /// Whether this connection has the session.
    pub(super) fn has_session(&self, session: SessionId) -> bool {
        self.device.borrow().has_session(session)
    }

    /// A connection is gone, and with it its session.
    pub fn disconnected(&self, session: SessionId) {
        self.with(|device| device.disconnected(session));
        self.tell(&Event::ClientDisconnected);
        self.offered();
        self.has_gone(session);
    }

    /// The client of this connection has read the last reply, all of it.
    pub(super) fn reply_read(&self, session: SessionId) {
        self.with(|device| device.reply_read(now(), session));
        self.has_read(session);
    }

    /// Handles a request; the reply has at most `capacity` bytes. The request is wiped.
    ///
    /// Waits where the reply has to, which is for a blocking scan only. Cancel it when the
    /// connection goes, before telling so.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], which the carrier reports in its own way.
    pub async fn request(
        &self,
        session: SessionId,
        endpoint: Endpoint,
        request: &mut [u8],
        capacity: usize,
    ) -> Result<Vec<u8>, Refusal> {
        let mut response = vec![0; capacity];
        self.waiting.asks_anew(session);
        let handled = self.with(|device| {
            // Anybody may ask for the version, without becoming the client.
            if let Some(replaced) = self.replaceable.get()
                && replaced != session
                && endpoint != Endpoint::Version
            {
                device.disconnected(replaced);
            }
            let rng = &mut *self.rng.borrow_mut();
            match device.handle(now(), session, endpoint, request, &mut response, rng)? {
                Outcome::Reply(length) => Ok(Some(length)),
                Outcome::Pending => Ok(None),
                // There is one.
                Outcome::Custom(request) => {
                    let reply = self.tell_online(session, request);
                    request.zeroize();
                    let reply = device.finish_custom(session, reply.as_deref(), &mut response);
                    reply.map(Some)
                }
            }
        });
        self.handled(session);
        let length = match handled? {
            Some(length) => length,
            None => loop {
                self.late.wait().await;
                let mut device = self.device.borrow_mut();
                match device.poll_reply(&mut response) {
                    Some(late) if late.session == session => break late.result?,
                    _ if !device.has_session(session) => return Err(Refusal::NoSession),
                    _ => {}
                }
            },
        };
        response.truncate(length);
        Ok(response)
    }

    /// Scans and joins as clients ask, until a network works and the client knows it.
    ///
    /// Cancelling it leaves the station as it is.
    pub async fn run(&self) -> Proven {
        let waiting = self.heed_answer();
        match select4(self.perform(), self.keep_time(), waiting, self.work_ahead()).await {
            Either4::First(proven) => proven,
            Either4::Second(never) | Either4::Third(never) | Either4::Fourth(never) => {
                match never {}
            }
        }
    }

    /// Returns when this time is over and nobody is in the middle of anything; never without one.
    pub(super) async fn window(&self, window: Option<Duration>) {
        match window {
            Some(window) => Timer::after(window).await,
            None => core::future::pending().await,
        }
        for _ in 0..EXTENSION_S {
            if !self.device.borrow().is_in_use() {
                return;
            }
            Timer::after_secs(1).await;
        }
    }

    /// Clients can come now, and none has yet: time to work for them ahead.
    pub(super) fn offered(&self) {
        self.idle.signal(());
    }

    /// Works out what the next session can be spared, in pieces of some milliseconds with everything else in between.
    async fn work_ahead(&self) -> Infallible {
        loop {
            self.idle.wait().await;
            let rng = &self.rng;
            while (self.device.borrow_mut()).work_ahead(&mut *rng.borrow_mut()) {
                yield_now().await;
            }
        }
    }

    /// Lets the carriers close their connections.
    pub(super) fn close(&self) {
        self.closing.signal(());
    }

    /// Returns when connections are to be closed. For one waiter.
    pub(super) async fn closing(&self) {
        self.closing.wait().await;
    }

    /// Returns when this connection has lost its session and is to be dropped. For one waiter.
    pub(super) async fn dropped(&self, session: SessionId) {
        while self.dropped.wait().await != session {}
    }

    /// Does something with the device, and sees to what follows from it.
    fn with<T>(&self, act: impl FnOnce(&mut Device) -> T) -> T {
        let mut device = self.device.borrow_mut();
        let result = act(&mut device);
        self.history.set(device.history());
        drop(device);
        self.work.signal(());
        self.moved.signal(());
        self.late.signal(());
        self.report();
        result
    }

    fn report(&self) {
        loop {
            // The device is not borrowed while somebody is told.
            let report = self.device.borrow_mut().poll_event();
            let event = match report {
                None => return,
                Some(Report::SessionEstablished(_)) => Event::SessionOpened {
                    security: self.scheme,
                },
                Some(Report::ProofFailed { attempts_left }) => Event::ProofRefused {
                    tries_left: attempts_left,
                },
                Some(Report::CoolDown(time)) => Event::ProofsLocked {
                    for_ms: u32::try_from(time.as_millis()).unwrap_or(u32::MAX),
                },
                Some(
                    Report::SessionReplaced(_)
                    | Report::SessionExpired(_)
                    | Report::CredentialsReceived,
                ) => continue,
            };
            if let Event::ProofRefused { .. } = event {
                // He may try again.
                self.offered();
            }
            self.tell(&event);
        }
    }

    async fn perform(&self) -> Proven {
        let mut proven = None;
        loop {
            let Some(command) = self.next_command().await else {
                self.waiting.end();
                match proven {
                    Some(proven) => return proven,
                    None => continue,
                }
            };
            match command {
                // The station is on its way to the broker.
                Command::StartScan(_) if self.waiting.until().is_some() => {
                    self.with(Device::scan_failed);
                }
                Command::StartScan(start) => {
                    let request = ScanRequest {
                        passive: start.passive,
                        dwell_ms: start.period_ms,
                    };
                    self.scan(request).await;
                }
                Command::Join(credentials) => proven = self.join(credentials).await,
                Command::Forget | Command::Reprovision => {
                    proven = None;
                    self.wifi.leave().await;
                }
                Command::Disconnect(session) => self.dropped.signal(session),
                Command::Finish if self.waiting.outlasts_connected() => {}
                Command::Finish => {
                    if let Some(proven) = proven {
                        return proven;
                    }
                }
            }
        }
    }

    /// The next command; none when whoever waited has waited for long enough.
    async fn next_command(&self) -> Option<Command> {
        loop {
            let command = self.device.borrow_mut().poll_command();
            if command.is_some() {
                return command;
            }
            let over = async {
                match self.waiting.until() {
                    Some(at) => Timer::at(at).await,
                    None => core::future::pending().await,
                }
            };
            if let Either::First(()) = select(over, self.work.wait()).await {
                return None;
            }
        }
    }

    /// Calls the device at its deadlines.
    async fn keep_time(&self) -> Infallible {
        loop {
            let deadline = self.device.borrow().next_deadline();
            let due = async {
                match deadline {
                    Some(at) => {
                        Timer::at(embassy_time::Instant::from_millis(at.as_millis())).await;
                    }
                    None => core::future::pending().await,
                }
            };
            if let Either::First(()) = select(due, self.moved.wait()).await {
                self.with(|device| device.handle_timeout(now()));
            }
        }
    }

    async fn scan(&self, request: ScanRequest) {
        let mut found = Vec::new();
        let mut heard: u8 = 0;
        let result = self
            .wifi
            .scan(request, &mut |access_point| {
                heard = heard.saturating_add(1);
                keep_strongest(&mut found, access_point);
            })
            .await;
        match result {
            Ok(()) => {
                self.tell(&Event::NetworksScanned { found: heard });
                self.with(|device| device.scan_finished(found));
            }
            Err(reason) => {
                log::warn!("scanning failed with reason {reason}");
                self.with(Device::scan_failed);
            }
        }
    }

    async fn join(&self, credentials: WifiCredentials) -> Option<Proven> {
        let ssid = credentials.ssid.clone();
        self.tell(&Event::NetworkChosen { ssid });
        for attempt in 1..=TRIES {
            let attempts_remaining = Some(TRIES - attempt);
            self.station(Station::Connecting { attempts_remaining });
            let error = match platform::join(self.wifi, &credentials).await {
                Ok(address) => {
                    let proven = Proven {
                        credentials,
                        address,
                    };
                    let rssi_dbm = self.wifi.rssi_dbm();
                    self.tell(&Event::Joined { address, rssi_dbm });
                    (self.keep)(&proven);
                    self.proven(self.connected_to(&proven));
                    return Some(proven);
                }
                Err(error) => error,
            };
            self.tell(&Event::NetworkRefused { error });
            let last = attempt == TRIES;
            let reason = match error {
                JoinError::WrongPassphrase | JoinError::Unsupported(_) => FailReason::AuthError,
                JoinError::NetworkNotFound if last => FailReason::NetworkNotFound,
                // The protocol has but two reasons; this one is "the network refused".
                JoinError::NoAddress | JoinError::Other(_) if last => FailReason::AuthError,
                _ => continue,
            };
            self.station(Station::Failed(reason));
            break;
        }
        None
    }

    fn station(&self, station: Station) {
        self.with(|device| device.station(now(), station));
    }

    /// What the client is told of the joined network.
    fn connected_to(&self, proven: &Proven) -> Connected {
        let heard = self.wifi.access_point();
        let credentials = &proven.credentials;
        Connected {
            ip4: proven.address,
            ssid: credentials.ssid.clone(),
            bssid: heard
                .as_ref()
                .map(|ap| ap.bssid)
                .or(credentials.bssid)
                .unwrap_or_default(),
            channel: heard.as_ref().map_or(0, |ap| ap.channel),
            auth: heard.map_or(protocomm::wifi::AuthMode::Open, |ap| ap.auth),
        }
    }
}

/// Keeps as many networks as the client can be told, strongest first: those with a name, and of each
/// the strongest access point, since the apps show no others.
fn keep_strongest(found: &mut Vec<AccessPoint>, heard: AccessPoint) {
    let same = |kept: &AccessPoint| kept.ssid == heard.ssid;
    if heard.ssid.as_bytes().is_empty()
        || found
            .iter()
            .any(|kept| same(kept) && kept.rssi >= heard.rssi)
    {
        return;
    }
    found.retain(|kept| !same(kept));
    let at = found.partition_point(|kept| kept.rssi >= heard.rssi);
    if at < MAX_SCAN_RESULTS {
        found.truncate(MAX_SCAN_RESULTS - 1);
        found.insert(at, heard);
    }
}

/// The time on the protocol's clock.
fn now() -> Instant {
    Instant::from_millis(embassy_time::Instant::now().as_millis())
}
