//! ESP32. Its SHA and thermometer have no driver.

super::facts::facts! {
    name: "ESP32",
    heap: (64, 64),
    retained: rtc,
    brownout: esp32,
    accelerators: [with_aes: AES, with_rsa: RSA],
    pulse_receiver: channel2,
}
