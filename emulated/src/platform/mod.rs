//! The body of the device on the emulated board: `device::platform`'s traits over its devices and
//! embassy.

mod bluetooth;
mod boot;
mod console;
mod efuse;
#[cfg(feature = "greenhouse")]
mod greenhouse;
mod keys;
mod network;
mod radio;
#[cfg(not(feature = "greenhouse"))]
mod sensor;
mod system;
mod wifi;

use device::platform::{Body, Platform};
use device::retained;
use device::tls::Library;
use embassy_executor::Spawner;
use static_cell::StaticCell;

use crate::board::{self, ethernet::Ethernet, nor::Flash, power};
use radio::Source;

/// The types of this body.
pub(crate) struct Emulated;

impl Platform for Emulated {
    type Bluetooth = bluetooth::Controller;
    type Wifi = wifi::Station;
    type Network = sockets::Sockets;
    type Flash = Flash;
    type System = system::Machine;
    type Observer = console::Console;
}

/// Starts the tasks beneath the device.
pub(crate) async fn bring_up(spawner: Spawner) -> (Body<Emulated>, Library<'static>) {
    console::start_log();
    let mut flash = Flash::take();
    let running = boot::begin(&mut flash);
    let reset = retained::begin(&power::Retained, power::cause(), &console::Console).await;
    // From here on, as on a chip: not through the pause after crashes, which nothing can hang.
    board::feed_watchdog();
    let card = Ethernet::start();
    let mac = card.mac();
    let stack = network::start(card, spawner);
    keys::start(spawner);
    let radio = radio::Power;
    let random = Source::of(&radio);
    static RANDOM: StaticCell<Source> = StaticCell::new();
    let tls = Library::install(RANDOM.init(Source::of(&radio))).expect("it is installed once");
    let body = Body {
        bluetooth: bluetooth::Controller,
        mailbox: None,
        wifi: wifi::Station::new(mac, stack, radio),
        network: sockets::Sockets::new(stack),
        flash,
        system: system::Machine {
            reset,
            running,
            random,
            efuse: efuse::Efuse::burned(),
        },
        observer: console::Console,
    };
    (body, tls)
}

/// Lives until the device asks for a restart, and restarts.
pub(crate) async fn live(body: Body<Emulated>, tls: Library<'static>) -> ! {
    #[cfg(not(feature = "greenhouse"))]
    let product = climate::Climate::new(sensor::Dht11::default());
    #[cfg(feature = "greenhouse")]
    let product = greenhouse::product();
    let why = device::run(body, product, tls).await;
    unreachable!("{why:?} restarts the machine")
}
