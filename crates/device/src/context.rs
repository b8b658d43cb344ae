//! What all activities of one life share, from boot to restart: parts of the body, clocks, queue,
//! settings.

use core::cell::Cell;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant};
use product::Card;
use protocomm::device::History;

use crate::clock::{Clock, Heard};
use crate::errands::Errands;
use crate::event::{ClockSource, Event};
use crate::firmware::Updates;
use crate::kept::{Kept, Life};
use crate::lifecycle::{Action, State};
use crate::platform::{Entropy, Observer, Platform, System};
use crate::provisioning::Answer;
use crate::renewal::Renewals;
use crate::settings::{LEAST_INTERVAL_MS, MOST_INTERVAL_MS, Settings};
use crate::storage::Storage;
use crate::telemetry::SampleQueue;

/// How many samples wait through an outage: ten minutes of them, at one a second.
pub const QUEUE_SAMPLES: usize = 600;

/// The parts of a body that are shared.
pub struct Parts<'a, P: Platform> {
    /// The Wi-Fi station.
    pub wifi: &'a P::Wifi,
    /// Sockets over the station.
    pub network: &'a P::Network,
    /// Clock chip, randomness, button, memory.
    pub system: &'a P::System,
    /// Whoever is told what happens.
    pub observer: &'a P::Observer,
    /// What is kept in flash.
    pub storage: &'a Storage<P::Flash>,
}

/// The shared part of one life. Activities borrow it; nothing in it is held across an await.
pub struct Context<'a, P: Platform> {
    /// The Wi-Fi station.
    pub wifi: &'a P::Wifi,
    /// Sockets over the station.
    pub network: &'a P::Network,
    /// Clock chip, randomness, button, memory.
    pub system: &'a P::System,
    /// Whoever is told what happens.
    pub observer: &'a P::Observer,
    /// What is kept in flash.
    pub storage: &'a Storage<P::Flash>,
    /// What the device is for.
    pub product: Card,
    /// Time since boot, and the calendar.
    pub clock: Clock,
    /// Samples that wait for the broker.
    pub queue: SampleQueue,
    /// Samples that wait in flash.
    pub(crate) backlog: Kept<'a, P::Flash>,
    /// What `settings.json` says.
    pub settings: Settings,
    /// What clients of provisioning did, whenever it was open in this life.
    pub clients: Cell<History>,
    /// What a client is told of the way to the broker, and what it brought.
    pub answer: Answer,
    /// What the cloud asks of the product.
    pub(crate) errands: Errands,
    /// Updates of the firmware.
    pub(crate) updates: Updates<'a, P::Flash>,
    /// Renewals of the certificate.
    pub(crate) renewals: Renewals<'a, P>,
    /// How many times the device was to be claimable in this life, and the last that the server knows.
    claims: Cell<(u32, u32)>,
    interval_ms: Cell<u32>,
    interval_changed: Signal<NoopRawMutex, ()>,
    next_sample: Cell<Instant>,
    /// Whether the device is online may be another.
    standing_changed: Signal<NoopRawMutex, ()>,
    state: Cell<State>,
    /// When the state last changed.
    since: Cell<Instant>,
    action: Signal<NoopRawMutex, Action>,
}

impl<'a, P: Platform> Context<'a, P> {
    /// A life that begins now, with this product.
    #[inline(never)] // its temporaries would be of the whole life's frame
    pub fn begin(parts: Parts<'a, P>, product: Card, settings: Settings, clock: Clock) -> Self {
        let Parts {
            wifi,
            network,
            system,
            observer,
            storage,
        } = parts;
        // What the server asked for lasts; if flash cannot tell, the settings hold.
        let kept = storage.interval_ms().ok().flatten();
        let kept = kept.filter(|ms| (LEAST_INTERVAL_MS..=MOST_INTERVAL_MS).contains(ms));
        let interval = kept.unwrap_or(settings.telemetry_interval_ms);
        let trial = settings.firmware_trial;
        let await_broker = Duration::from_secs(settings.provisioning.await_broker_s.into());
        let days_before = settings.renew_before_days;
        Self {
            wifi,
            network,
            system,
            observer,
            storage,
            product,
            clock,
            queue: SampleQueue::new(QUEUE_SAMPLES, product.schema),
            backlog: Kept::new(storage, product.schema, Life::begin(system)),
            settings,
            clients: Cell::default(),
            answer: Answer::held_back(await_broker),
            errands: Errands::new(),
            updates: Updates::new(storage, system.running(), product, trial),
            renewals: Renewals::new(storage, system, days_before),
            claims: Cell::default(),
            interval_ms: Cell::new(interval),
            interval_changed: Signal::new(),
            next_sample: Cell::new(Instant::now()),
            standing_changed: Signal::new(),
            state: Cell::new(State::Starting),
            since: Cell::new(Instant::now()),
            action: Signal::new(),
        }
    }

    /// Tells that something happened: the observer, and the lifecycle, which may decide on
    /// another action.
    pub fn tell(&self, event: &Event) {
        self.observer.notice(self.clock.uptime_ms(), event);
        self.answer.note(event);
        match event {
            // Who has just shown that he has the label.
            Event::Provisioned { .. } => self.allow_claim(),
            // The next owner is asked for the label again.
            Event::FactoryReset => self.claims.set((self.claims.get().1, self.claims.get().1)),
            _ => {}
        }
        let now = Instant::now();
        let (state, action) = self.state.get().step(event, now);
        if state != self.state.replace(state) {
            self.since.set(now);
            self.standing_changed.signal(());
        }
        if let Some(action) = action {
            self.action.signal(action);
        }
    }

    /// Lets whoever has the label claim the device, as soon as there is a connection.
    pub fn allow_claim(&self) {
        if self.settings.claim_minutes > 0 {
            let (asked, told) = self.claims.get();
            self.claims.set((asked.wrapping_add(1), told));
            self.errands.wake();
        }
    }

    /// Which of these wishes the server does not know yet.
    pub(crate) fn untold_claim(&self) -> Option<u32> {
        let (asked, told) = self.claims.get();
        (asked != told).then_some(asked)
    }

    /// The server knows this one.
    pub(crate) fn claim_told(&self, told: u32) {
        self.claims.set((self.claims.get().0, told));
        let minutes = self.settings.claim_minutes;
        self.tell(&Event::ClaimOpened { minutes });
    }

    /// Moves the oldest samples from memory into flash, at least so many of them, or all that there are;
    /// nothing where no partition is for them.
    pub(crate) fn keep_samples(&self, least: usize) {
        let dropped = self.queue.dropped();
        let kept = self.backlog.keep(&self.queue, &self.clock, least);
        if self.backlog.take_damage() {
            self.tell(&Event::BacklogFailed);
        }
        if kept > 0 {
            let samples = kept.try_into().unwrap_or(u16::MAX);
            self.tell(&Event::SamplesKept { samples });
        }
        let total = self.queue.dropped();
        if total != dropped {
            self.tell(&Event::SamplesDropped { total });
        }
    }

    /// What is certainly past, in seconds since 1970 UTC: when this firmware was built, and the latest time on which time
    /// servers and the server agreed, which is kept in flash and only ever grows, but for a factory reset. Nobody is
    /// believed who says that it is earlier.
    pub fn certainly_past_s(&self) -> u64 {
        let agreed = self.storage.past().ok().flatten();
        agreed
            .unwrap_or(0)
            .max(self.system.identity().built_at_unix_s)
    }

    /// The server says that it is so late, in milliseconds since 1970 UTC.
    pub(crate) fn hear_server(&self, unix_ms: u64) {
        let news = match self.clock.hear_server(unix_ms, self.certainly_past_s()) {
            Heard::Nothing => return,
            Heard::Told(news) => Some(news),
            Heard::Set(unix_ms, news) => {
                self.system.set_unix_ms(unix_ms);
                let source = ClockSource::Server;
                self.tell(&Event::ClockSet { unix_ms, source });
                news
            }
        };
        if let Some(news) = news {
            self.tell(&Event::ServerClock(news));
        }
    }

    /// Where the device is in its life.
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// Whether the device has been in one state for longer than it can be, if it works.
    pub fn is_stuck(&self, now: Instant) -> bool {
        let patience = self.state().patience();
        patience.is_some_and(|patience| now > self.since.get() + patience)
    }

    /// Returns when the device has gone on in its life. Cancel-safe; for one waiter.
    pub async fn standing_change(&self) {
        self.standing_changed.wait().await;
    }

    /// Tells when the next sample is due.
    pub fn plan_sample(&self, due: Instant) {
        self.next_sample.set(due);
    }

    /// When the next sample is due.
    pub fn next_sample(&self) -> Instant {
        self.next_sample.get()
    }

    /// Milliseconds to pause before the next try, should the present one fail now.
    pub fn retry_ms(&self) -> u32 {
        self.state.get().retry_ms(Instant::now(), self.random())
    }

    /// A random number, for pauses.
    pub fn random(&self) -> u32 {
        let mut random = [0; 4];
        self.system.fill_random(&mut random);
        u32::from_le_bytes(random)
    }

    /// The next thing that the lifecycle decides to do. Cancel-safe; for one waiter.
    pub async fn next_action(&self) -> Action {
        self.action.wait().await
    }

    /// The system's randomness.
    pub fn entropy(&self) -> Entropy<'a, P::System> {
        Entropy(self.system)
    }

    /// Milliseconds between samples.
    pub fn interval_ms(&self) -> u32 {
        self.interval_ms.get()
    }

    /// Changes the interval between samples at once, and keeps it in flash. Returns whether it
    /// could be kept; it holds until the next restart in any case.
    pub fn change_interval(&self, ms: u32) -> bool {
        if ms != self.interval_ms.replace(ms) {
            self.interval_changed.signal(());
            self.tell(&Event::IntervalChanged { ms });
        }
        // Not written if it is there already.
        self.storage.keep_interval_ms(ms).is_ok()
    }

    /// Returns when the interval has been changed. Cancel-safe; for one waiter.
    pub async fn interval_change(&self) {
        self.interval_changed.wait().await;
    }
}
