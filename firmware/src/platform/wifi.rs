//! The Wi-Fi station over esp-radio.

use alloc::vec::Vec;
use core::ffi::c_char;
use core::net::Ipv4Addr;

use crate::board;
use device::platform::{
    AccessPoint, AuthMode, Bssid, JoinError, Place, ScanRequest, Ssid, Wifi, WifiCredentials,
};
use embassy_net::Stack;
use embassy_sync::{blocking_mutex::raw::NoopRawMutex, mutex::Mutex};
use embassy_time::{Duration, TimeoutError, with_timeout};
use esp_hal::{
    efuse::{InterfaceMacAddress, interface_mac_address},
    peripherals::WIFI,
};
use esp_radio::wifi::{
    AuthenticationMethod, AuthenticationMethodConfig, Config, ConnectionError, ControllerConfig,
    DisconnectReason, Interface, PowerSaveMode, WifiController, WifiError,
    ap::AccessPointInfo,
    scan::{ScanConfig, ScanTypeConfig},
    sta::{ScanMethod, StationConfig},
};

/// The most access points kept of a scan: each takes 60 bytes of heap.
const MOST_FOUND: usize = 32;
/// Milliseconds on a channel where the client leaves it to us: ESP-IDF's defaults.
const PROBING_MS: u32 = 120;
const LISTENING_MS: u32 = 360;
/// How long the driver may take to join; it gives up by itself before.
const ASSOCIATION: Duration = Duration::from_secs(20);
/// The same for one access point on one channel: probing it takes [`PROBING_MS`], and what follows some
/// hundred milliseconds. The driver itself would go on to look at all the other channels.
const ASSOCIATION_AT: Duration = Duration::from_millis(1_500);
/// ESP-IDF's number of opportunistic wireless encryption (`WIFI_AUTH_OWE`).
const OWE: u32 = 9;
/// How long leaving may take.
const LEAVING: Duration = Duration::from_secs(2);

/// Powers Wi-Fi up. It stays up for good, and awake until it has joined a network: its receiver is
/// also the source of true randomness, which a sleeping one may not be (ESP-IDF's guide, "Random
/// Number Generation"). Joined, it sleeps between beacons, and is awake when it has just received
/// something, as in ESP-IDF.
///
/// # Panics
///
/// If the driver does not start, which only a lack of heap can cause.
pub(crate) fn power_up(wifi: WIFI<'static>) -> (WifiController<'static>, Interface) {
    // The proof of possession, the salt and the keys of provisioning are drawn before it has joined.
    let awake = ControllerConfig::default().with_sta_disconnected_pm(false);
    let mut controller = WifiController::new(wifi, awake)
        .expect("the Wi-Fi driver starts if the board's heap is large enough");
    tune(&mut controller);
    (controller, Interface::station())
}

/// Sets what the driver has settings of its own for whenever it starts.
fn tune(controller: &mut WifiController<'static>) {
    // The radio is shared with Bluetooth while provisioning, so a joined station has to leave it
    // time: with both up the libraries refuse, and abort, unless it is allowed to sleep.
    // ESP-IDF's default (4c2820d377d1, components/esp_wifi/include/esp_wifi.h, esp_wifi_set_ps);
    // esp-radio's is not to sleep.
    if let Err(error) = controller.set_power_saving(PowerSaveMode::Minimum) {
        log::warn!("power saving: {error}");
    }
    if let Err(error) = controller.set_max_tx_power(board::TX_POWER_QUARTER_DBM) {
        log::warn!("transmit power: {error}");
    }
}

/// The station.
pub(crate) struct Station {
    /// Locked while scanning, joining and leaving: the driver does one at a time.
    controller: Mutex<NoopRawMutex, WifiController<'static>>,
    stack: Stack<'static>,
}

impl Station {
    pub(crate) fn new(controller: WifiController<'static>, stack: Stack<'static>) -> Self {
        Self {
            controller: Mutex::new(controller),
            stack,
        }
    }

    /// What the driver knows of the joined access point; none if not joined, or while the driver
    /// is busy with a scan.
    fn joined(&self) -> Option<AccessPointInfo> {
        let controller = self.controller.try_lock().ok()?;
        if !controller.is_connected() {
            return None;
        }
        controller.ap_info().ok()
    }
}

impl Wifi for Station {
    fn mac(&self) -> [u8; 6] {
        let mac = interface_mac_address(InterfaceMacAddress::Station);
        mac.as_bytes().try_into().unwrap_or_default()
    }

    #[expect(
        unsafe_code,
        reason = "esp-radio takes a country only before the settings are read"
    )]
    fn set_country(&self, country: [u8; 2]) -> bool {
        unsafe extern "C" {
            /// The driver's (ESP-IDF v5.4.1, 4c2820d377d1, components/esp_wifi/include/esp_wifi.h):
            /// text of two letters, and whether the access point's country goes before.
            fn esp_wifi_set_country_code(country: *const c_char, access_points: bool) -> i32;
        }
        let text = [country[0], country[1], 0];
        // SAFETY: the driver is up, and copies the text, which ends with NUL.
        unsafe { esp_wifi_set_country_code(text.as_ptr().cast(), true) == 0 }
    }

    async fn scan(
        &self,
        request: ScanRequest,
        found: &mut dyn FnMut(AccessPoint),
    ) -> Result<(), u16> {
        let mut controller = self.controller.lock().await;
        let mut access_points = look(&mut controller, request, None)
            .await
            .map_err(|error| {
                log::warn!("scan: {error}");
                code(DisconnectReason::Unspecified)
            })?;
        access_points.sort_unstable_by_key(|heard| core::cmp::Reverse(heard.signal_strength));
        for heard in &access_points {
            found(access_point(heard));
        }
        Ok(())
    }

    async fn join(&self, network: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        let config = station(network).ok_or(JoinError::WrongPassphrase)?;
        self.join_as(network, config, ASSOCIATION).await
    }

    async fn join_at(
        &self,
        network: &WifiCredentials,
        place: Place,
    ) -> Result<Ipv4Addr, JoinError> {
        let config = station(network).ok_or(JoinError::WrongPassphrase)?;
        // The channel is where a fast scan begins, and it ends with the first that is heard.
        let config = config
            .with_scan_method(ScanMethod::Fast)
            .with_channel(place.channel)
            .with_bssid(place.bssid.0);
        self.join_as(network, config, ASSOCIATION_AT).await
    }

    async fn leave(&self) {
        let mut controller = self.controller.lock().await;
        self.disconnect(&mut controller).await;
    }

    async fn lost(&self) {
        sockets::lost(self.stack).await;
    }

    fn rssi_dbm(&self) -> Option<i8> {
        let controller = self.controller.try_lock().ok()?;
        if !controller.is_connected() {
            return None;
        }
        controller.rssi().ok()?.try_into().ok()
    }

    fn access_point(&self) -> Option<AccessPoint> {
        self.joined().as_ref().map(access_point)
    }
}

impl Station {
    /// Joins a network with these settings of the driver, which may take so long to associate.
    async fn join_as(
        &self,
        network: &WifiCredentials,
        config: StationConfig,
        association: Duration,
    ) -> Result<Ipv4Addr, JoinError> {
        let mut controller = self.controller.lock().await;
        self.disconnect(&mut controller).await;
        if let Err(error) = controller.set_config(&Config::Station(config)) {
            log::warn!("join: {error}");
            // The driver is off now, and with it scans and randomness.
            if let Err(error) = controller.set_config(&Config::Station(StationConfig::default())) {
                log::error!("the Wi-Fi driver does not start again: {error}");
            }
            tune(&mut controller);
            return Err(match error {
                WifiError::InvalidPassword => JoinError::WrongPassphrase,
                _ => JoinError::Other(code(DisconnectReason::ConnectionFailed)),
            });
        }
        match with_timeout(association, controller.connect_async()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(self.explain(&mut controller, network, error).await),
            Err(TimeoutError) => {
                self.disconnect(&mut controller).await;
                return Err(JoinError::Other(code(DisconnectReason::Timeout)));
            }
        }
        if let Some(address) = sockets::address(self.stack).await {
            return Ok(address);
        }
        let lost = !controller.is_connected();
        self.disconnect(&mut controller).await;
        Err(if lost {
            JoinError::Other(code(DisconnectReason::ConnectionFailed))
        } else {
            JoinError::NoAddress
        })
    }

    /// Leaves the network, or gives up joining it, and waits until the stack has noticed, so that
    /// the address of the old network is not taken for one of the new.
    async fn disconnect(&self, controller: &mut WifiController<'static>) {
        let leaving = async {
            if let Err(error) = controller.disconnect_async().await
                && error != WifiError::NotConnected
            {
                log::warn!("leave: {error}");
            }
            self.stack.wait_link_down().await;
            self.stack.wait_config_down().await;
        };
        if with_timeout(LEAVING, leaving).await.is_err() {
            log::warn!("leave: the driver does not answer");
        }
    }

    /// Turns the driver's reason into what a person can act on.
    async fn explain(
        &self,
        controller: &mut WifiController<'static>,
        network: &WifiCredentials,
        error: ConnectionError,
    ) -> JoinError {
        let reason = match error {
            ConnectionError::Failed(info) => info.reason,
            error => {
                log::warn!("join: {error}");
                return JoinError::Other(code(DisconnectReason::ConnectionFailed));
            }
        };
        match reason {
            // As ESP-IDF v5.4.1 tells them apart (4c2820d377d1,
            // components/wifi_provisioning/src/manager.c, wifi_prov_mgr_event_handler_internal).
            DisconnectReason::FourWayHandshakeTimeout
            | DisconnectReason::AuthenticationFailed
            | DisconnectReason::HandshakeTimeout
            | DisconnectReason::MicFailure => JoinError::WrongPassphrase,
            DisconnectReason::NoAccessPointFound
            | DisconnectReason::NoAccessPointFoundInRssiThreshold => JoinError::NetworkNotFound,
            // The network is there, but not as we would join it: say how it is.
            DisconnectReason::NoAccessPointFoundWithCompatibleSecurity
            | DisconnectReason::NoAccessPointFoundInAuthmodeThreshold => {
                let request = ScanRequest {
                    passive: false,
                    dwell_ms: 0,
                };
                let heard = look(controller, request, Some(network))
                    .await
                    .unwrap_or_default();
                match heard.iter().max_by_key(|heard| heard.signal_strength) {
                    // A network without a passphrase, and we were given one, or the other way.
                    Some(heard) if mode(heard) == AuthMode::Open => JoinError::WrongPassphrase,
                    // Encrypted without a passphrase, which the driver does not do.
                    Some(heard) if mode(heard) == AuthMode::from(OWE) => {
                        JoinError::Unsupported(mode(heard))
                    }
                    Some(_) if network.passphrase.is_empty() => JoinError::WrongPassphrase,
                    Some(heard) => JoinError::Unsupported(mode(heard)),
                    None => JoinError::NetworkNotFound,
                }
            }
            other => JoinError::Other(code(other)),
        }
    }
}

/// Scans; with `only`, for that network.
async fn look(
    controller: &mut WifiController<'static>,
    request: ScanRequest,
    only: Option<&WifiCredentials>,
) -> Result<Vec<AccessPointInfo>, WifiError> {
    let dwell =
        |default_ms| esp_hal::time::Duration::from_millis(request.dwell_ms_or(default_ms).into());
    let kind = if request.passive {
        ScanTypeConfig::Passive(dwell(LISTENING_MS))
    } else {
        ScanTypeConfig::Active {
            min: dwell(PROBING_MS),
            max: dwell(PROBING_MS),
        }
    };
    let mut config = ScanConfig::default()
        .with_show_hidden(only.is_some())
        .with_scan_type(kind)
        .with_max(MOST_FOUND);
    if let Some(network) = only {
        config = config.with_ssid(network.ssid.as_bytes().try_into()?);
    }
    controller.scan_async(&config).await
}

/// The driver's settings for a network; none if it takes no such passphrase.
///
/// The access point that the client named is not insisted on: the network may have others, and it
/// may be replaced. The strongest is joined, which takes a look at all channels, of some two seconds, and
/// is done only where the network is not where it was last time; ESP-IDF's default is the first that is
/// heard. WPA2 is the least that is accepted with a passphrase, as in ESP-IDF.
fn station(network: &WifiCredentials) -> Option<StationConfig> {
    let authentication = if network.passphrase.is_empty() {
        AuthenticationMethodConfig::Open
    } else {
        AuthenticationMethodConfig::Wpa2Personal(network.passphrase.as_bytes().try_into().ok()?)
    };
    let config = StationConfig::default()
        .with_ssid(network.ssid.as_bytes().try_into().ok()?)
        .with_authentication(authentication)
        .with_scan_method(ScanMethod::AllChannels);
    Some(match network.channel {
        Some(channel @ 1..=14) => config.with_channel(channel),
        _ => config,
    })
}

/// The driver shows a name that is not UTF-8 only up to its first wrong byte.
fn access_point(heard: &AccessPointInfo) -> AccessPoint {
    AccessPoint {
        ssid: Ssid::new(heard.ssid.as_str().as_bytes()).unwrap_or_default(),
        bssid: Bssid(heard.bssid),
        channel: heard.channel,
        rssi: heard.signal_strength,
        auth: mode(heard),
    }
}

/// ESP-IDF's number of the mode (4c2820d377d1,
/// components/esp_wifi/include/esp_wifi_types_generic.h, `wifi_auth_mode_t`). What esp-radio does
/// not know is never shown as open. That the libraries beneath it may say open where they do not
/// know better, as esp-radio 1.0.0-beta.1 has observed (src/wifi/mod.rs, `from_raw`), cannot be
/// told apart here: joining such a network fails, and says so.
fn mode(heard: &AccessPointInfo) -> AuthMode {
    const MAX: u32 = 17;
    let number = match heard.auth_method {
        Some(AuthenticationMethod::None) => 0,
        Some(AuthenticationMethod::Wep) => 1,
        Some(AuthenticationMethod::Wpa) => 2,
        Some(AuthenticationMethod::Wpa2Personal) => 3,
        Some(AuthenticationMethod::WpaWpa2Personal) => 4,
        Some(AuthenticationMethod::Wpa2Enterprise) => 5,
        Some(AuthenticationMethod::Wpa3Personal) => 6,
        Some(AuthenticationMethod::Wpa2Wpa3Personal) => 7,
        Some(AuthenticationMethod::WapiPersonal) => 8,
        Some(AuthenticationMethod::Owe) => OWE,
        Some(AuthenticationMethod::Wpa3EntSuiteB192Bit) => 10,
        Some(AuthenticationMethod::Wpa3ExtPsk) => 11,
        Some(AuthenticationMethod::Wpa3ExtPskMixed) => 12,
        Some(AuthenticationMethod::Dpp) => 13,
        Some(AuthenticationMethod::Wpa3Enterprise) => 14,
        Some(AuthenticationMethod::Wpa2Wpa3Enterprise) => 15,
        _ => MAX,
    };
    AuthMode::from(number)
}

/// The number of a reason: esp-radio names the reasons, but keeps the numbers to itself. Those
/// that joining does not meet are 1, "unspecified" (IEEE 802.11, table of reason codes).
fn code(reason: DisconnectReason) -> u16 {
    match reason {
        DisconnectReason::AuthenticationExpired => 2,
        DisconnectReason::AuthenticationLeave => 3,
        DisconnectReason::DisassociatedDueToInactivity => 4,
        DisconnectReason::AssociationTooMany => 5,
        DisconnectReason::AssociationLeave => 8,
        DisconnectReason::AssociationNotAuthenticated => 9,
        DisconnectReason::IeInvalid => 13,
        DisconnectReason::GroupKeyUpdateTimeout => 16,
        DisconnectReason::IeIn4wayDiffers => 17,
        DisconnectReason::GroupCipherInvalid => 18,
        DisconnectReason::PairwiseCipherInvalid => 19,
        DisconnectReason::AkmpInvalid => 20,
        DisconnectReason::_802_1xAuthenticationFailed => 23,
        DisconnectReason::CipherSuiteRejected => 24,
        DisconnectReason::Timeout => 39,
        DisconnectReason::BeaconTimeout => 200,
        DisconnectReason::AssociationFailed => 203,
        DisconnectReason::ConnectionFailed => 205,
        DisconnectReason::AccessPointTsfReset => 206,
        DisconnectReason::Roaming => 207,
        DisconnectReason::AssociationComebackTimeTooLong => 208,
        DisconnectReason::SaQueryTimeout => 209,
        _ => 1,
    }
}
