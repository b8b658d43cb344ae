//! The world that faults happen to.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::SystemTime;

use backlog::Ring;
use backlog::record::MOST_BYTES;
use device::platform::System;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use pki::{Identity, Options, Pki, Profile, Validity};
use provisioner::{Outcome, Provisioner, Secrets as Proof};
use simulator::Simulator;
use simulator::flash::Flash;
use simulator::image::Image;
use tokio::sync::{Mutex, OwnedMutexGuard};
use vhci::{ControllerConfig, HciTransport};

use super::lives::{Lives, Power, Seen};
use super::plan::{Fault, INTERVALS_MS, Impostor, Place};
use super::server::{ServerFolder, ServerProcess};
use crate::desk::{BACKLOG_SECTORS, Desk, NETWORK, PROOF, files_of, given_proof};
use crate::line::{Line, Weather};
use crate::maker::Maker;
use crate::secrets::{hide, hide_key};

/// How far the desk's calendar is ahead of this computer's. The server stamps what comes without a
/// stamp by the computer's, whose minutes are hours on the desk: the two must not meet, or one
/// sample would be stored over another.
pub(super) const AHEAD_MS: i64 = 2 * 86_400_000;

/// What the device runs at first.
const FIRST_VERSION: &str = "1.0.0";

/// Where SPIFFS is in flash.
const SPIFFS: std::ops::Range<usize> = 0x29_0000..0x2d_0000;

/// Where samples wait in flash.
const BACKLOG: std::ops::Range<u32> = 0x2d_0000..0x2d_0000 + BACKLOG_SECTORS * 4096;

/// How long someone tries to provision the device before calling it broken.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// What is around the device, and the device.
pub(super) struct World {
    pub(super) desk: Desk,
    pub(super) line: Line,
    pub(super) board: Simulator,
    pub(super) lives: Lives,
    pub(super) folder: ServerFolder,
    pub(super) server: Mutex<Option<ServerProcess>>,
    /// The server's certificate, when it has the right one.
    pub(super) server_identity: RefCell<Identity>,
    /// Whom the server's certificate comes from, if not from the desk's.
    pub(super) authority: RefCell<Option<Pki>>,
    /// Who makes the firmware.
    pub(super) maker: Maker,
    pub(super) device_identity: RefCell<Identity>,
    pub(super) passphrase: RefCell<String>,
    /// One lock for each place. Who needs two takes the device's, or the air's, first.
    pub(super) places: [Arc<Mutex<()>>; 5],
    pub(super) numbers: Cell<u64>,
    /// The longest that the device took to be well again, in seconds.
    pub(super) longest_s: Cell<u64>,
}

/// The flash of a blank device with this certificate, this key and the maker's first image.
pub(super) fn flash_image(
    desk: &Desk,
    maker: &Maker,
    certificate: &Identity,
    key: &Identity,
    port: u16,
) -> Vec<u8> {
    let chain = certificate.chain_pem();
    let files = [chain.as_str(), key.key_pem(), key.trust_pem()];
    let settings = desk.settings(port, &given_proof(""));
    maker.install(files_of(files, &settings), &Image::of(FIRST_VERSION))
}

impl World {
    /// Waits for a place to be free, and takes it.
    pub(super) async fn take(&self, place: Place) -> OwnedMutexGuard<()> {
        self.places[place as usize].clone().lock_owned().await
    }

    /// Does it, and undoes it after so many milliseconds. The place must be taken.
    ///
    /// # Errors
    ///
    /// In words, if the device cannot be brought back.
    pub(super) async fn suffer(&self, fault: Fault, lasting_ms: u64) -> Result<(), String> {
        let over = || Timer::after(Duration::from_millis(lasting_ms));
        match fault {
            Fault::ServerKilled | Fault::ServerAway => {
                self.stop_server().await?;
                over().await;
                self.start_server().await?;
            }
            Fault::ServerRenewed => {
                let renewed = self.server_identity()?;
                self.server_identity.replace(renewed);
                self.stop_server().await?;
                self.start_server().await?;
            }
            Fault::ServerImpostor(how) => {
                self.stop_server().await?;
                self.start_server_as(&self.impostor(how)).await?;
                over().await;
                self.stop_server().await?;
                self.start_server().await?;
            }
            Fault::ServerKicks => self.tell_server("cut").await,
            Fault::CallStorm { calls } => {
                for _ in 0..calls {
                    self.tell_server("rpc getStatus {}").await;
                }
            }
            Fault::Interval { ms } => self.set_interval(ms).await,

            Fault::FirmwareAssigned { len } => self.update(len).await?,
            Fault::FirmwareWithdrawn { len } => self.withdraw(len, over()).await?,
            Fault::FirmwareForged { len } => self.forge(len).await?,
            Fault::CertificateAsked => self.renew_certificate().await?,
            Fault::AnchorsChanged => self.change_anchors().await?,

            Fault::LineCut => {
                self.line.be(Weather::Refusing);
                self.line.cut();
                over().await;
                self.line.be(Weather::Fair);
            }
            Fault::LineCutAfter { bytes } => self.line.cut_after(bytes),
            Fault::LineSilent => self.weather(Weather::Silent, over()).await,
            Fault::LineSlow { ms } => self.weather(Weather::Slow(ms), over()).await,
            Fault::LineTrickles => self.weather(Weather::Trickling, over()).await,

            Fault::WifiLost => {
                let mut gone = None;
                let air = &self.desk.world.wifi;
                air.change(|networks| gone = Some(networks.remove(0)));
                over().await;
                air.change(|networks| networks.extend(gone));
                air.change(|networks| networks.rotate_right(1));
            }
            Fault::WifiBlinks => self.board.station.cut(),
            Fault::WifiChannel => self.change_network(|network| {
                network.seen.channel = network.seen.channel % 13 + 1;
            }),
            Fault::NoDhcp => {
                self.change_network(|network| network.dhcp = false);
                over().await;
                self.change_network(|network| network.dhcp = true);
            }
            Fault::PassphraseChanged => {
                self.change_network(|network| network.passphrase = "for a while".into());
                over().await;
                let passphrase = self.passphrase.borrow().clone();
                self.change_network(|network| network.passphrase = passphrase);
            }
            Fault::PassphraseReplaced => {
                let passphrase = format!("passphrase {}", self.another());
                hide(&passphrase);
                self.passphrase.replace(passphrase.clone());
                self.change_network(|network| network.passphrase = passphrase);
                self.provision().await?;
            }

            Fault::PowerCut => self.power_cycle(over()).await,
            Fault::PowerCutWriting { operations } => {
                self.board.flash.lose_power_after(operations.into());
                let index = operations as usize % INTERVALS_MS.len();
                self.set_interval(INTERVALS_MS[index].into()).await;
                Timer::after(Duration::from_secs(2)).await;
                self.power_cycle(over()).await;
            }
            Fault::Reboot => self.tell_server("rpc reboot {}").await,
            Fault::Button => {
                self.board.chip.hold_button();
                self.provision().await?;
            }
            Fault::TimeSilent => {
                self.desk.time.be_silent(true);
                self.power_cycle(Timer::after_secs(1)).await;
                over().await;
                self.desk.time.be_silent(false);
            }
            Fault::TimeLies { seconds } => {
                self.desk.time.lie(AHEAD_MS + seconds * 1_000);
                self.power_cycle(Timer::after_secs(1)).await;
                over().await;
                self.desk.time.lie(AHEAD_MS);
            }
            Fault::ClockStepped { seconds } => {
                let now = self.board.chip.unix_ms().unwrap_or(0);
                let wrong = now.saturating_add_signed(seconds * 1_000);
                self.board.chip.set_unix_ms(wrong);
                self.lives.power.send_replace(Power::Reset(self.another()));
            }
            Fault::DeviceRenewed => {
                let renewed = self.desk.pki.device(&self.folder.device);
                let renewed = renewed.map_err(|e| e.to_string())?;
                self.device_identity.replace(renewed);
                self.reflash(None).await?;
            }
            Fault::DeviceMismatched => {
                let other = self.desk.pki.device(&self.folder.device);
                self.reflash(Some(other.map_err(|e| e.to_string())?))
                    .await?;
                over().await;
                self.reflash(None).await?;
            }
        }
        Ok(())
    }

    /// A number that was not given before.
    pub(super) fn another(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    async fn weather(&self, weather: Weather, over: Timer) {
        self.line.be(weather);
        over.await;
        self.line.be(Weather::Fair);
    }

    fn change_network(&self, change: impl FnOnce(&mut simulator::wifi::Network)) {
        self.desk.world.wifi.change(|networks| {
            let ours = networks.iter_mut();
            if let Some(ours) = ours
                .into_iter()
                .find(|network| network.seen.ssid.as_bytes() == NETWORK.as_bytes())
            {
                change(ours);
            }
        });
    }

    async fn power_cycle(&self, over: Timer) {
        self.lives.end().await;
        over.await;
        self.lives.power.send_replace(Power::On(self.another()));
    }

    /// Writes the right credentials, or the right key with the certificate of `other`, by a
    /// programmer's clip.
    async fn reflash(&self, other: Option<Identity>) -> Result<(), String> {
        self.lives.end().await;
        Timer::after_secs(1).await;
        let right = self.device_identity.borrow().clone();
        let certificate = other.as_ref().unwrap_or(&right);
        let image = flash_image(&self.desk, &self.maker, certificate, &right, self.line.port);
        self.board.flash.overlay(SPIFFS.start, &image[SPIFFS]);
        self.lives.power.send_replace(Power::On(self.another()));
        Ok(())
    }

    /// A certificate that the server must have.
    pub(super) fn server_identity(&self) -> Result<Identity, String> {
        match &*self.authority.borrow() {
            None => Ok(self.desk.server_identity()),
            Some(authority) => {
                let identity = authority.server(&["localhost", "127.0.0.1"]);
                let identity = identity.map_err(|e| e.to_string())?;
                hide_key(identity.key_pem());
                Ok(identity)
            }
        }
    }

    pub(super) async fn start_server(&self) -> Result<(), String> {
        let identity = self.server_identity.borrow().clone();
        self.start_server_as(&identity).await
    }

    async fn start_server_as(&self, identity: &Identity) -> Result<(), String> {
        let started = self.folder.start(identity).await;
        let started = started.map_err(|e| format!("the server does not start: {e}"))?;
        self.line.lead_to(Some(started.port));
        *self.server.lock().await = Some(started);
        Ok(())
    }

    /// Kills the server, and looks into what it left.
    pub(super) async fn stop_server(&self) -> Result<(), String> {
        self.line.lead_to(None);
        let server = self.server.lock().await.take();
        if let Some(server) = server {
            server.kill().await;
            self.folder.look().await?;
        }
        Ok(())
    }

    pub(super) async fn tell_server(&self, command: &str) {
        if let Some(server) = self.server.lock().await.as_mut() {
            server.tell(command).await;
        }
    }

    pub(super) async fn set_interval(&self, ms: i64) {
        self.tell_server(&format!("attribute telemetryIntervalMs {ms}"))
            .await;
    }

    fn impostor(&self, how: Impostor) -> Identity {
        let day = |days: u64| SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
        let identity = match how {
            Impostor::Expired => {
                let validity = Validity::between(day(20), day(10)).expect("dates in order");
                let profile = Profile {
                    validity: Some(validity),
                    ..Profile::default()
                };
                self.desk.pki.server_with(&["localhost"], &profile)
            }
            Impostor::Stranger => {
                Pki::new(&Options::default()).and_then(|strangers| strangers.server(&["localhost"]))
            }
            Impostor::Misnamed => self.desk.pki.server(&["elsewhere.example"]),
        };
        identity.expect("a certificate")
    }

    /// Waits until the device is as wanted.
    pub(super) async fn wait_for(
        &self,
        what: &str,
        wanted: impl Fn(&Seen) -> bool,
    ) -> Result<(), String> {
        let mut seen = self.lives.seen.subscribe();
        match with_timeout(PATIENCE, seen.wait_for(wanted)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "the device is not {what} after {} s",
                PATIENCE.as_secs()
            )),
        }
    }

    /// Waits until nothing waits in the device's flash any more, as the flash itself says.
    pub(super) async fn wait_for_flash(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Whoever looks may repair what a power cut left, so he looks at a copy.
            let mut copy = Flash::from_bytes(self.board.flash.to_bytes());
            let ring = Ring::new::<Flash>(BACKLOG.start..BACKLOG.end);
            let mut ring = ring.ok_or("there is no room for a ring")?;
            match ring.peek(&mut copy, &mut [0; MOST_BYTES]) {
                Ok(None) => return Ok(()),
                Ok(Some(_)) if Instant::now() < deadline => Timer::after_secs(20).await,
                Ok(Some(_)) => return Err("samples still wait in flash".into()),
                Err(fault) => return Err(format!("what waits in flash: {fault:?}")),
            }
        }
    }

    /// Someone comes with a phone, and does not give up at once. Where the phone loses the link
    /// before it hears that all is well, the device tells it by being online.
    pub(super) async fn provision(&self) -> Result<(), String> {
        self.lives.seen.send_modify(|seen| seen.provisioned = false);
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            self.wait_for(&format!("to be provisioned ({last})"), |seen| {
                seen.provisioning || seen.provisioned
            })
            .await?;
            if self.lives.seen.borrow().provisioned {
                return Ok(());
            }
            match with_timeout(Duration::from_secs(240), self.provision_once()).await {
                Ok(Ok(Outcome::Joined(_))) => return Ok(()),
                Ok(Ok(Outcome::Refused(why))) => last = format!("refused: {why:?}"),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = "it takes too long".into(),
            }
            Timer::after_secs(5).await;
        }
        Err(format!("the device cannot be provisioned: {last}"))
    }

    async fn provision_once(&self) -> Result<Outcome, provisioner::Error> {
        let address = [0xc0, 0xff, 0xee, 0x00, 0x00, 0x01];
        let controller = ControllerConfig::with_address(address);
        let controller = self.desk.world.bluetooth.controller(controller);
        let mut phone = Provisioner::ble(HciTransport::from(controller));
        let found = phone.find(None, std::time::Duration::from_secs(30)).await?;
        phone.connect(&found).await?;
        phone.open_session(&Proof::proof(PROOF)).await?;
        let passphrase = self.passphrase.borrow().clone();
        phone.provision(NETWORK, &passphrase).await
    }
}
