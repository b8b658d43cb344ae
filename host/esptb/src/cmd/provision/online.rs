//! The cloud's answer, where the device tells it: online, or what failed and what to do.

use std::time::Duration;

use anyhow::Result;
use provisioner::{Provisioner, Verdict};

use console::Exit;
use console::{FAINT, GOOD, paint, printable};

/// How long the device is asked. It gives itself a minute, and ends the link.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until a device that has joined is online, and says where, or why it is not.
///
/// # Errors
///
/// [`Exit::NotOnline`] with the device's words.
pub(super) async fn wait(client: &mut Provisioner) -> Result<()> {
    match client.wait_online(PATIENCE).await? {
        Verdict::Online { name, broker } => {
            let text = format!("online as {name} at {broker}");
            console::line(paint(GOOD, printable(&text)))
        }
        Verdict::NotOnline { failure } => {
            let why = if failure.is_empty() {
                "the link ended before the device got online: look at its console, or at the server"
                    .into()
            } else {
                format!("the device is not online, and goes on trying: {failure}")
            };
            Err(Exit::NotOnline(printable(&why).into_owned()).into())
        }
        Verdict::Closes => {
            let text = "the device lacks the memory to tell more, and closes the link to go online: look \
                        for it on the server";
            anstream::eprintln!("{}", paint(FAINT, text));
            Ok(())
        }
        Verdict::NeverTells => Ok(()),
    }
}
