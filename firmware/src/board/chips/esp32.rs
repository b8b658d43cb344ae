//! ESP32. Its SHA and thermometer have no driver.

super::facts::facts! {
    name: "ESP32",
    heap: (0, 20),
    // Between what Bluetooth's controller has for itself, and all behind the ROM's data: see spare.rs.
    spare: [(0x3ffb_9a20, 0x3ffb_db28), (0x3ffe_4350, 0x4000_0000)],
    retained: rtc,
    brownout: esp32,
    accelerators: [with_aes: AES, with_rsa: RSA],
    pulse_receiver: channel2,
}
