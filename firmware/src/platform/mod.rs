//! The body of the device on a chip: `device::platform`'s traits over esp-hal, esp-radio and
//! embassy. No chip is named here; what differs between them comes from [`Board`].

mod console;
mod heap;
pub(crate) mod light;
mod network;
mod panic;
// Where chips differ in what they have, one of two files with the same items.
#[cfg_attr(rng_trng_supported, path = "random/trng.rs")]
#[cfg_attr(not(rng_trng_supported), path = "random/radio.rs")]
mod random;
mod system;
mod tls;
mod wifi;

use device::platform::{Body, Observer, Platform, ResetReason, Running};
use device::{retained::Beginning, tls::Library};
use embassy_executor::Spawner;
use esp_bootloader_esp_idf::partitions::{PARTITION_TABLE_MAX_LEN, read_partition_table};
use esp_hal::efuse::chip_revision;
use esp_hal::peripherals::FLASH;
use esp_hal::system::software_reset;
use esp_hal::{delay::Delay, rtc_cntl::Rtc, timer::timg::TimerGroup};
use esp_storage::FlashStorage;
use product::Product;

use crate::board::{Board, Lent};
use crate::drivers::bluetooth;

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

/// What is known of a start before the board's parts are put together.
pub(crate) struct Start {
    /// Why the chip started.
    reset: ResetReason,
    /// Which image it started.
    running: Option<Running>,
}

/// Before the board's parts are put together: counts the start of an image that is on trial, and this
/// life, and pauses if those before it ended in crashes. An image that had its chance restarts here, into
/// the old one.
pub(crate) fn begin(flash: FLASH<'_>) -> Start {
    console::start_log();
    let mut flash = FlashStorage::new(flash);
    let running = running(&mut flash);
    if device::firmware::begin(&mut flash, running) {
        software_reset();
    }
    let beginning = Beginning::count(&panic::Retained, system::cause());
    if let Some(event) = beginning.event() {
        console::Console.notice(console::uptime_ms(), &event);
        // There is no scheduler yet, nor anything else to do. The bootloader's watchdog is off.
        Delay::new().delay_millis(beginning.pause.as_millis() as u32);
    }
    Start {
        reset: beginning.cause,
        running,
    }
}

/// The partition that the chip's memory map shows code of, which need not be the one that `otadata`
/// tells: the bootloader passes over an image that is damaged.
fn running(flash: &mut FlashStorage<'_>) -> Option<Running> {
    let mut table = [0; PARTITION_TABLE_MAX_LEN];
    let table = read_partition_table(flash, &mut table).ok()?;
    let booted = table.booted_partition().ok()??;
    Some(Running {
        address: booted.offset(),
        revision: chip_revision().combined(),
    })
}

/// Starts the watchdog, the scheduler, the radio and the tasks beneath the device. The product is made of
/// what the board lends it.
pub(crate) fn bring_up<Q: Product>(
    board: Board,
    start: Start,
    spawner: Spawner,
    product: impl FnOnce(Lent) -> Q,
) -> (Body<Chip>, Q, Library<'static>) {
    let chip = board.chip;
    let mut clock = Rtc::new(chip.clock);
    let timers = TimerGroup::new(chip.timers);
    let watchdog = system::watch(&mut clock, timers.wdt);
    esp_rtos::start(timers.timer0, chip.context_switch);
    light::start(board.light, spawner);
    // Wi-Fi comes up before anything asks for randomness: the radio is the source of it.
    let (controller, interface) = wifi::power_up(chip.wifi);
    let system = system::Soc::new(
        clock,
        watchdog,
        chip.thermometer,
        board.button,
        chip.sealer,
        start,
    );
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
    let product = product(board.lent);
    (body, product, tls::install(chip.accelerators))
}

/// Lives until the device asks for a restart, and restarts.
pub(crate) async fn live(body: Body<Chip>, product: impl Product, tls: Library<'static>) -> ! {
    let why = device::run(body, product, tls).await;
    unreachable!("{why:?} resets the chip")
}
