//! An ESP32-DevKitC wired as the C firmware on ESP-IDF 6.1 has it: the DHT is on GPIO23. Else it is as
//! in `esp32.rs`.

super::parts::board! {
    boot: GPIO0,
    light: plain(GPIO2, High),
    dht: GPIO23,
    bus: (sda: GPIO21, scl: GPIO22),
    relay: GPIO25,
    button: GPIO26,
    hci_uart: (tx: GPIO17, rx: GPIO16, rts: GPIO18, cts: GPIO19),
}
