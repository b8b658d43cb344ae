//! A network that is there or is not, without anything in the air: for a device that is provisioned.

use std::net::Ipv4Addr;

use device::platform::{AccessPoint, JoinError, ScanRequest, Wifi, WifiCredentials};

use super::Link;

/// A station that joins any network as soon as its link is up and it is let in, and loses it with the link.
pub struct Cable<F> {
    /// The station's address.
    pub mac: [u8; 6],
    /// Whether there is a network.
    pub link: Link,
    /// What it waits for before it joins.
    pub let_in: F,
}

impl<F: AsyncFn()> Wifi for Cable<F> {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    async fn scan(&self, _: ScanRequest, _: &mut dyn FnMut(AccessPoint)) -> Result<(), u16> {
        Ok(())
    }

    async fn join(&self, _: &WifiCredentials) -> Result<Ipv4Addr, JoinError> {
        becomes(&self.link, true).await;
        (self.let_in)().await;
        Ok(Ipv4Addr::LOCALHOST)
    }

    async fn leave(&self) {}

    async fn lost(&self) {
        becomes(&self.link, false).await;
    }

    fn rssi_dbm(&self) -> Option<i8> {
        Some(-50)
    }

    fn access_point(&self) -> Option<AccessPoint> {
        None
    }
}

/// Returns once the link is up, or is not. Who could have changed it may be gone: then it stays as it is.
async fn becomes(link: &Link, up: bool) {
    if link.clone().wait_for(|is_up| *is_up == up).await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::platform::{Passphrase, Ssid};
    use tokio::sync::watch;

    #[tokio::test]
    async fn a_cable_is_waited_for_either_way() {
        let up = watch::Sender::new(false);
        let cable = Cable {
            mac: [0; 6],
            link: up.subscribe(),
            let_in: async || (),
        };
        let network = WifiCredentials {
            ssid: Ssid::new(b"any").unwrap(),
            passphrase: Passphrase::new(b"").unwrap(),
            bssid: None,
            channel: None,
        };
        let plug = async { up.send_replace(true) };
        let (joined, _) = tokio::join!(cable.join(&network), plug);
        assert!(joined.is_ok());
        let unplug = async { up.send_replace(false) };
        let ((), _) = tokio::join!(cable.lost(), unplug);
    }
}
