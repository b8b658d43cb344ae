//! The console: one line per event, with milliseconds since boot, the event's stable name, the free
//! heap and the least that was free so far, so that a script can measure every phase
//! (`esptb board-report`). Warnings of the libraries are lines of the same form.
//!
//! ```text
//!     1234 wifi.joined joined as 192.168.1.7, -58 dBm; 81234 B free, 70112 B at least
//!     1260 log.warn esp_radio::wifi: ...
//! ```
//!
//! A line goes out in pieces, for interrupts wait as long as one takes, and the radio's are not to
//! wait long. So a warning of the Wi-Fi driver's may come in the middle of another line.

use core::fmt::{self, Write as _};

use device::{
    event::Event,
    platform::{Observer, qr},
};
use esp_hal::time::Instant;
use esp_println::Printer;
use log::{LevelFilter, Log, Metadata, Record};

use super::{heap, light};

/// Milliseconds since boot, also before there is a scheduler.
pub(crate) fn uptime_ms() -> u64 {
    Instant::now().duration_since_epoch().as_millis()
}

/// Lets warnings of the libraries through to the console. What the device has to say, it says in
/// events.
#[expect(
    unsafe_code,
    reason = "without atomic exchange there is no safe way to set a logger"
)]
pub(crate) fn start_log() {
    // SAFETY: the first thing that is done, before there is anybody else to log or to set it.
    let set = unsafe {
        log::set_max_level_racy(LevelFilter::Warn);
        log::set_logger_racy(&Console)
    };
    // Nobody set one before.
    let _ = set;
}

/// The console and the light.
pub(crate) struct Console;

impl Observer for Console {
    fn notice(&self, uptime_ms: u64, event: &Event) {
        let name = event.name();
        let heap = heap::left();
        let (free, least) = (heap.free, heap.least);
        match event {
            // It tells the free heap itself.
            Event::Sampled(_) => print(format_args!(
                "{uptime_ms:8} {name} {event}; {least} B at least"
            )),
            _ => print(format_args!(
                "{uptime_ms:8} {name} {event}; {free} B free, {least} B at least"
            )),
        }
        light::notice(event);
    }

    fn show_provisioning_code(&self, payload: &str) {
        qr::draw(payload, qr::BORDER, &mut |line| {
            print(format_args!("{line}"))
        });
        print(format_args!("{payload}"));
    }
}

impl Log for Console {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        // `log` itself keeps what is below the level.
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            log::Level::Error => "error",
            _ => "warn",
        };
        let (uptime_ms, target) = (uptime_ms(), record.target());
        let args = record.args();
        print(format_args!("{uptime_ms:8} log.{level} {target}: {args}"));
    }

    fn flush(&self) {}
}

/// Prints a line.
fn print(line: fmt::Arguments<'_>) {
    let mut pieces = Pieces {
        bytes: [0; PIECE],
        length: 0,
    };
    // It takes everything.
    let _ = writeln!(pieces, "{line}");
    pieces.send();
}

/// Bytes that go out at a time, and without interrupts: 1.4 ms at 115,200 bits per second.
const PIECE: usize = 16;

/// A line on its way out.
struct Pieces {
    bytes: [u8; PIECE],
    length: usize,
}

impl Pieces {
    fn send(&mut self) {
        Printer::write_bytes(&self.bytes[..self.length]);
        self.length = 0;
    }
}

impl fmt::Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            self.bytes[self.length] = byte;
            self.length += 1;
            if self.length == PIECE {
                self.send();
            }
        }
        Ok(())
    }
}
