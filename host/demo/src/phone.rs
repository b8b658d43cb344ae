//! The phone's role in the demo: the provisioning client, played from beginning to end.

use std::time::Duration;

use anyhow::{Result, bail};
use provisioner::{FailReason, Outcome, Progress, Provisioner, Secrets};
use tokio::sync::mpsc::UnboundedSender;
use vhci::{ControllerConfig, HciTransport, SharedAir};

use super::happening::Note;

/// The phone's Bluetooth address.
const ADDRESS: [u8; 6] = [0xC0, 0x50, 0x48, 0x4F, 0x4E, 0x45];
/// How long it listens for the device.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the phone's user knows and does.
#[derive(Clone)]
pub(crate) struct Script {
    /// The device's name, as on its label.
    pub(crate) name: String,
    /// The proof of possession, as on its label.
    pub(crate) proof: String,
    /// The network that the device is to join.
    pub(crate) network: String,
    /// What opens it.
    pub(crate) passphrase: String,
    /// Mistypes the passphrase first.
    pub(crate) mistakes: bool,
}

/// Provisions the device, telling every step.
///
/// # Errors
///
/// If the device could not be provisioned.
pub(crate) async fn play(
    air: SharedAir,
    script: Script,
    told: UnboundedSender<Note>,
) -> Result<()> {
    let progress = told.clone();
    let tell = move |note| {
        // The demo may have ended in the meantime.
        let _ = told.send(note);
    };
    let controller = air.controller(ControllerConfig::with_address(ADDRESS));
    let mut phone = Provisioner::ble(HciTransport::from(controller)).on_progress(move |step| {
        let _ = progress.send(note(step));
    });
    let device = phone.find(Some(&script.name), PATIENCE).await?;
    phone.connect(&device).await?;
    phone.open_session(&Secrets::proof(&script.proof)).await?;
    let networks = phone.scan_networks().await?;
    for network in &networks {
        let name = network.ssid.as_str().unwrap_or("a name that is no text");
        tell(Note::plain(format!(
            "- {name}, {} dBm, channel {}",
            network.rssi, network.channel
        )));
    }
    if script.mistakes {
        tell(Note::plain(format!(
            "sending a wrong passphrase for {:?}, on purpose",
            script.network
        )));
        match phone
            .provision(&script.network, "not the passphrase")
            .await?
        {
            Outcome::Refused(FailReason::AuthError) => {
                tell(Note::plain("trying again, in the same session"));
            }
            other => bail!("the device should have told of a wrong passphrase, not {other:?}"),
        }
    } else {
        tell(Note::plain(format!(
            "sending the credentials of {:?}",
            script.network
        )));
    }
    match phone.provision(&script.network, &script.passphrase).await? {
        Outcome::Joined(_) => tell(Note::good("done: the device is provisioned")),
        Outcome::Refused(reason) => bail!("the device could not join: {reason:?}"),
    }
    phone.disconnect().await;
    Ok(())
}

fn note(step: &Progress) -> Note {
    let text = step.to_string();
    match step {
        Progress::SessionOpened { .. } | Progress::Joined { .. } => Note::good(text),
        Progress::Refused(_) => Note::bad(text),
        _ => Note::plain(text),
    }
}
