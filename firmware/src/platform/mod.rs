//! The body of the device on a chip: `device::platform`'s traits over esp-hal, esp-radio and
//! embassy. No chip is named here; what differs between them comes from [`Board`].

// Where chips or builds differ in what they have, one of two files with the same items. The files
// for lights, in lamp/, are chosen by the board's.
#[cfg_attr(feature = "accelerators", path = "accelerators/chip.rs")]
#[cfg_attr(not(feature = "accelerators"), path = "accelerators/none.rs")]
pub(crate) mod accelerators;
#[cfg_attr(feature = "hci-uart", path = "hci_uart.rs")]
pub(crate) mod bluetooth;
#[cfg_attr(rng_trng_supported, path = "random/trng.rs")]
#[cfg_attr(not(rng_trng_supported), path = "random/radio.rs")]
mod random;
#[cfg_attr(rmt_driver_supported, path = "sensor/dht.rs")]
#[cfg_attr(not(rmt_driver_supported), path = "sensor/none.rs")]
#[cfg_attr(feature = "greenhouse", allow(dead_code, reason = "it has another"))]
pub(crate) mod sensor;
#[cfg_attr(soc_has_tsens, path = "thermometer/chip.rs")]
#[cfg_attr(not(soc_has_tsens), path = "thermometer/none.rs")]
pub(crate) mod thermometer;

mod console;
#[cfg(feature = "greenhouse")]
pub(crate) mod greenhouse;
mod heap;
pub(crate) mod light;
mod network;
mod panic;
mod system;
mod tls;
mod wifi;

use device::platform::{Body, Observer, Platform, ResetReason};
use device::{retained::Beginning, tls::Library};
use embassy_executor::Spawner;
use esp_hal::{delay::Delay, rtc_cntl::Rtc, timer::timg::TimerGroup};
use esp_storage::FlashStorage;
use product::Product;

use crate::board::Board;

/// The types of this body.
pub(crate) struct Chip;

impl Platform for Chip {
    type Bluetooth = bluetooth::Controller;
    type Wifi = wifi::Station;
    type Network = sockets::Sockets;
    type Flash = FlashStorage<'static>;
    type System = system::Soc;
    type Observer = console::Console;
}

/// Before the board's parts are put together: counts this life, and pauses if those before it ended
/// in crashes. Returns why the chip started.
pub(crate) fn begin() -> ResetReason {
    console::start_log();
    let beginning = Beginning::count(&panic::Retained, system::cause());
    if let Some(event) = beginning.event() {
        console::Console.notice(console::uptime_ms(), &event);
        // There is no scheduler yet, nor anything else to do. The bootloader's watchdog is off.
        Delay::new().delay_millis(beginning.pause.as_millis() as u32);
    }
    beginning.cause
}

/// Starts the watchdog, the scheduler, the radio and the tasks beneath the device.
pub(crate) fn bring_up(
    board: Board,
    reset: ResetReason,
    spawner: Spawner,
) -> (Body<Chip>, impl Product, Library<'static>) {
    let chip = board.chip;
    let mut clock = Rtc::new(chip.clock);
    let timers = TimerGroup::new(chip.timers);
    let watchdog = system::watch(&mut clock, timers.wdt);
    esp_rtos::start(timers.timer0, chip.context_switch);
    light::start(board.light, spawner);
    // Wi-Fi comes up before anything asks for randomness: the radio is the source of it.
    let (controller, interface) = wifi::power_up(chip.wifi);
    let system = system::Soc::new(clock, watchdog, chip.thermometer, board.button, reset);
    let stack = network::start(interface, &system, spawner);
    let body = Body {
        bluetooth: bluetooth::Controller::new(board.bluetooth),
        mailbox: None,
        wifi: wifi::Station::new(controller, stack),
        network: sockets::Sockets::new(stack),
        flash: FlashStorage::new(chip.flash),
        system,
        observer: console::Console,
    };
    #[cfg(not(feature = "greenhouse"))]
    let product = climate::Climate::new(sensor::Dht::new(board.sensor));
    #[cfg(feature = "greenhouse")]
    let product = greenhouse::product(board.greenhouse);
    (body, product, tls::install(chip.accelerators))
}

/// Lives until the device asks for a restart, and restarts.
pub(crate) async fn live(body: Body<Chip>, product: impl Product, tls: Library<'static>) -> ! {
    let why = device::run(body, product, tls).await;
    unreachable!("{why:?} resets the chip")
}
