//! The phone: our provisioning client over a Bluetooth stack and a virtual controller of its own.

use std::time::Duration;

use provisioner::{Outcome, Provisioner, Secrets};
use vhci::{ControllerConfig, HciTransport};

use crate::desk::{Desk, PROOF};
use crate::secrets::{hide, shown};

/// A phone on the desk, connected to a device, with a session open.
pub struct Phone(pub Provisioner);

impl Phone {
    /// Finds the device of this name, and opens a session with the proof on its label.
    ///
    /// # Panics
    ///
    /// If that does not work.
    pub async fn paired_with(desk: &Desk, name: &str) -> Self {
        Self::paired_by(desk, name, PROOF).await
    }

    /// The same with another proof.
    ///
    /// # Panics
    ///
    /// If that does not work.
    pub async fn paired_by(desk: &Desk, name: &str, proof: &str) -> Self {
        hide(proof);
        let controller = desk
            .world
            .bluetooth
            .controller(ControllerConfig::with_address([
                0xc0, 0xff, 0xee, 0x00, 0x00, 0x01,
            ]));
        let mut phone = Provisioner::ble(HciTransport::from(controller)).on_progress(|progress| {
            let line = format!("phone {progress:?}");
            println!("     {line}");
            shown(&line);
        });
        let found = phone
            .find(Some(name), Duration::from_secs(30))
            .await
            .expect("the device");
        phone.connect(&found).await.expect("a connection");
        phone
            .open_session(&Secrets::proof(proof))
            .await
            .expect("a session");
        Self(phone)
    }

    /// Sends credentials and waits for what becomes of them.
    ///
    /// # Panics
    ///
    /// If the link breaks.
    pub async fn send(&mut self, network: &str, passphrase: &str) -> Outcome {
        hide(passphrase);
        self.0
            .provision(network, passphrase)
            .await
            .expect("an outcome")
    }
}
