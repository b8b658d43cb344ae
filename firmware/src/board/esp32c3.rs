//! ESP32-C3 on Espressif's DevKitM-1 and DevKitC-02, and boards like them.

super::parts::board! {
    boot: GPIO9,
    light: addressable(GPIO8),
    dht: GPIO4,
    bus: (sda: GPIO0, scl: GPIO1),
    relay: GPIO3,
    button: GPIO2,
    hci_uart: (tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
}
