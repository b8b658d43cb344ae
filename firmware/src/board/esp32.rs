//! Espressif's ESP32-DevKitC, and boards like it. Its only light is for power; many of the others
//! have a plain one on GPIO2, where an LED can be connected to Espressif's, too.

super::parts::board! {
    boot: GPIO0,
    light: plain(GPIO2, High),
    dht: GPIO4,
    bus: (sda: GPIO21, scl: GPIO22),
    relay: GPIO25,
    button: GPIO26,
    hci_uart: (tx: GPIO17, rx: GPIO16, rts: GPIO18, cts: GPIO19),
}
