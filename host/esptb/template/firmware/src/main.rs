//! The product on a chip.
#![no_std]
#![no_main]

use @ident@::@Type@;
use embassy_executor::Spawner;

esp_bootloader_esp_idf::esp_app_desc!();

// What a board lends, and on which pins, is in the project's firmware/src/board/.
#[esp_rtos::main]
async fn main(spawner: Spawner) {
    firmware::live(spawner, |lent| @Type@::new(lent.bus, lent.relay)).await
}
