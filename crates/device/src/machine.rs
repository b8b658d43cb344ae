//! The machine as it is known before anything else: who it is, which image runs, why it started, its memory.
//!
//! A body says so ([`System`](crate::platform::System)); this stands below all who speak of it.

use core::fmt::Write;

use heapless::String;

/// Who this device is, before it has read anything from flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The chip, as its maker writes it, or what stands in for one.
    pub chip: &'static str,
    /// When the firmware was built, in seconds since 1970 UTC. No right clock shows less.
    pub built_at_unix_s: u64,
    /// Which build it is.
    pub build: BuildId,
}

/// Which build a firmware is: how the SHA-256 of its ELF file begins, by which that file is found for a
/// backtrace. Whoever makes the image of the ELF file writes it into the app's description
/// (`app_elf_sha256` of `esp_app_desc_t`, as ESP-IDF, esptool and espflash do); all zeros where nobody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BuildId(pub [u8; 8]);

impl BuildId {
    /// As `sha256sum` writes it; none where nobody told.
    #[must_use]
    pub fn hex(self) -> Option<String<16>> {
        let mut text = String::new();
        for byte in self.0 {
            // Sixteen digits fit.
            let _ = write!(text, "{byte:02x}");
        }
        (self != Self::default()).then_some(text)
    }
}

impl Identity {
    /// The time of the build, as a build script hands it over: decimal digits.
    ///
    /// # Panics
    ///
    /// Where the text has anything else. In a constant that fails the build.
    #[must_use]
    pub const fn built_at(digits: &str) -> u64 {
        match u64::from_str_radix(digits, 10) {
            Ok(unix_s) => unix_s,
            Err(_) => panic!("the time of the build is a number of seconds"),
        }
    }
}

/// The image that runs, as its chip knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Address in flash of the first byte of its slot.
    pub address: u32,
    /// The chip's revision, as major * 100 + minor.
    pub revision: u16,
}

/// Why the device started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// Power came on.
    PowerOn,
    /// The device restarted itself.
    Software,
    /// A panic.
    Panic,
    /// A watchdog bit.
    Watchdog,
    /// The supply sagged.
    Brownout,
    /// A wake from deep sleep.
    DeepSleep,
    /// Something else, or unknown.
    Other,
}

impl ResetReason {
    /// A stable name, for attributes and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PowerOn => "power-on",
            Self::Software => "software",
            Self::Panic => "panic",
            Self::Watchdog => "watchdog",
            Self::Brownout => "brownout",
            Self::DeepSleep => "deep-sleep",
            Self::Other => "other",
        }
    }
}

/// Heap in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heap {
    /// Free now.
    pub free: u32,
    /// The least that was ever free since boot.
    pub least: u32,
}
