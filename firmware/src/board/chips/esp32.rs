//! ESP32. Its SHA and thermometer have no driver.

super::facts::facts! {
    name: "ESP32",
    heap: (96, 20),
    spare: (0x3ffb_9a20, 0x3ffb_db28), // between what Bluetooth's controller has in ROM and for itself: see spare.rs
    retained: rtc,
    brownout: esp32,
    accelerators: [with_aes: AES, with_rsa: RSA],
    pulse_receiver: channel2,
}
