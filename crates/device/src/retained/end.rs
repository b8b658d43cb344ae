//! The end of a life by a panic, the same in every body that has no operating system: nothing else
//! runs any more, the record is kept for the next life, the console is told, the device restarts.

use core::fmt::{self, Display};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU8, Ordering};

use super::{Memory, PanicRecord, note_panic};
use crate::machine::BuildId;

/// What a body's panic handler brings.
pub trait PanicBody {
    /// Where the record is kept.
    fn memory(&self) -> &dyn Memory;

    /// The addresses of the callers, the innermost first.
    fn callers(&self) -> impl Iterator<Item = u32>;

    /// Which build this is.
    fn build(&self) -> BuildId;

    /// Prints a line on the console, without interrupts.
    fn print(&self, line: fmt::Arguments<'_>);

    /// Restarts at once.
    fn restart(&self) -> !;
}

/// How many panics there were in this life, the first and those that came of telling it. Written
/// with interrupts held back, so that loads and stores will do.
static PANICS: AtomicU8 = AtomicU8::new(0);

/// What a panic handler does. Interrupts are held back for good: otherwise they, and a scheduler's
/// other tasks, would go on with whatever the panic left half done, the record's memory included.
///
/// A message that cannot be formatted without another panic leaves a record all the same, that of
/// the second panic, without a message. So its crash is counted, too.
pub fn panicked(info: &PanicInfo<'_>, body: &impl PanicBody) -> ! {
    critical_section::with(|_| {
        let before = PANICS.load(Ordering::Relaxed);
        PANICS.store(before.saturating_add(1), Ordering::Relaxed);
        match before {
            0 => tell(info.message(), info, body),
            1 => tell("a panic while a panic was told", info, body),
            _ => {}
        }
        body.restart()
    })
}

fn tell(message: impl Display, info: &PanicInfo<'_>, body: &impl PanicBody) {
    // The record first, before anything that could fail in its turn.
    let record = match info.location() {
        Some(place) => PanicRecord::new(&message, place, body.callers(), body.build()),
        None => PanicRecord::new(&message, "", body.callers(), body.build()),
    };
    note_panic(body.memory(), record);
    // As esp-backtrace prints it, for the monitors that decode it.
    body.print(format_args!(
        "\n====================== PANIC ======================"
    ));
    match info.location() {
        Some(place) => body.print(format_args!("panicked at {place}:\n{message}")),
        None => body.print(format_args!("panicked:\n{message}")),
    }
    body.print(format_args!("\nBacktrace:\n"));
    for caller in body.callers() {
        body.print(format_args!("{caller:#x}"));
    }
    // As ESP-IDF ends a panic (components/esp_system/panic.c, v5.4.1): by it the ELF file is found.
    if let Some(build) = body.build().hex() {
        body.print(format_args!("\nELF file SHA256: {build}"));
    }
}
