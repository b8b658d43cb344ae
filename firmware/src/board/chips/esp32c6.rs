//! ESP32-C6.

super::facts::facts! {
    name: "ESP32-C6",
    heap: (64, 224),
    retained: rtc,
    brownout: lp_ana,
    accelerators: [with_sha: SHA, with_aes: AES, with_rsa: RSA, with_ecc: ECC],
    pulse_receiver: channel2,
}
