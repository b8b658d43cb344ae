//! The executor: polls the tasks that have something to do, sleeps while none has, and counts the
//! instructions.
//!
//! It is embassy's for this processor but for the counting: QEMU's counter goes on through sleep.

use core::{
    arch::asm,
    cell::Cell,
    sync::atomic::{AtomicBool, Ordering},
};

use critical_section::Mutex;
use embassy_executor::{Spawner, raw};
use riscv::register::minstret;
use static_cell::StaticCell;

/// Whether a task has something to do since the tasks were last polled.
static WORK: AtomicBool = AtomicBool::new(false);

/// How much the counter went on while the processor slept, and before: a restart does not take it
/// back to zero.
static SLEPT: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

#[unsafe(export_name = "__pender")]
fn work_to_do(_: *mut ()) {
    WORK.store(true, Ordering::Relaxed);
}

/// Runs tasks for good, first those that `begin` spawns.
pub(crate) fn run(begin: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    let executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    critical_section::with(|cs| SLEPT.borrow(cs).set(minstret::read64()));
    begin(executor.spawner());
    loop {
        // SAFETY: it is called nowhere else.
        unsafe { executor.poll() };
        // With interrupts held back, nothing comes between looking and sleeping; one that is
        // pending ends the sleep, and is served when the section ends.
        critical_section::with(|cs| {
            // No atomic exchange is needed, and the target has none.
            if WORK.load(Ordering::Relaxed) {
                WORK.store(false, Ordering::Relaxed);
            } else {
                let before = minstret::read64();
                riscv::asm::wfi();
                let slept = SLEPT.borrow(cs);
                slept.set(slept.get() + (minstret::read64() - before));
            }
        });
    }
}

/// Instructions that were executed since this life began, if QEMU runs with `-icount shift=N`; else some
/// measure of the host's time.
///
/// QEMU's counter is its virtual clock (target/riscv/csr.c, `get_ticks`, v7.2.22), which advances
/// by 2^N for each instruction, and while the processor sleeps.
pub(crate) fn instructions() -> u64 {
    let slept = critical_section::with(|cs| SLEPT.borrow(cs).get());
    (minstret::read64() - slept) / advance()
}

/// By how much an instruction advances the counter.
fn advance() -> u64 {
    static ADVANCE: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));
    critical_section::with(|cs| {
        let advance = ADVANCE.borrow(cs);
        if advance.get() == 0 {
            advance.set(measured());
        }
        advance.get()
    })
}

/// Executes instructions whose number is known.
fn measured() -> u64 {
    const ROUNDS: u64 = 10_000;
    let before = minstret::read64();
    // SAFETY: counts a register down.
    unsafe {
        asm!(
            "1: addi {left}, {left}, -1",
            "bnez {left}, 1b",
            left = inout(reg) ROUNDS as u32 => _,
            options(nomem, nostack),
        );
    }
    let passed = minstret::read64() - before;
    // Rounded: what surrounds the loop is a few instructions more.
    ((passed + ROUNDS) / (2 * ROUNDS)).max(1)
}
