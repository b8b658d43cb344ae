//! How the parts of a board are put together, the same for all: the boards' files only say which.

use esp_hal::gpio::{Input, InputConfig, InputPin, Level, Pull};
#[cfg(rmt_driver_supported)]
use esp_hal::{Async, peripherals::RMT, rmt::Rmt, time::Rate};
#[cfg(all(rmt_driver_supported, not(feature = "greenhouse")))]
use esp_hal::{
    gpio::{Flex, Pin},
    rmt::RxChannelCreator,
};

use super::Button;
#[cfg(all(rmt_driver_supported, not(feature = "greenhouse")))]
use crate::platform::sensor;

/// The [`Chip`](super::Chip) out of the peripherals. A macro, since it takes some of their fields and
/// leaves the others to the board.
macro_rules! chip {
    ($peripherals:ident) => {
        $crate::board::Chip {
            timers: $peripherals.TIMG0,
            context_switch: $peripherals.FROM_CPU_INTR0,
            clock: $peripherals.RTC_TIMER,
            flash: $peripherals.FLASH,
            wifi: $peripherals.WIFI,
            accelerators: $crate::board::this_chip::accelerators!($peripherals),
            #[cfg(soc_has_tsens)]
            thermometer: $peripherals.TSENS,
            #[cfg(not(soc_has_tsens))]
            thermometer: $crate::platform::thermometer::Port,
        }
    };
}
pub(super) use chip;

/// Bluetooth: the chip's own radio, or, with `hci-uart`, the line on these pins to a controller
/// beside the chip.
macro_rules! bluetooth {
    ($peripherals:ident, tx: $tx:ident, rx: $rx:ident, rts: $rts:ident, cts: $cts:ident) => {{
        #[cfg(not(feature = "hci-uart"))]
        let port = $peripherals.BT;
        #[cfg(feature = "hci-uart")]
        let port = $crate::board::parts::hci_line(
            $peripherals.UART1,
            $peripherals.$tx,
            $peripherals.$rx,
            $peripherals.$rts,
            $peripherals.$cts,
        );
        port
    }};
}
pub(super) use bluetooth;

/// A button that connects its pin to ground.
pub(super) fn button(pin: impl InputPin + 'static) -> Button {
    let pull_up = InputConfig::default().with_pull(Pull::Up);
    Button {
        pin: Input::new(pin, pull_up),
        pressed: Level::Low,
    }
}

/// What the greenhouse is wired to.
#[cfg(feature = "greenhouse")]
macro_rules! greenhouse {
    ($peripherals:ident, sda: $sda:ident, scl: $scl:ident, relay: $relay:ident, button: $button:ident) => {
        $crate::platform::greenhouse::Port {
            bus: esp_hal::i2c::master::I2c::new($peripherals.I2C0, Default::default())
                .expect("100 kHz can be had")
                .with_sda($peripherals.$sda)
                .with_scl($peripherals.$scl)
                .into_async(),
            relay: esp_hal::gpio::Output::new(
                $peripherals.$relay,
                esp_hal::gpio::Level::Low,
                Default::default(),
            ),
            button: $crate::board::parts::button($peripherals.$button).pin,
        }
    };
}
#[cfg(feature = "greenhouse")]
pub(super) use greenhouse;

/// The channels that receive and transmit pulses.
#[cfg(rmt_driver_supported)]
pub(super) fn pulses(rmt: RMT<'static>) -> Rmt<'static, Async> {
    Rmt::new(rmt, Rate::from_mhz(80))
        .expect("80 MHz is the clock of the RMT")
        .into_async()
}

/// A DHT sensor on this pin, on the chip's first channel that receives pulses.
#[cfg(all(rmt_driver_supported, not(feature = "greenhouse")))]
macro_rules! dht {
    ($peripherals:ident, $pulses:ident, $pin:ident) => {
        $crate::board::parts::dht_on(
            $crate::board::this_chip::pulse_receiver!($pulses),
            $peripherals.$pin,
        )
    };
}
#[cfg(all(rmt_driver_supported, not(feature = "greenhouse")))]
pub(super) use dht;

/// A DHT sensor on this channel and pin.
#[cfg(all(rmt_driver_supported, not(feature = "greenhouse")))]
pub(super) fn dht_on(
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
