//! The console: one line per event, with milliseconds since boot and the event's stable name, so
//! that a script can measure every phase.
//!
//! ```text
//!     1234 wifi.joined joined with 192.168.1.7, -58 dBm
//! ```

use device::{event::Event, platform::Observer};
use esp_println::println;
use log::LevelFilter;

use super::light;

/// Lets warnings of the libraries through to the console. What the device has to say, it says in
/// events.
pub(crate) fn start_log() {
    esp_println::logger::init_logger(LevelFilter::Warn);
}

/// The console and the light.
pub(crate) struct Console;

impl Observer for Console {
    fn notice(&self, uptime_ms: u64, event: &Event) {
        println!("{uptime_ms:8} {} {event}", event.name());
        light::notice(event);
    }

    fn show_provisioning_code(&self, payload: &str) {
        println!("{payload}");
    }
}
