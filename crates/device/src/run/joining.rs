//! Joining the network that is kept in flash: first by the access point of last time, on its channel,
//! then by whichever is the strongest on any.
//!
//! Looking at all channels takes two seconds and more, which is most of a start. So where the network is
//! found is kept in NVS, and written only when it was not found where it was last: a network that stays
//! costs one write. One that moves each minute, for years, costs a half million entries a year, and NVS
//! erases a page for every 126, one page of four after the other: a thousand of the hundred thousand
//! times that flash bears.

use embassy_time::Instant;

use crate::context::Context;
use crate::event::Event;
use crate::platform::{self, Place, Platform, Ssid, Wifi, WifiCredentials};

/// An access point that is heard less than this is not kept, for the network may have a better one.
const STRONG_DBM: i8 = -70;

/// One that was kept is forgotten when it is heard less than this. Far enough from the other that
/// none is kept and forgotten in turns.
const WEAK_DBM: i8 = -80;

/// Joins the network that is kept in flash. Returns when it did.
pub(super) async fn join<P: Platform>(context: &Context<'_, P>) -> Option<Instant> {
    let network = match context.storage.wifi() {
        Ok(Some(network)) => network,
        // It was there at boot: somebody erased it.
        Ok(None) => {
            context.tell(&Event::FactoryReset);
            return None;
        }
        // A flash that fails may answer again, and a network forgotten is gone.
        Err(error) => {
            let retry_ms = context.retry_ms();
            context.tell(&Event::NetworkUnreadable { error, retry_ms });
            return None;
        }
    };
    let attempt = context.state().attempt();
    context.tell(&Event::Joining {
        ssid: network.ssid.clone(),
        attempt,
    });
    let known = context.storage.place(&network.ssid);
    let joined = match known {
        Some(place) => match join_at(context, &network, place).await {
            Ok(address) => Ok(address),
            Err(_) => platform::join(context.wifi, &network).await,
        },
        None => platform::join(context.wifi, &network).await,
    };
    match joined {
        Ok(address) => {
            keep_place(context, &network.ssid);
            context.tell(&Event::Joined {
                address,
                rssi_dbm: context.wifi.rssi_dbm(),
            });
            Some(Instant::now())
        }
        Err(error) => {
            let retry_ms = context.retry_ms();
            context.tell(&Event::JoinFailed { error, retry_ms });
            None
        }
    }
}

async fn join_at<P: Platform>(
    context: &Context<'_, P>,
    network: &WifiCredentials,
    place: Place,
) -> Result<core::net::Ipv4Addr, platform::JoinError> {
    if network.passphrase.is_too_short() {
        return Err(platform::JoinError::WrongPassphrase);
    }
    context.wifi.join_at(network, place).await
}

/// Keeps where the network that is joined is, for the next start.
pub(super) fn keep_place<P: Platform>(context: &Context<'_, P>, ssid: &Ssid) {
    let Some(joined) = context.wifi.access_point() else {
        return;
    };
    let here = Place {
        bssid: joined.bssid,
        channel: joined.channel,
    };
    let place = if joined.rssi >= STRONG_DBM {
        Some(here)
    } else if joined.rssi >= WEAK_DBM && context.storage.place(ssid) == Some(here) {
        return;
    } else {
        None
    };
    if let Err(error) = context.storage.keep_place(ssid, place) {
        log::debug!("where the network is, is not kept: {error:?}");
    }
}
