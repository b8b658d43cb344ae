//! ESP32-C3 on Espressif's DevKitM-1 and DevKitC-02, and boards like them.

use esp_hal::{
    gpio::{Flex, Input, InputConfig, Level, Pull},
    peripherals::Peripherals,
    ram,
    rmt::{Rmt, RxChannelCreator, TxChannelCreator},
    time::Rate,
};

#[cfg(feature = "hci-uart")]
use esp_hal::uart::Uart;
use mbedtls_rs_sys::hook::backend::esp::EspAccel;

use super::{Board, Button, Light, SensorPort};
#[cfg(feature = "hci-uart")]
use crate::platform::bluetooth;
use crate::platform::{light, sensor};

/// The chip, as its maker writes it.
pub(crate) const CHIP: &str = "ESP32-C3";

/// Gives the allocator its memory: what the second-stage bootloader leaves behind (66,320 bytes,
/// esp-bootloader-esp-idf 0.6.0), and a part of the memory that the main stack lies in.
pub(crate) fn claim_heap() {
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 136 * 1024);
}

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        let pulses = Rmt::new(peripherals.RMT, Rate::from_mhz(80))
            .expect("80 MHz is the clock of the RMT")
            .into_async();
        let wire = Flex::new(peripherals.GPIO4);
        let receiver = pulses
            .channel2
            .configure_rx(&sensor::receiver_config())
            .expect("the channel is free")
            .with_pin(wire.peripheral_input());
        let transmitter = pulses
            .channel0
            .configure_tx(&light::transmitter_config())
            .expect("the channel is free")
            .with_pin(peripherals.GPIO8);
        let pull_up = InputConfig::default().with_pull(Pull::Up);
        Self {
            timers: peripherals.TIMG0,
            context_switch: peripherals.FROM_CPU_INTR0,
            clock: peripherals.RTC_TIMER,
            flash: peripherals.FLASH,
            wifi: peripherals.WIFI,
            #[cfg(not(feature = "hci-uart"))]
            bluetooth: peripherals.BT,
            #[cfg(feature = "hci-uart")]
            bluetooth: Uart::new(peripherals.UART1, bluetooth::line_config())
                .expect("the speed can be had")
                .with_tx(peripherals.GPIO6)
                .with_rx(peripherals.GPIO7)
                .with_rts(peripherals.GPIO10)
                .with_cts(peripherals.GPIO5)
                .into_async(),
            accelerators: EspAccel::new()
                .with_sha(peripherals.SHA)
                .with_aes(peripherals.AES)
                .with_rsa(peripherals.RSA),
            thermometer: peripherals.TSENS,
            sensor: SensorPort { wire, receiver },
            // The BOOT button.
            button: Button {
                pin: Input::new(peripherals.GPIO9, pull_up),
                pressed: Level::Low,
            },
            light: Light(transmitter),
        }
    }
}
