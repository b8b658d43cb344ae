//! The board's Bluetooth controller: virtual, behind a TCP port, or the computer's own.

use device::platform::Bluetooth;
use vhci::{ControllerConfig, HciSpec, HciTransport, OpenError, SharedAir};

/// A controller that is off until the device asks for it.
pub(crate) struct Controller {
    pub(crate) spec: HciSpec,
    pub(crate) air: SharedAir,
    pub(crate) address: [u8; 6],
}

impl Bluetooth for Controller {
    type Transport<'a> = HciTransport;
    type Error = OpenError;

    async fn start(&mut self) -> Result<HciTransport, OpenError> {
        self.spec
            .open(&self.air, ControllerConfig::with_address(self.address))
            .await
    }
}
