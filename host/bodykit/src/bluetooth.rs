//! A board's Bluetooth controller: virtual, behind a TCP port, or the computer's own; or none.

use device::platform::Bluetooth;
use vhci::{ControllerConfig, HciSpec, HciTransport, OpenError, SharedAir};

/// The controller's address on a chip with this base address, which is Wi-Fi's: Bluetooth's is two above.
#[must_use]
pub const fn address(base: [u8; 6]) -> [u8; 6] {
    let [a, b, c, d, e, f] = base;
    [a, b, c, d, e, f.wrapping_add(2)]
}

/// A controller that is off until the device asks for it.
#[derive(Clone)]
pub struct Controller {
    /// Which one.
    pub spec: HciSpec,
    /// Where a virtual one meets others.
    pub air: SharedAir,
    /// Its public address, which only a virtual one takes.
    pub address: [u8; 6],
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

/// A controller that does not start: for a device that is provisioned.
#[derive(Clone, Copy)]
pub struct Absent;

impl Bluetooth for Absent {
    type Transport<'a> = HciTransport;
    type Error = NoController;

    async fn start(&mut self) -> Result<HciTransport, NoController> {
        Err(NoController)
    }
}

/// There is no controller.
#[derive(Debug)]
pub struct NoController;
