//! The brownout detector of chips that have it in `LP_ANA`.
//!
//! As ESP-IDF v5.4.1 (4c2820d377d1) sets it up where the chip resets itself:
//! components/esp_system/port/brownout.c, `esp_brownout_init` without interrupt;
//! components/hal/brownout_hal.c; components/hal/esp32c6/include/hal/brownout_ll.h. The threshold is in
//! the analog part, behind a bus for which these chips' ROM has no function; it is written as esp-hal
//! 1.2.2 writes to the same block (src/soc/esp32c6/regi2c.rs, `REGI2C_ULP_CAL`), which it keeps to itself.
#![expect(unsafe_code, reason = "fields of registers that have no safe way")]

use esp_hal::peripherals::{I2C_ANA_MST, LP_ANA, MODEM_LPCON};

/// `I2C_BOD` and its threshold, the lowest three bits
/// (components/soc/esp32c6/include/soc/regi2c_brownout.h).
const BLOCK: u8 = 0x61;
const THRESHOLD: u8 = 5;
const MASK: u8 = 0b111;
/// The lowest, as ESP-IDF has it by default: 2.51 V
/// (components/esp_system/port/soc/esp32c6/Kconfig.system, `ESP_BROWNOUT_DET_LVL`).
const LOWEST: u8 = 7;
/// All blocks of the bus but the chosen one are left alone.
const ALL_BLOCKS: u32 = 0x00ff_ffff;

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
    set_threshold();
    analog
        .bod_mode0_cntl()
        .modify(|_, w| w.bod_mode0_intr_ena().set_bit());
}

/// Nobody else uses the bus yet: the radio is down, and esp-hal set the clocks before.
fn set_threshold() {
    let bus = I2C_ANA_MST::regs();
    MODEM_LPCON::regs()
        .clk_conf()
        .modify(|_, w| w.clk_i2c_mst_en().set_bit());
    let master = usize::from(!bus.ana_conf2().read().ulp_cal_mst_sel().bit_is_set());
    bus.ana_conf1().write(|w| {
        // SAFETY: as esp-hal writes it.
        unsafe { w.bits(ALL_BLOCKS) };
        w.ulp_cal_rd().clear_bit()
    });
    let done = || while bus.i2c_ctrl(master).read().busy().bit() {};
    done();
    bus.i2c_ctrl(master).write(|w| {
        // SAFETY: both values fit their fields.
        unsafe { w.slave_addr().bits(BLOCK).slave_reg_addr().bits(THRESHOLD) }
    });
    done();
    let before = bus.i2c_ctrl(master).read().data().bits();
    bus.i2c_ctrl(master).write(|w| {
        // SAFETY: as above.
        unsafe {
            w.slave_addr().bits(BLOCK);
            w.slave_reg_addr().bits(THRESHOLD);
            w.data().bits(before & !MASK | LOWEST);
        }
        w.read_write().set_bit()
    });
    done();
}
