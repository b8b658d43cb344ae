//! The Bluetooth of this computer, shared with whatever else uses it: BlueZ on Linux, CoreBluetooth
//! on macOS, WinRT on Windows, by `btleplug`.
//!
//! No root, no adapter of one's own, and no say in what goes over the air: the operating system
//! chooses the MTU and how a value is written. Whoever wants to see packets takes a controller
//! ([`crate::ble`]). Timers are tokio's, for what answers is no simulation.

mod trouble;

use std::time::Duration;

use btleplug::api::{Central, Characteristic, Manager as _, Peripheral as _};
use btleplug::api::{ScanFilter, Service, WriteType};
use btleplug::platform::{Adapter, Manager, Peripheral};
use protocomm::endpoint::Endpoint;
use protocomm::gatt::{self, SERVICE_UUID};
use tokio::time::{Instant, sleep, timeout};

use crate::found::{Found, Peer};
use crate::link_error::LinkError;

/// How long this computer's Bluetooth may take to be there. macOS first asks whether the terminal may
/// use it, which somebody has to read.
const OPEN: Duration = Duration::from_secs(60);
/// How often it is looked what was heard.
const LOOK: Duration = Duration::from_millis(250);
/// How long a device may take to be connected to, and its services to be learnt. BlueZ gives up
/// after 30 s itself.
const CONNECT: Duration = Duration::from_secs(40);
/// How long a device may take for a request.
const REPLY: Duration = Duration::from_secs(30);

/// What stands around a UUID of 16 bits (Core Specification 5.4, vol. 3, part B, 2.5.1).
const BASE: u128 = 0x0000_0000_0000_1000_8000_0080_5f9b_34fb;

/// The adapter, and the device that it is connected to.
pub(crate) struct System {
    adapter: Adapter,
    device: Option<Device>,
}

/// A device and its endpoints.
struct Device {
    peripheral: Peripheral,
    endpoints: Vec<(String, Characteristic)>,
}

impl System {
    /// Takes the adapter whose name begins so, or the first.
    pub(crate) async fn open(wanted: Option<&str>) -> Result<Self, LinkError> {
        let manager = Manager::new().await.map_err(|e| trouble::unusable(&e))?;
        let adapters = timeout(OPEN, manager.adapters()).await;
        let adapters = adapters.unwrap_or(Err(btleplug::Error::TimedOut(OPEN)));
        let adapters = adapters.map_err(|e| trouble::unusable(&e))?;
        let mut names = Vec::new();
        for adapter in adapters {
            let name = adapter.adapter_info().await.unwrap_or_default();
            if wanted.is_none_or(|wanted| name.starts_with(wanted)) {
                let device = None;
                return Ok(Self { adapter, device });
            }
            names.push(name);
        }
        Err(trouble::no_adapter(wanted, &names))
    }

    /// Listens for devices, `time` long or until `enough` says so.
    pub(crate) async fn scan(
        &self,
        time: Duration,
        mut enough: impl FnMut(&Found) -> bool,
    ) -> Result<Vec<Found>, LinkError> {
        let until = Instant::now() + time;
        let started = self.adapter.start_scan(ScanFilter::default()).await;
        started.map_err(|e| trouble::unusable(&e))?;
        let heard = loop {
            let devices = match self.heard().await {
                Ok(devices) => devices,
                Err(error) => break Err(error),
            };
            // Each is told, whether or not one is enough.
            let told: Vec<_> = devices.iter().map(&mut enough).collect();
            if told.contains(&true) {
                break Ok(devices);
            }
            if Instant::now() >= until {
                // Where Bluetooth cannot be used, some systems let one listen to nothing.
                let state = self.adapter.adapter_state().await.ok();
                let deaf = state.and_then(|state| trouble::deaf(&state, cfg!(target_os = "macos")));
                break deaf.map_or(Ok(devices), Err);
            }
            sleep(LOOK.min(until - Instant::now())).await;
        };
        // It goes on if that fails, which does no harm but to the battery.
        if let Err(error) = self.adapter.stop_scan().await {
            log::info!("the computer goes on listening: {error}");
        }
        heard
    }

    /// Who was heard since this scan began.
    async fn heard(&self) -> Result<Vec<Found>, LinkError> {
        let peripherals = self.adapter.peripherals().await;
        let mut heard = Vec::new();
        for peripheral in peripherals.map_err(|e| trouble::unusable(&e))? {
            // One that the system forgets while it is asked for is gone.
            let Ok(Some(told)) = peripheral.properties().await else {
                continue;
            };
            // Systems remember whom they knew; who is in the air has a strength.
            let Some(rssi) = told.rssi else {
                continue;
            };
            // BlueZ makes up an alias from the address where there is no name.
            let alias = told.local_name.filter(|_| !cfg!(target_os = "linux"));
            let services = told.services.iter().map(|uuid| uuid.as_u128());
            let provisions = services.clone().find(|uuid| *uuid == SERVICE_UUID);
            heard.push(Found {
                name: told.advertisement_name.or(alias).unwrap_or_default(),
                peer: Peer::System(peripheral.id().to_string()),
                rssi: i8::try_from(rssi).unwrap_or(i8::MIN),
                service: provisions.or_else(|| services.clone().next()),
                flags: None,
            });
        }
        Ok(heard)
    }

    /// Connects to a device and learns its endpoints.
    pub(crate) async fn connect(&mut self, name: &str) -> Result<(), LinkError> {
        let peripherals = self.adapter.peripherals().await;
        let peripherals = peripherals.map_err(|e| trouble::unusable(&e))?;
        let mut all = peripherals.into_iter();
        let peripheral = all.find(|peripheral| peripheral.id().to_string() == name);
        let peripheral = peripheral.ok_or(LinkError::Unreachable)?;
        let connected = timeout(CONNECT, async {
            let connected = peripheral.connect().await;
            connected.map_err(|e| trouble::not_connected(&e))?;
            let learnt = peripheral.discover_services().await;
            learnt.map_err(|e| trouble::not_connected(&e))?;
            endpoints(&peripheral).await
        });
        let connected = connected.await.unwrap_or(Err(LinkError::Unreachable));
        if connected.is_err() {
            // Or it would stay connected, and heard by nobody.
            let _ = peripheral.disconnect().await;
        }
        let endpoints = connected?;
        self.device = Some(Device {
            peripheral,
            endpoints,
        });
        Ok(())
    }

    /// Writes a request to an endpoint and reads the reply.
    pub(crate) async fn exchange(
        &self,
        endpoint: &str,
        request: &[u8],
    ) -> Result<Vec<u8>, LinkError> {
        let device = self.device.as_ref().ok_or(LinkError::Lost)?;
        let mut endpoints = device.endpoints.iter();
        let found = endpoints.find(|(name, _)| name == endpoint);
        let (_, characteristic) = found.ok_or_else(|| LinkError::NoEndpoint(endpoint.into()))?;
        let peripheral = &device.peripheral;
        let exchanged = timeout(REPLY, async {
            let written = peripheral.write(characteristic, request, WriteType::WithResponse);
            written.await?;
            peripheral.read(characteristic).await
        });
        match exchanged.await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) if !is_connected(peripheral).await => Err(LinkError::Lost),
            Ok(Err(error)) => Err(trouble::refused(endpoint, &error)),
            Err(_) => Err(LinkError::Timeout(REPLY)),
        }
    }

    /// Ends the link, if there is one.
    pub(crate) async fn disconnect(&mut self) {
        if let Some(device) = self.device.take()
            && let Err(error) = device.peripheral.disconnect().await
        {
            // The device may have ended it before.
            log::debug!("disconnecting: {error}");
        }
    }
}

async fn is_connected(peripheral: &Peripheral) -> bool {
    peripheral.is_connected().await.unwrap_or(false)
}

/// The endpoints of the provisioning service: by their user descriptions or, where a device has
/// none, by their UUIDs.
async fn endpoints(peripheral: &Peripheral) -> Result<Vec<(String, Characteristic)>, LinkError> {
    for service in peripheral.services() {
        let mut endpoints = Vec::new();
        for characteristic in &service.characteristics {
            let described = description(peripheral, characteristic).await;
            if let Some(name) = described.or_else(|| by_uuid(&service, characteristic)) {
                endpoints.push((name, characteristic.clone()));
            }
        }
        let is_one = |(name, _): &(String, _)| name == "prov-session" || name == "prov-config";
        if endpoints.iter().any(is_one) {
            return Ok(endpoints);
        }
    }
    Err(LinkError::NotProvisioning(trouble::no_endpoints()))
}

async fn description(peripheral: &Peripheral, of: &Characteristic) -> Option<String> {
    let mut all = of.descriptors.iter();
    let description = all.find(|descriptor| {
        descriptor.uuid.as_u128() == u128::from(gatt::NAME_DESCRIPTOR_UUID) << 96 | BASE
    })?;
    let bytes = peripheral.read_descriptor(description).await.ok()?;
    let name = String::from_utf8(bytes).ok()?;
    // As some systems hand over C's strings.
    let name = name.trim_end_matches('\0');
    (!name.is_empty()).then(|| name.to_owned())
}

fn by_uuid(service: &Service, characteristic: &Characteristic) -> Option<String> {
    let uuid = characteristic.uuid.as_u128();
    let mut all = Endpoint::STANDARD.into_iter();
    let endpoint = all.find(|e| gatt::characteristic_uuid(service.uuid.as_u128(), *e) == uuid)?;
    endpoint.name(&[]).map(str::to_owned)
}
