//! ESP32-C2.

super::facts::facts! {
    name: "ESP32-C2",
    heap: (64, 32),
    retained: noinit,
    brownout: rtc_cntl(0),
    accelerators: [with_sha: SHA, with_ecc: ECC],
}
