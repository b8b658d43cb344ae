//! ESP32-C5 on Espressif's DevKitC-1, and boards like it.

super::parts::board! {
    boot: GPIO28,
    light: addressable(GPIO27),
    dht: GPIO4,
    bus: (sda: GPIO0, scl: GPIO1),
    relay: GPIO3,
    button: GPIO8,
    hci_uart: (tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
}
