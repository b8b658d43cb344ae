#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod ble;
mod error;
mod examining;
mod found;
mod http;
mod link;
mod link_error;
mod online;
mod progress;
mod session;
mod system;

use std::time::Duration;

#[cfg(test)]
use hosttime as _; // nothing names it, and the linker asks for a time driver
use protocomm::client::Client;
use vhci::HciTransport;

pub use ble::{LARGEST_MTU, Survey, SurveyedCharacteristic, Writes};
pub use error::Error;
pub use found::{Found, Peer};
pub use link_error::LinkError;
pub use online::{OnTheWay, Verdict};
pub use progress::Progress;
pub use protocomm::online::Stage;
pub use protocomm::wifi::{AccessPoint, AuthMode, Connected, FailReason};
pub use session::{Outcome, Secrets};

use ble::Ble;
use http::Http;
use link::Link;
use system::System;

/// How long the air is listened to after a first device was heard, in case there are more.
const OTHERS: Duration = Duration::from_millis(1500);

/// How often a link is set up that is lost at once.
const CONNECT_TRIES: u32 = 3;

/// The provisioning client: one device at a time, over Bluetooth or HTTP.
///
/// The order of calls: [`find`](Self::find) and [`connect`](Self::connect) (not over HTTP), then
/// [`open_session`](Self::open_session), then [`scan_networks`](Self::scan_networks) and
/// [`provision`](Self::provision) as often as it takes. After [`LinkError::Lost`], connect again.
pub struct Provisioner {
    link: Link,
    client: Option<Client>,
    /// The last credentials did not work: the device wants to be told before it takes others.
    failed: bool,
    /// The device has the endpoint that tells how it gets online.
    tells_online: bool,
    progress: Box<dyn FnMut(&Progress)>,
}

impl Provisioner {
    /// Over Bluetooth, with this controller.
    ///
    /// The Bluetooth stack runs as a task of the current `tokio` `LocalSet`, until this is
    /// dropped.
    ///
    /// # Panics
    ///
    /// Outside of a `LocalSet`.
    pub fn ble(transport: HciTransport) -> Self {
        Self::ble_with_mtu(transport, LARGEST_MTU)
    }

    /// As [`Provisioner::ble`], with an ATT MTU of 517, 247, 185 or 23: the largest of these that is
    /// not above `mtu`.
    ///
    /// # Panics
    ///
    /// Outside of a `LocalSet`.
    pub fn ble_with_mtu(transport: HciTransport, mtu: usize) -> Self {
        Self::new(Link::Ble(Ble::start(transport, mtu)))
    }

    /// Over the Bluetooth of this computer, as every program uses it: BlueZ on Linux, CoreBluetooth
    /// on macOS, WinRT on Windows. `adapter` names one where there are several, as `hci1`.
    ///
    /// # Errors
    ///
    /// [`LinkError::NoBluetooth`] says what is missing and what to do.
    pub async fn system(adapter: Option<&str>) -> Result<Self, Error> {
        Ok(Self::new(Link::System(System::open(adapter).await?)))
    }

    /// Over HTTP, to a device that is an access point (ESP-IDF's SoftAP scheme) or a simulated one.
    /// `address` is `HOST` or `HOST:PORT`.
    pub fn http(address: &str) -> Self {
        Self::new(Link::Http(Http::new(address)))
    }

    fn new(link: Link) -> Self {
        Self {
            link,
            client: None,
            failed: false,
            tells_online: false,
            progress: Box::new(|_| {}),
        }
    }

    /// Tells every step to `progress`.
    #[must_use]
    pub fn on_progress(mut self, progress: impl FnMut(&Progress) + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    fn tell(&mut self, progress: &Progress) {
        (self.progress)(progress);
    }

    /// Listens for provisioning devices for that long: those with Espressif's service, or with a
    /// name that begins with `prefix`. Over HTTP there is nothing to hear.
    ///
    /// # Errors
    ///
    /// [`Error::Link`] where the controller fails.
    pub async fn discover(&mut self, prefix: &str, wait: Duration) -> Result<Vec<Found>, Error> {
        self.listen(prefix, wait, |_| false).await
    }

    async fn listen(
        &mut self,
        prefix: &str,
        wait: Duration,
        mut enough: impl FnMut(&Found) -> bool,
    ) -> Result<Vec<Found>, Error> {
        if matches!(self.link, Link::Http(_)) {
            return Ok(Vec::new());
        }
        let progress = &mut self.progress;
        progress(&Progress::Listening);
        let mut heard = Vec::new();
        let hear = |found: &Found| {
            if found.provisions(prefix) && !found.name.is_empty() && !heard.contains(&found.peer) {
                heard.push(found.peer.clone());
                progress(&Progress::Heard(found.clone()));
            }
            enough(found)
        };
        let found = match &self.link {
            Link::Ble(ble) => ble.scan(wait, hear).await?,
            Link::System(system) => system.scan(wait, hear).await?,
            Link::Http(_) => Vec::new(),
        };
        Ok(found.into_iter().filter(|f| f.provisions(prefix)).collect())
    }

    /// Finds one device: the one with this name, or, without a name, the only one that advertises.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] or [`Error::Ambiguous`], for the user to act on; [`Error::Link`].
    pub async fn find(&mut self, name: Option<&str>, wait: Duration) -> Result<Found, Error> {
        let not_found = || Error::NotFound {
            waited: wait,
            name: name.map(str::to_owned),
        };
        if let Some(name) = name {
            let found = self.listen(name, wait, |found| found.name == name).await?;
            return found
                .into_iter()
                .find(|f| f.name == name)
                .ok_or_else(not_found);
        }
        self.find_by_prefix(protocomm::gatt::DEFAULT_NAME_PREFIX, wait)
            .await
    }

    /// Finds the only device that advertises the provisioning service, or a name with this prefix.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub async fn find_by_prefix(&mut self, prefix: &str, wait: Duration) -> Result<Found, Error> {
        let mut found = self
            .listen(prefix, wait, |found| found.provisions(prefix))
            .await?;
        if !found.is_empty() {
            found = self.listen(prefix, OTHERS, |_| false).await?;
        }
        match found.as_slice() {
            [] => Err(Error::NotFound {
                waited: wait,
                name: None,
            }),
            [one] => Ok(one.clone()),
            several => Err(Error::Ambiguous(several.iter().map(Found::shown).collect())),
        }
    }

    /// Connects to a device that was found, in a few tries. Any session before is over.
    ///
    /// # Errors
    ///
    /// [`Error::Link`]; after [`LinkError::Unreachable`] it may be tried again.
    pub async fn connect(&mut self, device: &Found) -> Result<(), Error> {
        self.disconnect().await;
        self.tell(&Progress::Connecting(device.shown()));
        for tries_left in (0..CONNECT_TRIES).rev() {
            let connected = match (&mut self.link, &device.peer) {
                (Link::Ble(ble), Peer::Address(address)) => ble.connect(*address).await,
                (Link::System(system), Peer::System(name)) => system.connect(name).await,
                (Link::Http(_), _) => Ok(()),
                (Link::Ble(_) | Link::System(_), _) => Err(LinkError::Unreachable),
            };
            match connected {
                Ok(()) => break,
                // Over the air, a link may fail to be established for no fault of anybody's.
                Err(LinkError::Lost) if tries_left > 0 => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.tell(&Progress::Connected);
        Ok(())
    }

    /// Ends the session and the link.
    pub async fn disconnect(&mut self) {
        self.client = None;
        self.failed = false;
        self.tells_online = false;
        match &mut self.link {
            Link::Ble(ble) => ble.disconnect().await,
            Link::System(system) => system.disconnect().await,
            Link::Http(http) => http.disconnect(),
        }
    }
}
