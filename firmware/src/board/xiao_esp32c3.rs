//! ESP32-C3 on Seeed Studio's XIAO: the example of a board that is not Espressif's. It has no light
//! that a program could switch; the DHT is on its pin D2.

super::parts::board! {
    boot: GPIO9,
    light: none,
    dht: GPIO4,
    bus: (sda: GPIO20, scl: GPIO21),
    relay: GPIO3,
    button: GPIO2,
    // D4, D5, D10, D3.
    hci_uart: (tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
}
