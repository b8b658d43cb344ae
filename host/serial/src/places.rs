//! Addresses of a panic's callers as places in the source, by the ELF file.

use std::path::Path;

use addr2line::Loader;
use anyhow::{Result, anyhow};

/// An address has as many digits on these chips.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=8;
/// A place inlined more deeply than this is shown in part.
const MOST_FRAMES: usize = 16;
/// A function with more labels than this before an address stays without a name.
const MOST_LABELS: usize = 1000;

/// The functions and lines of a program.
pub struct Places(Loader);

impl Places {
    /// Reads the debug information of an ELF file.
    ///
    /// # Errors
    ///
    /// It is no ELF file.
    pub fn new(elf: &Path) -> Result<Self> {
        let fault = |error: &dyn std::fmt::Display| {
            anyhow!(
                "--elf {}: {error}; give the ELF file that the board's app was made from",
                elf.display()
            )
        };
        // The reader beneath would wait for a pipe.
        hostfile::check(elf).map_err(|error| fault(&error))?;
        Loader::new(elf).map(Self).map_err(|error| fault(&error))
    }

    /// The places of all addresses of code in a line, innermost first.
    pub fn of(&self, line: &str) -> Vec<String> {
        let mut places = Vec::new();
        for address in addresses(line) {
            self.of_address(address, &mut places);
        }
        places
    }

    fn of_address(&self, address: u32, places: &mut Vec<String>) {
        if !self.is_code(address) {
            return;
        }
        let Ok(mut frames) = self.0.find_frames(address.into()) else {
            return;
        };
        let mut shown = 0;
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.as_ref();
            let function = function.and_then(|name| Some(name.demangle().ok()?.into_owned()));
            let (Some(function), true) = (function, shown < MOST_FRAMES) else {
                continue;
            };
            let place = frame.location.and_then(|place| {
                let (file, line) = (place.file?, place.line?);
                Some(format!(" at {file}:{line}"))
            });
            let arrow = if shown == 0 { "" } else { "inlined into " };
            let place = place.unwrap_or_default();
            places.push(format!("{address:#010x} {arrow}{function}{place}"));
            shown += 1;
        }
        if shown == 0
            && let Some(name) = self.symbol(address)
        {
            places.push(format!("{address:#010x} {name}"));
        }
    }

    /// The function around an address in code without debug information, by the symbol before it.
    fn symbol(&self, address: u32) -> Option<String> {
        let mut probe = u64::from(address);
        for _ in 0..MOST_LABELS {
            let symbol = self.0.find_symbol_info(probe)?;
            if !symbol.name().starts_with(".L") && !symbol.name().starts_with('$') {
                let name = addr2line::demangle_auto(symbol.name().into(), None);
                return Some(name.into_owned());
            }
            // A label within a function: its name is further up.
            probe = symbol.address().checked_sub(1)?;
        }
        None
    }

    /// Whether the address lies in a section of code, by the names that esp-hal and ESP-IDF give.
    /// Functions that the linker left out are at 0 in the debug information.
    fn is_code(&self, address: u32) -> bool {
        let sections: [&[u8]; 7] = [
            b".text",
            b".rwtext",
            b".rwtext.wifi",
            b".trap",
            b".rtc_fast.text",
            b".flash.text",
            b".iram0.text",
        ];
        sections.iter().any(|name| {
            let range = self.0.get_section_range(name);
            range.is_some_and(|range| (range.begin..range.end).contains(&u64::from(address)))
        })
    }
}

/// What looks like an address: `0x` and 7 or 8 hexadecimal digits.
fn addresses(line: &str) -> impl Iterator<Item = u32> {
    line.split("0x").skip(1).filter_map(|rest| {
        let end = rest
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(rest.len());
        let digits = rest.get(..end)?;
        DIGITS
            .contains(&digits.len())
            .then(|| u32::from_str_radix(digits, 16).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_the_lines_of_all_panics() {
        let found = |line| addresses(line).collect::<Vec<_>>();
        assert_eq!(found("0x42031a2c"), [0x4203_1A2C]);
        let idf = "Backtrace: 0x400d1234:0x3ffb0000 0x400d5678:0x3ffb0020";
        assert_eq!(
            found(idf),
            [0x400D_1234, 0x3FFB_0000, 0x400D_5678, 0x3FFB_0020]
        );
        let riscv = "MEPC    : 0x4200a1b2  RA      : 0x4200a1b4";
        assert_eq!(found(riscv), [0x4200_A1B2, 0x4200_A1B4]);
        assert_eq!(found("0x 0x1 0x123456789 0xg"), [0; 0]);
    }

    /// This program stands for the firmware: it too is an ELF file with debug information.
    #[test]
    fn addresses_become_functions() {
        assert!(Places::new(Path::new("/dev/null")).is_err());
        let own = std::env::current_exe().unwrap();
        let places = Places::new(&own).unwrap();
        assert_eq!(places.of("0x00000001 is nowhere"), [""; 0]);
        let text = places.0.get_section_range(b".text").unwrap();
        let named = (text.begin..text.end).step_by(4096).filter(|address| {
            let told = places.of(&format!("{address:#010x}"));
            told.iter()
                .any(|place| place.contains("::") || place.contains(" at "))
        });
        assert!(named.count() > 10);
    }
}
