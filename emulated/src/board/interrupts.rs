//! Interrupts: the CLINT's alarm, and through the PLIC those of the devices.

use riscv::interrupt::Interrupt;
use riscv::register::{mie, mstatus};

use super::{Register, clock, uart, virtio};

const PLIC: usize = 0x0c00_0000;
/// The first of the interrupts of the eight virtio slots (`VIRTIO_IRQ`).
const VIRTIO: u32 = 1;
/// The interrupt of the UART (`UART0_IRQ`).
const UART: u32 = 10;

// Hart 0 in machine mode is context 0 (`plic_hart_config_string`: "MS" for each hart).
// SAFETY: registers of the PLIC (hw/intc/sifive_plic.c), which only interrupt.
const ENABLED: Register = unsafe { Register::at(PLIC + 0x2000) };
// SAFETY: as above.
const THRESHOLD: Register = unsafe { Register::at(PLIC + 0x20_0000) };
// SAFETY: as above.
const CLAIM: Register = unsafe { Register::at(PLIC + 0x20_0004) };

/// Lets interrupts through, from now on.
pub(super) fn enable() {
    let mut all = 0;
    for number in (VIRTIO..VIRTIO + virtio::SLOTS as u32).chain([UART]) {
        // SAFETY: the priority of an interrupt.
        let priority: Register = unsafe { Register::at(PLIC + 4 * number as usize) };
        priority.write(1);
        all |= 1 << number;
    }
    ENABLED.write(all);
    THRESHOLD.write(0);
    // SAFETY: the handlers are below, and what they use is statically initialised.
    unsafe {
        mie::set_mtimer();
        mie::set_mext();
        mstatus::set_mie();
    }
}

#[riscv_rt::core_interrupt(Interrupt::MachineTimer)]
fn alarm() {
    clock::interrupt();
}

#[riscv_rt::core_interrupt(Interrupt::MachineExternal)]
fn device() {
    loop {
        let number = CLAIM.read();
        match number {
            0 => return,
            UART => uart::interrupt(),
            number => virtio::interrupt(number.wrapping_sub(VIRTIO) as usize),
        }
        CLAIM.write(number);
    }
}
