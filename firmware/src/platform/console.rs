//! The console: one line per event, with milliseconds since boot, the event's stable name and the
//! free heap, so that a script can measure every phase (`esptb board-report`).
//!
//! ```text
//!     1234 wifi.joined joined as 192.168.1.7, -58 dBm; 81234 B free
//! ```

use device::{event::Event, platform::Observer};
use esp_println::println;
use log::LevelFilter;

use super::{light, system};

/// Lets warnings of the libraries through to the console. What the device has to say, it says in
/// events.
pub(crate) fn start_log() {
    esp_println::logger::init_logger(LevelFilter::Warn);
}

/// The console and the light.
pub(crate) struct Console;

impl Observer for Console {
    fn notice(&self, uptime_ms: u64, event: &Event) {
        let name = event.name();
        match event {
            // It tells the memory itself.
            Event::Sampled(_) => println!("{uptime_ms:8} {name} {event}"),
            _ => {
                let free = system::heap().free;
                println!("{uptime_ms:8} {name} {event}; {free} B free");
            }
        }
        light::notice(event);
    }

    fn show_provisioning_code(&self, payload: &str) {
        println!("{payload}");
    }
}
