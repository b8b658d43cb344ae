//! Wi-Fi without radio waves: access points that a test can change, and a station among them; or a cable.
//!
//! The station answers as a driver does, after as long as a driver takes; the sockets of the host
//! then stand for the network behind the access point.

mod cable;

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;

use device::platform::{
    AccessPoint, AuthMode, Bssid, JoinError, Place, ScanRequest, Ssid, Wifi, WifiCredentials,
};
use embassy_time::{Duration, Timer};
use tokio::sync::watch;

pub use cable::Cable;

/// Channels of the 2.4 GHz band that a scan visits.
const CHANNELS: u32 = 13;
/// How long it stays on a channel unless the client says otherwise, as ESP-IDF's driver does.
const PROBING_MS: u32 = 120;

/// An access point of the simulated air.
#[derive(Clone)]
pub struct Network {
    /// What a scan hears.
    pub seen: AccessPoint,
    /// What opens it; empty for an open network.
    pub passphrase: String,
    /// Whether its DHCP server answers.
    pub dhcp: bool,
    /// With which reason the driver reports that it refuses every station; none if it does not.
    pub refuses: Option<u16>,
}

impl Network {
    /// A WPA2 network, or an open one if the passphrase is empty.
    ///
    /// # Panics
    ///
    /// If the name is longer than 32 bytes.
    #[must_use]
    pub fn new(name: &str, passphrase: &str, rssi: i8) -> Self {
        let auth = if passphrase.is_empty() {
            AuthMode::Open
        } else {
            AuthMode::Wpa2Psk
        };
        let tag = name
            .bytes()
            .fold(7u8, |tag, byte| tag.wrapping_mul(31).wrapping_add(byte));
        Self {
            seen: AccessPoint {
                ssid: Ssid::new(name.as_bytes()).expect("a name of at most 32 bytes"),
                bssid: Bssid([0x02, 0x57, 0x1f, 0x1a, 0xb0, tag]),
                channel: tag % 13 + 1,
                rssi,
                auth,
            },
            passphrase: passphrase.to_owned(),
            dhcp: true,
            refuses: None,
        }
    }
}

/// The access points in the air. Clones are the same air.
#[derive(Clone, Default)]
pub struct WifiAir(Rc<RefCell<Vec<Network>>>);

impl WifiAir {
    /// An air with these networks.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self(Rc::new(RefCell::new(networks.into_iter().collect())))
    }

    /// Changes the networks. Stations whose network is gone or refuses them now lose it.
    pub fn change(&self, change: impl FnOnce(&mut Vec<Network>)) {
        change(&mut self.0.borrow_mut());
    }

    fn find(&self, wanted: &WifiCredentials) -> Option<Network> {
        self.0
            .borrow()
            .iter()
            .filter(|network| network.seen.ssid == wanted.ssid)
            .max_by_key(|network| network.seen.rssi)
            .cloned()
    }

    fn find_at(&self, wanted: &WifiCredentials, place: Place) -> Option<Network> {
        let networks = self.0.borrow();
        let there = |seen: &AccessPoint| {
            seen.ssid == wanted.ssid && seen.bssid == place.bssid && seen.channel == place.channel
        };
        networks
            .iter()
            .find(|network| there(&network.seen))
            .cloned()
    }
}

/// Whether the station is joined: sockets watch it, and die with it.
pub type Link = watch::Receiver<bool>;

/// The station of one device.
#[derive(Clone)]
pub struct Station {
    mac: [u8; 6],
    air: WifiAir,
    joined: Rc<RefCell<Option<Joined>>>,
    link: Rc<watch::Sender<bool>>,
}

struct Joined {
    network: WifiCredentials,
    seen: AccessPoint,
}

impl Station {
    /// A station that has not joined anything.
    #[must_use]
    pub fn new(mac: [u8; 6], air: WifiAir) -> Self {
        Self {
            mac,
            air,
            joined: Rc::default(),
            link: Rc::new(watch::Sender::new(false)),
        }
    }

    /// Whether it is joined, for the sockets.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.subscribe()
    }

    /// The station loses its network, as when the access point reboots. It may join again.
    pub fn cut(&self) {
        self.joined.take();
        self.link.send_replace(false);
    }

    fn still_there(&self) -> bool {
        self.joined.borrow().as_ref().is_some_and(|joined| {
            self.air.find(&joined.network).is_some_and(|network| {
                // An access point that changed its channel is heard there no more.
                network.seen.channel == joined.seen.channel
                    && opens(&network, &joined.network)
                    && network.dhcp
                    && network.refuses.is_none()
            })
        })
    }
}

fn opens(network: &Network, credentials: &WifiCredentials) -> bool {
    network.passphrase.as_bytes() == credentials.passphrase.as_bytes()
}

impl Wifi for Station {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    async fn scan(
        &self,
        request: ScanRequest,
        found: &mut dyn FnMut(AccessPoint),
    ) -> Result<(), u16> {
        let scan_ms = request.dwell_ms_or(PROBING_MS) * CHANNELS;
        Timer::after(Duration::from_millis(scan_ms.into())).await;
        let mut heard: Vec<_> = self.air.0.borrow().iter().map(|n| n.seen.clone()).collect();
        heard.sort_by_key(|network| -i16::from(network.rssi));
        heard.into_iter().for_each(found);
        Ok(())
    }

    async fn join(&self, credentials: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        self.leave().await;
        probe(CHANNELS).await;
        let found = self.air.find(credentials);
        self.associate(credentials, found).await
    }

    async fn join_at(
        &self,
        credentials: &WifiCredentials,
        place: Place,
    ) -> Result<Ipv4Addr, JoinError> {
        self.leave().await;
        probe(1).await;
        let found = self.air.find_at(credentials, place);
        self.associate(credentials, found).await
    }

    async fn leave(&self) {
        self.cut();
    }

    async fn lost(&self) {
        while self.still_there() {
            // The air has no events of its own; a driver notices missing beacons in seconds too.
            Timer::after(Duration::from_millis(200)).await;
        }
        self.cut();
    }

    fn rssi_dbm(&self) -> Option<i8> {
        self.joined.borrow().as_ref().map(|joined| joined.seen.rssi)
    }

    fn access_point(&self) -> Option<AccessPoint> {
        self.joined
            .borrow()
            .as_ref()
            .map(|joined| joined.seen.clone())
    }
}

/// Listens on so many channels.
async fn probe(channels: u32) {
    Timer::after(Duration::from_millis((channels * PROBING_MS).into())).await;
}

impl Station {
    /// Joins the access point that was found.
    async fn associate(
        &self,
        credentials: &WifiCredentials,
        found: Option<Network>,
    ) -> Result<Ipv4Addr, JoinError> {
        let network = found.ok_or(JoinError::NetworkNotFound)?;
        match network.seen.auth {
            AuthMode::Open | AuthMode::WpaPsk | AuthMode::Wpa2Psk | AuthMode::WpaWpa2Psk => {}
            AuthMode::Wpa2Wpa3Psk => {}
            other => return Err(JoinError::Unsupported(other)),
        }
        if let Some(reason) = network.refuses {
            Timer::after(Duration::from_secs(1)).await;
            return Err(JoinError::Other(reason));
        }
        if !opens(&network, credentials) {
            Timer::after(Duration::from_secs(1)).await;
            return Err(JoinError::WrongPassphrase);
        }
        if !network.dhcp {
            Timer::after(Duration::from_secs(10)).await;
            return Err(JoinError::NoAddress);
        }
        Timer::after(Duration::from_millis(200)).await;
        self.joined.replace(Some(Joined {
            network: credentials.clone(),
            seen: network.seen,
        }));
        self.link.send_replace(true);
        Ok(Ipv4Addr::new(192, 168, 4, 2 + self.mac[5] % 250))
    }
}
