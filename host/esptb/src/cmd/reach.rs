//! How a device that waits to be provisioned is reached: what `provision` and `conformance` share.

use anyhow::{Result, bail};
use clap::Args;
use vhci::HciSpec;

#[derive(Args)]
pub(super) struct Reach {
    /// A Bluetooth controller of one's own: tcp:HOST:PORT (H4), or hci0 (Linux, as root, without
    /// bluetoothd)
    #[arg(long, value_name = "CONTROLLER")]
    pub(super) hci: Option<HciSpec>,
    /// Over HTTP instead: the device's address while it is an access point (192.168.4.1)
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with_all = ["hci", "name"])]
    pub(super) http: Option<String>,
    /// The device's name, if several are in the air
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

impl Reach {
    /// The controller, if one was named.
    ///
    /// # Errors
    ///
    /// If it is one in whose air nobody can be.
    pub(super) fn controller(&self) -> Result<Option<&HciSpec>> {
        if self.hci == Some(HciSpec::Virtual) {
            bail!(
                "there is nobody in the air of a virtual controller of this program's own: take one \
                 of `esptb simulate --air ADDR:PORT` by --hci tcp:ADDR:PORT, or see `esptb demo`"
            );
        }
        Ok(self.hci.as_ref())
    }
}
