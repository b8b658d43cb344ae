//! Drivers for what a board has: each knows its part, and neither board nor device as a whole.
//!
//! Where chips or builds differ in what they have, one of two files with the same items. The files for lights, in
//! lamp/, are chosen by the board's.

#[cfg_attr(feature = "accelerators", path = "accelerators/chip.rs")]
#[cfg_attr(not(feature = "accelerators"), path = "accelerators/none.rs")]
pub(crate) mod accelerators;
#[cfg_attr(feature = "hci-uart", path = "hci_uart.rs")]
pub(crate) mod bluetooth;
#[cfg_attr(all(feature = "seal", hmac_driver_supported), path = "sealer/chip.rs")]
#[cfg_attr(
    not(all(feature = "seal", hmac_driver_supported)),
    path = "sealer/none.rs"
)]
pub(crate) mod sealer;
#[cfg_attr(rmt_driver_supported, path = "sensor/dht.rs")]
#[cfg_attr(not(rmt_driver_supported), path = "sensor/none.rs")]
#[cfg(not(feature = "lent"))]
pub(crate) mod sensor;
#[cfg_attr(soc_has_tsens, path = "thermometer/chip.rs")]
#[cfg_attr(not(soc_has_tsens), path = "thermometer/none.rs")]
pub(crate) mod thermometer;

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];
