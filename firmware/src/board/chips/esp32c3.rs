//! ESP32-C3.

super::facts::facts! {
    name: "ESP32-C3",
    // 66,320 bytes are left behind (esp-bootloader-esp-idf 0.6.0).
    heap: (64, 136),
    retained: rtc,
    brownout: rtc_cntl(0),
    accelerators: [with_sha: SHA, with_aes: AES, with_rsa: RSA],
    pulse_receiver: channel2,
}
