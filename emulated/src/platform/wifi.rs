//! Wi-Fi without radio waves: access points that whoever starts QEMU names, and behind each of them
//! the emulated network card.

use alloc::{string::String, vec::Vec};
use core::net::Ipv4Addr;

use device::platform::{
    AccessPoint, AuthMode, Bssid, JoinError, Place, ScanRequest, Ssid, Wifi, WifiCredentials,
};
use embassy_net::Stack;
use embassy_time::{Duration, Timer};

use super::radio;
use crate::board::{ethernet, options};

/// The air, where whoever starts QEMU names no other: a line for each access point, with its strength
/// in dBm, its name, and its passphrase if it is not open, with tabs between them.
const AIR: &str = "-48\tworkshop\tcorrect horse\n-61\tguests";

/// Channels of the 2.4 GHz band that a scan visits.
const CHANNELS: u32 = 13;
/// How long it stays on a channel unless the client says otherwise, as ESP-IDF's driver does.
const PROBING_MS: u32 = 120;

struct Network {
    seen: AccessPoint,
    passphrase: String,
}

/// The station.
pub(crate) struct Station {
    mac: [u8; 6],
    stack: Stack<'static>,
    air: Vec<Network>,
    joined: core::cell::RefCell<Option<AccessPoint>>,
    /// Up as long as the station is there.
    _radio: radio::Power,
}

impl Station {
    /// A station that has not joined anything.
    pub(crate) fn new(mac: [u8; 6], stack: Stack<'static>, radio: radio::Power) -> Self {
        let option = options::text();
        let lines = option.as_deref().unwrap_or(AIR).lines();
        let mut air: Vec<_> = lines.filter_map(network).collect();
        air.sort_by_key(|network| core::cmp::Reverse(network.seen.rssi));
        Self {
            mac,
            stack,
            air,
            joined: core::cell::RefCell::new(None),
            _radio: radio,
        }
    }
}

fn network(line: &str) -> Option<Network> {
    let mut parts = line.split('\t');
    let rssi = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let passphrase = parts.next().unwrap_or_default();
    let tag = name
        .bytes()
        .fold(7u8, |tag, byte| tag.wrapping_mul(31).wrapping_add(byte));
    let auth = if passphrase.is_empty() {
        AuthMode::Open
    } else {
        AuthMode::Wpa2Psk
    };
    Some(Network {
        seen: AccessPoint {
            ssid: Ssid::new(name.as_bytes())?,
            bssid: Bssid([0x02, 0x57, 0x1f, 0x1a, 0xb0, tag]),
            channel: tag % 13 + 1,
            rssi,
            auth,
        },
        passphrase: passphrase.into(),
    })
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
        self.air
            .iter()
            .map(|network| network.seen.clone())
            .for_each(found);
        Ok(())
    }

    async fn join(&self, credentials: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        self.leave().await;
        probe(CHANNELS).await;
        let name = |network: &&Network| network.seen.ssid == credentials.ssid;
        self.associate(credentials, self.air.iter().find(name))
            .await
    }

    async fn join_at(
        &self,
        credentials: &WifiCredentials,
        place: Place,
    ) -> Result<Ipv4Addr, JoinError> {
        self.leave().await;
        probe(1).await;
        let there = |network: &&Network| {
            let seen = &network.seen;
            seen.ssid == credentials.ssid
                && seen.bssid == place.bssid
                && seen.channel == place.channel
        };
        self.associate(credentials, self.air.iter().find(there))
            .await
    }

    async fn leave(&self) {
        self.joined.take();
        ethernet::plug(false);
        // Until the stack has noticed, so that the address of the old network is not taken for
        // one of the new.
        self.stack.wait_link_down().await;
        self.stack.wait_config_down().await;
    }

    async fn lost(&self) {
        sockets::lost(self.stack).await;
        self.joined.take();
    }

    fn rssi_dbm(&self) -> Option<i8> {
        self.access_point().map(|joined| joined.rssi)
    }

    fn access_point(&self) -> Option<AccessPoint> {
        if ethernet::plugged() {
            self.joined.borrow().clone()
        } else {
            None
        }
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
        found: Option<&Network>,
    ) -> Result<Ipv4Addr, JoinError> {
        let network = found.ok_or(JoinError::NetworkNotFound)?;
        if network.passphrase.as_bytes() != credentials.passphrase.as_bytes() {
            Timer::after(Duration::from_secs(1)).await;
            return Err(JoinError::WrongPassphrase);
        }
        ethernet::plug(true);
        if let Some(address) = sockets::address(self.stack).await {
            self.joined.replace(Some(network.seen.clone()));
            return Ok(address);
        }
        self.leave().await;
        Err(JoinError::NoAddress)
    }
}
