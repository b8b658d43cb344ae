//! ESP32-C61 on Espressif's DevKitC-1, and boards like it. Without the RMT there is neither a DHT
//! sensor nor the board's addressable light.

super::parts::board! {
    boot: GPIO9,
    light: none,
    dht: none,
    bus: (sda: GPIO0, scl: GPIO1),
    relay: GPIO3,
    button: GPIO2,
    hci_uart: (tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
}
