//! How the parts of a board are put together, the same for all: the boards' files only say which.

use esp_hal::gpio::{Input, InputConfig, InputPin, Level, Pull};
#[cfg(rmt_driver_supported)]
use esp_hal::{
    Async,
    gpio::{Flex, Pin},
    peripherals::RMT,
    rmt::{Rmt, RxChannelCreator},
    time::Rate,
};

use super::Button;
#[cfg(rmt_driver_supported)]
use crate::platform::sensor;

/// A button that connects its pin to ground.
pub(super) fn button(pin: impl InputPin + 'static) -> Button {
    let pull_up = InputConfig::default().with_pull(Pull::Up);
    Button {
        pin: Input::new(pin, pull_up),
        pressed: Level::Low,
    }
}

/// The channels that receive and transmit pulses.
#[cfg(rmt_driver_supported)]
pub(super) fn pulses(rmt: RMT<'static>) -> Rmt<'static, Async> {
    Rmt::new(rmt, Rate::from_mhz(80))
        .expect("80 MHz is the clock of the RMT")
        .into_async()
}

/// A DHT sensor on this pin.
#[cfg(rmt_driver_supported)]
pub(super) fn dht(
    channel: impl RxChannelCreator<'static, Async>,
    pin: impl Pin + 'static,
) -> sensor::Port {
    let wire = Flex::new(pin);
    let receiver = channel
        .configure_rx(&sensor::receiver_config())
        .expect("the channel is free")
        .with_pin(wire.peripheral_input());
    sensor::Port { wire, receiver }
}

/// The line to a controller beside the chip: transmit, receive, RTS, CTS as seen from here.
#[cfg(feature = "hci-uart")]
pub(super) fn hci_line(
    uart: impl esp_hal::uart::Instance + 'static,
    transmit: impl esp_hal::gpio::OutputPin + 'static,
    receive: impl InputPin + 'static,
    rts: impl esp_hal::gpio::OutputPin + 'static,
    cts: impl InputPin + 'static,
) -> crate::platform::bluetooth::Port {
    esp_hal::uart::Uart::new(uart, crate::platform::bluetooth::line_config())
        .expect("the speed can be had")
        .with_tx(transmit)
        .with_rx(receive)
        .with_rts(rts)
        .with_cts(cts)
        .into_async()
}
