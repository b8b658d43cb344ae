//! The firmware of a product of this repository.
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use product::Product;

// What the bootloader and updates know the image by: the product's name and version, not this crate's.
esp_bootloader_esp_idf::esp_app_desc!(
    <firmware::Carried as Product>::VERSION,
    <firmware::Carried as Product>::NAME,
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
    firmware::live(spawner, firmware::product).await
}
