//! The brownout detector of the first ESP32, with its threshold in the same register.
//!
//! As ESP-IDF v5.4.1 (4c2820d377d1) sets it up where the chip resets itself:
//! components/esp_system/port/brownout.c, `esp_brownout_init` without interrupt;
//! components/hal/brownout_hal.c; components/hal/esp32/include/hal/brownout_ll.h.
#![expect(unsafe_code, reason = "fields of registers that have no safe way")]

use esp_hal::peripherals::LPWR;

/// 2.43 V (components/esp_system/port/soc/esp32/Kconfig.system, `ESP_BROWNOUT_DET_LVL`).
const LOWEST: u8 = 0;

/// Lets a supply that sags reset the system, but for the memory of the RTC.
pub(crate) fn detect_brownout() {
    LPWR::regs().brown_out().modify(|_, w| {
        // SAFETY: both values are ESP-IDF's, and fit their fields.
        unsafe {
            w.rst_wait().bits(0x3ff);
            w.dbrown_out_thres().bits(LOWEST);
        }
        w.close_flash_ena().set_bit();
        w.pd_rf_ena().set_bit();
        w.rst_ena().set_bit();
        w.ena().set_bit()
    });
}
