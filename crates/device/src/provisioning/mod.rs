//! Provisioning: serving the client that tells the device which network to join.
//!
//! [`Service`] is what the client talks to, whatever carries its requests: it drives the device
//! end of [`protocomm`], scans, tries networks out, and ends once one works and the client has
//! had the chance to read so. [`provision`] offers it over Bluetooth as ESP-IDF does, and through
//! a [`Mailbox`] to whatever else carries requests, such as an HTTP server on the host.
//!
//! The boundary: nothing here is stored. What worked is handed over, at once through
//! [`Service::new`]'s `keep`, and in the end by [`provision`].
//!
//! Bluetooth as ESP-IDF v5.4.1 has it (4c2820d, `components/protocomm/src/transports/
//! protocomm_nimble.c`, `components/wifi_provisioning/src/scheme_ble.c`): no pairing is demanded
//! (iOS fails where it is, and bonded Android phones cannot reconnect), reconnects are accepted,
//! long writes and long reads work, the ATT MTU is whatever the client wants from 23 to 517.
//! Buffers and tables are on the heap and go back when [`provision`] returns.

mod adapter;
mod answer;
mod gatt;
mod mailbox;
mod pool;
mod service;
#[cfg(test)]
mod tests;

use core::net::Ipv4Addr;
use core::pin::pin;

use bt_hci_transport::Transport;
use embassy_futures::select::{Either4, select4};
use embassy_time::{Duration, with_timeout};
use rand_core::CryptoRng;

use crate::platform::{Mailbox, Wifi};
use crate::wifi::WifiCredentials;

pub use answer::Answer;
pub use gatt::BluetoothFailed;
pub use service::Service;

/// How long the client's link may take to close once all is done.
const FAREWELL: Duration = Duration::from_secs(1);

/// A network that the device has joined with these credentials, and has an address in.
#[derive(Debug, Clone)]
pub struct Proven {
    /// What it takes to join it.
    pub credentials: WifiCredentials,
    /// The address that the network gave.
    pub address: Ipv4Addr,
}

/// Advertises as `name` and serves clients until one of them has told a network that works.
///
/// Returns after the client has had the chance to read the success: a second after it did, or
/// 30 seconds after joining if it does not ask; see [`Service`] for a client that waits for the
/// cloud's answer. Then the link is closed, and with `transport`
/// everything of Bluetooth is dropped. The station stays joined.
///
/// Ends without a network after `window`, if there is one; a client that is in the middle of it
/// then has five minutes more.
///
/// `mailbox`, if there is one, is open meanwhile. Cancelling drops everything too, maybe in the
/// middle of a packet; the client notices after its supervision timeout.
///
/// # Errors
///
/// [`BluetoothFailed`] where the controller does not do what it is told.
pub async fn provision<T, W, R>(
    transport: T,
    name: &str,
    service: &Service<'_, W, R>,
    mailbox: Option<&Mailbox>,
    window: Option<Duration>,
) -> Result<Option<Proven>, BluetoothFailed>
where
    T: Transport,
    W: Wifi,
    R: CryptoRng,
{
    let mut bluetooth = pin!(gatt::serve(transport, name, service));
    let post = async {
        match mailbox {
            Some(mailbox) => mailbox::serve(mailbox, service).await,
            None => core::future::pending().await,
        }
    };
    let run = select4(
        service.run(),
        bluetooth.as_mut(),
        post,
        service.window(window),
    );
    let proven = match run.await {
        Either4::First(proven) => Some(proven),
        Either4::Second(result) => return Err(result.err().unwrap_or(BluetoothFailed)),
        Either4::Third(never) => match never {},
        Either4::Fourth(()) => None,
    };
    service.close();
    // Nobody is kept waiting for a client that does not answer any more.
    let _ = with_timeout(FAREWELL, bluetooth).await;
    Ok(proven)
}
