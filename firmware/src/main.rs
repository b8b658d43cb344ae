//! The device on a chip: brings a body of esp-hal, esp-radio and embassy, and lives in it.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod platform;

use embassy_executor::Spawner;
use esp_hal::clock::CpuClock;
use product::Product;

// What the bootloader and updates know the image by: the product's name and version, not this crate's.
esp_bootloader_esp_idf::esp_app_desc!(
    <platform::Carried as Product>::VERSION,
    <platform::Carried as Product>::NAME,
    esp_bootloader_esp_idf::BUILD_TIME,
    esp_bootloader_esp_idf::BUILD_DATE,
    esp_bootloader_esp_idf::ESP_IDF_COMPATIBLE_VERSION,
    esp_bootloader_esp_idf::MMU_PAGE_SIZE,
    0,
    u16::MAX,
    esp_bootloader_esp_idf::SECURE_VERSION
);

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let mut peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    board::detect_brownout();
    board::claim_heap();
    let start = platform::begin(peripherals.FLASH.reborrow());
    let board = board::Board::new(peripherals);
    let (body, product, tls) = platform::bring_up(board, start, spawner);
    platform::live(body, product, tls).await
}
