//! ESP32-C2 (ESP8684) on Espressif's DevKitM-1, and boards like it. Without the RMT there is no DHT
//! sensor; of the board's three lights the blue one shows the state.

super::parts::board! {
    boot: GPIO9,
    light: plain(GPIO8, High),
    dht: none,
    bus: (sda: GPIO2, scl: GPIO3),
    relay: GPIO4,
    button: GPIO1,
    hci_uart: (tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
}
