//! The chip's own Bluetooth controller.

use device::platform::Bluetooth;
use esp_hal::peripherals::BT;
use esp_radio::ble::{
    Config,
    controller::{BleConnector, BleInitError},
};

/// What the board connects: the chip's radio.
pub(crate) type Port = BT<'static>;

/// The controller while it is down. Powered up, it is esp-radio's connector; dropping that gives
/// all its memory back.
pub(crate) struct Controller {
    bt: Port,
}

impl Controller {
    pub(crate) fn new(bt: Port) -> Self {
        Self { bt }
    }
}

impl Bluetooth for Controller {
    type Transport<'a> = BleConnector<'a>;
    type Error = BleInitError;

    async fn start(&mut self) -> Result<BleConnector<'_>, BleInitError> {
        BleConnector::new(self.bt.reborrow(), Config::default())
    }
}
