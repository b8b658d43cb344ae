//! ESP32-S3.

super::facts::facts! {
    name: "ESP32-S3",
    heap: (64, 136),
    retained: rtc,
    brownout: rtc_cntl(1),
    accelerators: [with_sha: SHA, with_aes: AES, with_rsa: RSA],
    pulse_receiver: channel4,
}
