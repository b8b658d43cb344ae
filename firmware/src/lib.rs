//! The device on a chip: brings a body of esp-hal, esp-radio and embassy, and lives in it.
//!
//! It is a library for products outside this repository, whose programs are as short as `main.rs` beside it:
//!
//! ```ignore
//! esp_bootloader_esp_idf::esp_app_desc!();
//!
//! #[esp_rtos::main]
//! async fn main(spawner: Spawner) {
//!     firmware::live(spawner, |lent| Beehive::new(lent.bus, lent.relay)).await
//! }
//! ```
#![no_std]

#[cfg(all(feature = "seal", not(hmac_driver_supported)))]
compile_error!(
    "the feature `seal` needs an HMAC in the chip, and a driver for it: leave the feature out, or take another chip"
);

extern crate alloc;

mod board;
mod drivers;
mod platform;

use embassy_executor::Spawner;
use esp_hal::clock::CpuClock;
use product::Product;

pub use board::Lent;

/// Starts the chip, and lives on it for the product that is made of what the board lends.
pub async fn live<P: Product>(spawner: Spawner, product: impl FnOnce(Lent) -> P) -> ! {
    let mut peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    board::detect_brownout();
    board::claim_heap();
    let start = platform::begin(peripherals.FLASH.reborrow());
    drivers::sealer::prepare(&mut peripherals);
    let board = board::Board::new(peripherals);
    let (body, product, tls) = platform::bring_up(board, start, spawner, product);
    platform::live(body, product, tls).await
}

/// The product of this repository that was chosen: the stock one, or with the feature of its name another.
#[cfg(not(feature = "lent"))]
pub type Carried = climate::Climate<drivers::sensor::Dht>;

/// The product of this repository that was chosen: the stock one, or with the feature of its name another.
#[cfg(feature = "greenhouse")]
pub type Carried = greenhouse::Greenhouse<
    esp_hal::i2c::master::I2c<'static, esp_hal::Async>,
    esp_hal::gpio::Output<'static>,
    esp_hal::gpio::Input<'static>,
    embassy_time::Delay,
>;

/// Makes it.
#[cfg(not(feature = "lent"))]
#[must_use]
pub fn product(lent: Lent) -> Carried {
    climate::Climate::new(drivers::sensor::Dht::new(lent.sensor))
}

/// Makes it.
#[cfg(feature = "greenhouse")]
#[must_use]
pub fn product(lent: Lent) -> Carried {
    greenhouse::Greenhouse::new(lent.bus, lent.relay, lent.button, embassy_time::Delay)
}
