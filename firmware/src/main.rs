//! The device on a chip: brings a body of esp-hal, esp-radio and embassy, and lives in it.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod platform;

use embassy_executor::Spawner;
use esp_hal::clock::CpuClock;

esp_bootloader_esp_idf::esp_app_desc!();

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    board::detect_brownout();
    board::claim_heap();
    let reset = platform::begin();
    let board = board::Board::new(peripherals);
    let (body, product, tls) = platform::bring_up(board, reset, spawner);
    platform::live(body, product, tls).await
}
