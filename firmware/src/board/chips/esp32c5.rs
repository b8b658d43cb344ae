//! ESP32-C5.

super::facts::facts! {
    name: "ESP32-C5",
    heap: (63, 144),
    retained: rtc,
    brownout: lp_ana,
    accelerators: [with_sha: SHA, with_aes: AES, with_rsa: RSA, with_ecc: ECC],
    pulse_receiver: channel2,
}
