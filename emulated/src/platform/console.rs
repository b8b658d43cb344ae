//! The console: one line per event, with milliseconds since boot and the event's stable name, as
//! the firmware prints them.
//!
//! ```text
//!     1234 wifi.joined joined as 10.0.2.15, -48 dBm
//! ```

use device::{
    event::Event,
    platform::{Observer, qr},
};
use log::{LevelFilter, Log, Metadata, Record};

use crate::board::{self, stack, uart::println};
use crate::figures;

struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        println!("{} - {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

/// Lets warnings of the libraries through to the console. What the device has to say, it says in
/// events.
pub(crate) fn start_log() {
    board::set_logger(&Lines, LevelFilter::Warn);
}

/// The console, and the figures.
pub(crate) struct Console;

impl Observer for Console {
    fn notice(&self, uptime_ms: u64, event: &Event) {
        figures::notice(event);
        println!("{uptime_ms:8} {} {event}", event.name());
        stack::check();
    }

    fn show_provisioning_code(&self, payload: &str) {
        qr::draw(payload, qr::BORDER, &mut |line| println!("{line}"));
        println!("{payload}");
    }
}
