//! The brownout detector of chips that have it in `LP_ANA`.
//!
//! As ESP-IDF v5.4.1 (4c2820d377d1) sets it up where the chip resets itself:
//! components/esp_system/port/brownout.c, `esp_brownout_init` without interrupt;
//! components/hal/brownout_hal.c; components/hal/esp32c6/include/hal/brownout_ll.h. But for the
//! threshold, which stays as it is after a reset: it is in the analog part, whose bus these chips' ROM
//! has no function for, and esp-hal 1.2.2 none that is public.
#![expect(unsafe_code, reason = "fields of registers that have no safe way")]

use esp_hal::peripherals::LP_ANA;

/// Gives the analog reset, which leaves no reason behind, to the program
/// (`BROWNOUT_DETECTOR_LL_FIB_ENABLE`).
const ANALOG_RESET: u32 = 1 << 1;

/// Lets a supply that sags reset the system, but for the memory that outlives restarts.
pub(crate) fn detect_brownout() {
    let analog = LP_ANA::regs();
    // SAFETY: all values are ESP-IDF's, and each fits its field.
    analog
        .fib_enable()
        .modify(|r, w| unsafe { w.bits(r.bits() & !ANALOG_RESET) });
    analog
        .bod_mode1_cntl()
        .modify(|_, w| w.bod_mode1_reset_ena().clear_bit());
    analog.bod_mode0_cntl().modify(|_, w| {
        // SAFETY: as above.
        unsafe {
            w.bod_mode0_intr_wait().bits(2);
            w.bod_mode0_reset_wait().bits(0x3ff);
        }
        w.bod_mode0_close_flash_ena().set_bit();
        w.bod_mode0_pd_rf_ena().set_bit();
        w.bod_mode0_cnt_clr().set_bit();
        w.bod_mode0_reset_sel().set_bit();
        w.bod_mode0_reset_ena().set_bit()
    });
    analog
        .bod_mode0_cntl()
        .modify(|_, w| w.bod_mode0_cnt_clr().clear_bit());
    analog
        .bod_mode0_cntl()
        .modify(|_, w| w.bod_mode0_intr_ena().set_bit());
}
