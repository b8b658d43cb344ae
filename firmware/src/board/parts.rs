//! How the parts of a board are put together, the same for all: the boards' files only say which.

use esp_hal::gpio::{Input, InputConfig, InputPin, Level, Pull};
#[cfg(rmt_driver_supported)]
use esp_hal::{Async, peripherals::RMT, rmt::Rmt, time::Rate};
#[cfg(all(rmt_driver_supported, not(feature = "lent")))]
use esp_hal::{
    gpio::{Flex, Pin},
    rmt::RxChannelCreator,
};

use super::Button;
#[cfg(all(rmt_driver_supported, not(feature = "lent")))]
use crate::drivers::sensor;

/// A board, as its file states it.
///
/// - `boot`: the pin of the button that forgets the network, which it connects to ground.
/// - `light`: `none`, `plain(PIN, LEVEL)` with the level at which it is lit, or `addressable(PIN)` (WS2812).
/// - `dht`: the data line of the stock product's sensor, or `none` where the chip has no RMT.
/// - `bus`, `relay`, `button`: what products with the feature `lent` are lent: I2C, a relay that closes when its pin
///   is high, a button that connects its pin to ground.
/// - `hci_uart`: the line to a Bluetooth controller beside the chip, for the feature of that name, as seen from here.
/// - `tx_power_quarter_dbm`, if it is to be another than 60: the most that the radio sends with, in quarters of a dBm.
///   With more than 65 some boards fail to authenticate (esp-radio 1.0.0-beta.1, `wifi`, "Troubleshooting").
macro_rules! board {
    (
        boot: $boot:ident,
        light: $light:ident $(($($lit:ident),+))?,
        dht: $dht:ident,
        bus: (sda: $sda:ident, scl: $scl:ident),
        relay: $relay:ident,
        button: $button:ident,
        hci_uart: (tx: $tx:ident, rx: $rx:ident, rts: $rts:ident, cts: $cts:ident),
        $(tx_power_quarter_dbm: $power:literal,)?
    ) => {
        $crate::board::parts::lamp!($light);

        /// The most that the radio sends with, in quarters of a dBm.
        pub(crate) const TX_POWER_QUARTER_DBM: i8 = [60, $($power)?][[60, $($power)?].len() - 1];

        impl $crate::board::Board {
            pub(crate) fn new(peripherals: esp_hal::peripherals::Peripherals) -> Self {
                #[cfg(rmt_driver_supported)]
                #[allow(unused_variables, reason = "where neither light nor product wants pulses")]
                let pulses = $crate::board::parts::pulses(peripherals.RMT);
                Self {
                    chip: $crate::board::parts::chip!(peripherals),
                    bluetooth: $crate::board::parts::bluetooth!(
                        peripherals, tx: $tx, rx: $rx, rts: $rts, cts: $cts
                    ),
                    lent: $crate::board::parts::lent!(
                        peripherals,
                        sensor: $crate::board::parts::dht!(peripherals, pulses, $dht),
                        sda: $sda, scl: $scl, relay: $relay, button: $button
                    ),
                    button: $crate::board::parts::button(peripherals.$boot),
                    light: $crate::board::parts::light!(peripherals, pulses, $light $($(, $lit)+)?),
                }
            }
        }
    };
}
pub(super) use board;

/// The driver of the board's light.
macro_rules! lamp {
    (none) => {
        #[path = "../drivers/lamp/none.rs"]
        pub(crate) mod lamp;
    };
    (plain) => {
        #[path = "../drivers/lamp/plain.rs"]
        pub(crate) mod lamp;
    };
    (addressable) => {
        #[path = "../drivers/lamp/addressable.rs"]
        pub(crate) mod lamp;
    };
}
pub(super) use lamp;

/// What the board's light is connected to.
macro_rules! light {
    ($peripherals:ident, $pulses:ident, none) => {
        lamp::Port
    };
    ($peripherals:ident, $pulses:ident, plain, $pin:ident, $lit:ident) => {
        lamp::Port {
            pin: esp_hal::gpio::Output::new(
                $peripherals.$pin,
                !esp_hal::gpio::Level::$lit,
                esp_hal::gpio::OutputConfig::default(),
            ),
            lit: esp_hal::gpio::Level::$lit,
        }
    };
    ($peripherals:ident, $pulses:ident, addressable, $pin:ident) => {
        lamp::port($pulses.channel0, $peripherals.$pin)
    };
}
pub(super) use light;

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
            #[cfg(all(feature = "seal", hmac_driver_supported))]
            sealer: $peripherals.HMAC,
            #[cfg(not(all(feature = "seal", hmac_driver_supported)))]
            sealer: $crate::drivers::sealer::Port,
            #[cfg(soc_has_tsens)]
            thermometer: $peripherals.TSENS,
            #[cfg(not(soc_has_tsens))]
            thermometer: $crate::drivers::thermometer::Port,
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

/// What the board lends its product.
macro_rules! lent {
    ($peripherals:ident, sensor: $sensor:expr, sda: $sda:ident, scl: $scl:ident, relay: $relay:ident, button: $button:ident) => {
        $crate::board::Lent {
            #[cfg(not(feature = "lent"))]
            sensor: $sensor,
            #[cfg(feature = "lent")]
            bus: esp_hal::i2c::master::I2c::new($peripherals.I2C0, Default::default())
                .expect("100 kHz can be had")
                .with_sda($peripherals.$sda)
                .with_scl($peripherals.$scl)
                .into_async(),
            #[cfg(feature = "lent")]
            relay: esp_hal::gpio::Output::new(
                $peripherals.$relay,
                esp_hal::gpio::Level::Low,
                Default::default(),
            ),
            #[cfg(feature = "lent")]
            button: $crate::board::parts::button($peripherals.$button).pin,
        }
    };
}
pub(super) use lent;

/// The channels that receive and transmit pulses.
#[cfg(rmt_driver_supported)]
pub(super) fn pulses(rmt: RMT<'static>) -> Rmt<'static, Async> {
    Rmt::new(rmt, Rate::from_mhz(80))
        .expect("80 MHz is the clock of the RMT")
        .into_async()
}

/// A DHT sensor on this pin, on the chip's first channel that receives pulses; or none.
#[cfg(not(feature = "lent"))]
macro_rules! dht {
    ($peripherals:ident, $pulses:ident, none) => {
        $crate::drivers::sensor::Port
    };
    ($peripherals:ident, $pulses:ident, $pin:ident) => {
        $crate::board::parts::dht_on(
            $crate::board::this_chip::pulse_receiver!($pulses),
            $peripherals.$pin,
        )
    };
}
#[cfg(not(feature = "lent"))]
pub(super) use dht;

/// A DHT sensor on this channel and pin.
#[cfg(all(rmt_driver_supported, not(feature = "lent")))]
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
) -> crate::drivers::bluetooth::Port {
    esp_hal::uart::Uart::new(uart, crate::drivers::bluetooth::line_config())
        .expect("the speed can be had")
        .with_tx(transmit)
        .with_rx(receive)
        .with_rts(rts)
        .with_cts(cts)
        .into_async()
}
