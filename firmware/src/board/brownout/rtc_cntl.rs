//! The brownout detector of chips that have it in `RTC_CNTL`, with its threshold in the analog part,
//! which the ROM reaches.
//!
//! As ESP-IDF v5.4.1 (4c2820d377d1) sets it up where the chip resets itself:
//! components/esp_system/port/brownout.c, `esp_brownout_init` without interrupt;
//! components/hal/brownout_hal.c; components/hal/esp32c3/include/hal/brownout_ll.h.
#![expect(
    unsafe_code,
    reason = "fields of registers that have no safe way, and a function in ROM"
)]

use esp_hal::peripherals::LPWR;

/// `I2C_BOD` and its threshold (components/soc/esp32c3/include/soc/regi2c_brownout.h).
const BLOCK: u8 = 0x61;
const THRESHOLD: u8 = 5;
const MSB: u8 = 2;
const LSB: u8 = 0;
/// The lowest, as ESP-IDF has it by default: 2.51 V, on the ESP32-S3 2.44 V
/// (components/esp_system/port/soc/*/Kconfig.system, `ESP_BROWNOUT_DET_LVL`).
const LOWEST: u8 = 7;
/// Gives the analog reset, which leaves no reason behind, to the program
/// (`BROWNOUT_DETECTOR_LL_FIB_ENABLE`).
const ANALOG_RESET: u8 = 1 << 1;

unsafe extern "C" {
    fn esp_rom_regi2c_write_mask(block: u8, host: u8, register: u8, msb: u8, lsb: u8, data: u8);
}

/// Lets a supply that sags reset the system, but for the memory of the RTC. `host` is the bus that the
/// threshold is on. To be called before the radio, which uses that bus, is up.
pub(super) fn enable(host: u8) {
    let rtc = LPWR::regs();
    // SAFETY: all values are ESP-IDF's, and each fits its field.
    rtc.fib_sel()
        .modify(|r, w| unsafe { w.fib_sel().bits(r.fib_sel().bits() & !ANALOG_RESET) });
    rtc.brown_out().modify(|_, w| {
        // SAFETY: as above.
        unsafe {
            w.brown_out_int_wait().bits(2);
            w.brown_out_rst_wait().bits(0x3ff);
        }
        w.brown_out_ana_rst_en().clear_bit();
        w.brown_out_close_flash_ena().set_bit();
        w.brown_out_pd_rf_ena().set_bit();
        w.brown_out_cnt_clr().set_bit();
        w.brown_out_rst_sel().set_bit();
        w.brown_out_rst_ena().set_bit()
    });
    rtc.brown_out()
        .modify(|_, w| w.brown_out_cnt_clr().clear_bit());
    // SAFETY: the ROM's function, called as ESP-IDF and esp-hal do; nobody else uses the bus yet.
    unsafe { esp_rom_regi2c_write_mask(BLOCK, host, THRESHOLD, MSB, LSB, LOWEST) };
    rtc.brown_out().modify(|_, w| w.brown_out_ena().set_bit());
}
