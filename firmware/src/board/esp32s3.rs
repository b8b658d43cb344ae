//! ESP32-S3 on Espressif's DevKitC-1 from version 1.1 on, and boards like it. Version 1.0 has its
//! light on GPIO48.

super::parts::board! {
    boot: GPIO0,
    light: addressable(GPIO38),
    dht: GPIO4,
    bus: (sda: GPIO1, scl: GPIO2),
    relay: GPIO12,
    button: GPIO13,
    hci_uart: (tx: GPIO6, rx: GPIO7, rts: GPIO15, cts: GPIO16),
}
