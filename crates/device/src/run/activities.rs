//! The activities: provisioning, joining, setting the clock, connecting and serving.
//!
//! Each ends by telling what happened; the lifecycle decides what follows.

use alloc::rc::Rc;
use core::convert::Infallible;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Timer};
use rand_core::CryptoRng;

use crate::clock;
use crate::cloud::{self, CloudSession};
use crate::credentials::{Bundle, Credentials, CredentialsError, Fault, File, Files};
use crate::event::{ClockError, ClockSource, Event};
use crate::life::Life;
use crate::lifecycle::Action;
use crate::platform::{Platform, System, Wifi};
use crate::storage::FileError;
use crate::tls;
use super::provision;
use crate::provisioning::Mailbox;

/// The most that a credentials file may have, in bytes: ten certificates with RSA-4096 keys.
const FILE_LIMIT: u32 = 24 * 1024;

/// How often the clock is set again while the device is online.
const CLOCK_REFRESH: Duration = Duration::from_secs(3600);

/// What the activities of one life own between them.
pub(super) struct Activities<'a, 'b, P: Platform> {
    life: &'a Life<'b, P>,
    bluetooth: &'a mut P::Bluetooth,
    mailbox: Option<Rc<Mailbox>>,
    bundle: Result<Bundle, CredentialsError>,
    cloud: CloudSession,
    tls: tls::Library<'a>,
    /// Whether the dates of the credentials were found good since boot.
    proven: bool,
}

impl<'a, 'b, P: Platform> Activities<'a, 'b, P> {
    /// Reads and proves the credentials, and tells if they cannot be used: the device can be
    /// provisioned all the same.
    pub(super) fn new(
        life: &'a Life<'b, P>,
        bluetooth: &'a mut P::Bluetooth,
        mailbox: Option<Rc<Mailbox>>,
        tls: tls::Library<'a>,
    ) -> Self {
        let bundle = read_bundle(life, &mut life.entropy());
        if let Err(error) = &bundle {
            life.tell(&Event::CredentialsRefused(error.clone()));
        }
        Self { life, bluetooth, mailbox, bundle, cloud: CloudSession::new(), tls, proven: false }
    }

    /// Performs one action, which is not one of those that end a life.
    pub(super) async fn perform(&mut self, action: Action) {
        match action {
            Action::Provision { window } => {
                provision::offer(self.life, self.bluetooth, self.mailbox.as_ref(), window).await;
            }
            Action::Join { after } => {
                Timer::after(after).await;
                self.join().await;
            }
            Action::SetClock { after, floor } => {
                while_joined(self.life, async {
                    Timer::after(after).await;
                    self.set_clock(floor).await;
                })
                .await;
            }
            Action::Connect { after } => {
                while_joined(self.life, async {
                    Timer::after(after).await;
                    self.connect().await;
                })
                .await;
            }
            Action::Wait | Action::EraseAndRestart | Action::Restart(_) => {}
        }
    }

    async fn join(&self) {
        let life = self.life;
        let network = match life.storage.wifi() {
            Ok(Some(network)) => network,
            // It was there at boot: the flash is failing, or somebody erased it.
            Ok(None) => return life.tell(&Event::FactoryReset),
            Err(error) => {
                life.tell(&Event::StorageFailed(error));
                return life.tell(&Event::FactoryReset);
            }
        };
        let attempt = life.state().attempt();
        life.tell(&Event::Joining { ssid: network.ssid.clone(), attempt });
        match life.wifi.join(&network).await {
            Ok(address) => {
                life.tell(&Event::Joined { address, rssi_dbm: life.wifi.rssi_dbm() });
            }
            Err(error) => {
                let retry_ms = life.retry_ms();
                life.tell(&Event::JoinFailed { error, retry_ms });
            }
        }
    }

    async fn set_clock(&self, floor: bool) {
        let life = self.life;
        if life.clock.source().is_some_and(|source| source != ClockSource::Floor) {
            // Only the network was lost in between.
            return self.clock_is(life.clock.now_unix_ms(), ClockSource::Kept);
        }
        let built_at = life.system.identity().built_at_unix_s;
        let kept = life.system.unix_ms().filter(|unix_ms| unix_ms / 1_000 >= built_at);
        if kept.is_some() {
            return self.clock_is(kept, ClockSource::Kept);
        }
        match self.ask_time().await {
            Ok(unix_ms) => self.clock_is(Some(unix_ms), ClockSource::Sntp),
            Err(_) if floor => {
                let last = life.storage.last_good_time().ok().flatten().unwrap_or(0);
                self.clock_is(Some(last.max(built_at).saturating_mul(1_000)), ClockSource::Floor);
            }
            Err(error) => {
                let retry_ms = life.retry_ms();
                life.tell(&Event::ClockFailed { error, retry_ms });
            }
        }
    }

    async fn ask_time(&self) -> Result<u64, ClockError> {
        let server = &self.life.settings.sntp_server;
        let floor = self.life.system.identity().built_at_unix_s;
        clock::ask(self.life.network, &server.host, server.port, floor).await
    }

    fn clock_is(&self, unix_ms: Option<u64>, source: ClockSource) {
        let Some(unix_ms) = unix_ms else { return };
        self.life.clock.set(unix_ms, source);
        if source == ClockSource::Sntp {
            self.life.system.set_unix_ms(unix_ms);
        }
        self.life.tell(&Event::ClockSet { unix_ms, source });
    }

    /// While online: sets the clock again every hour, and every minute as long as only the floor
    /// is known.
    async fn keep_clock(&self) -> Infallible {
        loop {
            let certain = self.life.clock.source() != Some(ClockSource::Floor);
            let pause = if certain { CLOCK_REFRESH } else { Duration::from_secs(60) };
            Timer::after(pause).await;
            if let Ok(unix_ms) = self.ask_time().await {
                self.clock_is(Some(unix_ms), ClockSource::Sntp);
            }
        }
    }
}

/// Does `activity` unless the network is lost, which is then told.
async fn while_joined<P: Platform>(life: &Life<'_, P>, activity: impl Future<Output = ()>) {
    if let Either::First(()) = select(life.wifi.lost(), activity).await {
        life.tell(&Event::WifiLost);
    }
}

fn read_bundle<P: Platform>(
    life: &Life<'_, P>,
    random: &mut dyn CryptoRng,
) -> Result<Bundle, CredentialsError> {
    let read = |file: File| {
        life.storage.read_file(file.name(), FILE_LIMIT).map_err(|error| {
            file.has(match error {
                FileError::Missing => Fault::Missing,
                FileError::TooLarge { limit, .. } => Fault::TooLarge { most: limit as usize },
                other => Fault::Unreadable(other),
            })
        })
    };
    Bundle::prove(
        Files {
            certificate: &read(File::Certificate)?,
            key: &read(File::Key)?,
            server_chain: &read(File::ServerChain)?,
        },
        random,
    )
}
