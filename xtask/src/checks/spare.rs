//! Whether the memory that a chip's file gives the allocator by its addresses is nobody else's: no linker looks at it.
//!
//! What others have is read where they say it: esp-hal's linker script has the segments, and what is reserved for the
//! ROM; esp-radio has what Bluetooth's controller uses. The stacks that the ROM starts the cores on may be given away,
//! and so may the segment that the bootloader leaves behind, where the chip's file takes nothing of it otherwise.

use std::fs;
use std::num::ParseIntError;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Memory that somebody has.
#[derive(Debug, PartialEq)]
struct Taken {
    by: String,
    range: Range<u64>,
}

/// Looks at a chip; returns how much memory its file gives away, in bytes.
///
/// # Errors
///
/// Two have the same memory, or a file does not say what it said.
pub(super) fn check(chip: &str, esp_hal: &Path, esp_radio: &Path) -> Result<u64> {
    let facts = workspace::firmware().join(format!("src/board/chips/{chip}.rs"));
    let facts = fs::read_to_string(&facts).with_context(|| facts.display().to_string())?;
    let spare = spare(&facts)?;
    if spare.is_empty() {
        return Ok(0);
    }
    let script = esp_hal.join("ld").join(chip).join("memory.x");
    let script = fs::read_to_string(&script).with_context(|| script.display().to_string())?;
    let adapter = esp_radio.join(format!("src/ble/os_adapter_{chip}.rs"));
    let adapter = fs::read_to_string(&adapter).with_context(|| adapter.display().to_string())?;
    let mut taken = segments(&script)?;
    taken.extend(controller(&adapter)?);
    if let Some(fault) = fault(&spare, &taken, facts.contains("heap: (0,")) {
        bail!("{chip}: {fault}: see `spare` in firmware/src/board/chips/{chip}.rs");
    }
    Ok(spare.iter().map(|range| range.end - range.start).sum())
}

/// What is wrong with the memory that is given away.
fn fault(spare: &[Range<u64>], taken: &[Taken], left_behind: bool) -> Option<String> {
    let meet = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    for (nth, range) in spare.iter().enumerate() {
        if spare.iter().skip(nth + 1).any(|other| meet(range, other)) {
            return Some(format!("{range:#x?} is given to the allocator twice"));
        }
        let free = |by: &str| by.contains("rom_stack") || (left_behind && by.starts_with("dram2"));
        let owner = |taken: &&Taken| !free(&taken.by) && meet(range, &taken.range);
        if let Some(owner) = taken.iter().find(owner) {
            let (from, to) = (range.start, range.end);
            return Some(format!(
                "{from:#x} to {to:#x} is given to the allocator, but {} has some of it",
                owner.by
            ));
        }
    }
    None
}

/// The ranges of `spare`, of a chip's file.
fn spare(facts: &str) -> Result<Vec<Range<u64>>> {
    let Some((_, rest)) = facts.split_once("\n    spare: [") else {
        return Ok(Vec::new());
    };
    let (list, _) = rest.split_once("],").context("`spare` has no end")?;
    let mut bounds = Vec::new();
    for bound in list.split(['(', ')', ',', ' ']).filter(|b| !b.is_empty()) {
        bounds.push(value(bound, &[])?);
    }
    let pairs = bounds.chunks(2).map(|pair| match pair {
        [from, to] if from < to => Ok(*from..*to),
        _ => bail!("`spare` has what is no range"),
    });
    pairs.collect()
}

/// The segments of a linker script; what it reserves for Bluetooth is reserved.
fn segments(script: &str) -> Result<Vec<Taken>> {
    let assigned = |line: &str| {
        let (name, text) = line.trim().trim_end_matches(';').split_once(" = ")?;
        Some((name.to_owned(), value(text, &[]).ok()?))
    };
    let mut names = Vec::new();
    for line in script.lines().filter(|line| !line.contains("ORIGIN")) {
        // The first is with Bluetooth, the second without.
        names.extend(assigned(line).filter(|(name, _)| !names.iter().any(|(n, _)| n == name)));
    }
    let mut taken = Vec::new();
    for line in script.lines() {
        let line = line.split("/*").next().unwrap_or(line);
        let Some((name, rest)) = line.split_once(": ORIGIN = ") else {
            continue;
        };
        let (origin, length) = rest
            .split_once(", len = ")
            .context("a segment without a length")?;
        let from = value(origin, &names)?;
        let by = name.split('(').next().unwrap_or(name).trim().to_owned();
        let range = from..from + value(length, &names)?;
        taken.push(Taken { by, range });
    }
    if taken.is_empty() {
        bail!("the linker script has no segments");
    }
    Ok(taken)
}

/// What Bluetooth's controller uses: pairs of constants, `NAME_START` and `NAME_END` or `NAME_REAL_END`.
fn controller(adapter: &str) -> Result<Vec<Taken>> {
    let constant = |name: &str| {
        let (_, rest) = adapter.split_once(&format!("const {name}: u32 = "))?;
        value(rest.split(';').next()?, &[]).ok()
    };
    let mut taken = Vec::new();
    for line in adapter.lines().filter(|line| line.starts_with("const ")) {
        let name = line.trim_start_matches("const ").split(':').next();
        let Some(name) = name.and_then(|name| name.strip_suffix("_START")) else {
            continue;
        };
        let from = constant(&format!("{name}_START")).context("a start that is no number")?;
        let ends = [format!("{name}_END"), format!("{name}_REAL_END")];
        let to = ends.iter().find_map(|end| constant(end));
        let to = to.with_context(|| format!("{name} has no end"))?;
        let by = format!("Bluetooth's controller ({name})");
        taken.push(Taken {
            by,
            range: from..to,
        });
    }
    if taken.is_empty() {
        bail!("esp-radio does not tell what Bluetooth's controller uses");
    }
    Ok(taken)
}

/// Sums and differences of numbers and of names.
fn value(text: &str, names: &[(String, u64)]) -> Result<u64> {
    let text = text.replace('-', "+-");
    let mut sum = 0;
    for term in text.split('+').map(str::trim).filter(|t| !t.is_empty()) {
        let (minus, term) = match term.strip_prefix('-') {
            Some(term) => (true, term.trim()),
            None => (false, term),
        };
        let named = names.iter().find(|(name, _)| name == term);
        let number = match named {
            Some((_, number)) => *number,
            None => number(term).with_context(|| format!("{term} is no number"))?,
        };
        sum = if minus { sum - number } else { sum + number };
    }
    Ok(sum)
}

/// A number, decimal or not, or so many K or M.
fn number(term: &str) -> Result<u64, ParseIntError> {
    let kibi = term.strip_suffix(['k', 'K']).map(|term| (term, 1 << 10));
    let mebi = term.strip_suffix('M').map(|term| (term, 1 << 20));
    let (term, unit) = kibi.or(mebi).unwrap_or((term, 1));
    let digits = term.replace('_', "");
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    number.map(|number| number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
RESERVED_M = 0x10000;
#ELSE
RESERVED_M = 0;
MEMORY
{
  iram_seg ( RX ) : ORIGIN = 0x40080400, len = 128k-0x400 /* SRAM0 */
  dram_seg ( RW ) : ORIGIN = 0x3FFAE000 + 8K + RESERVED_M, len = 192K - RESERVED_M
  reserved_rom_data : ORIGIN = 0x3ffe3f20, len = 1072
  reserved_rom_stack : ORIGIN = 0x3ffe5230, len = 11264
  dram2_seg : ORIGIN = 0x3ffe7e30, len = 98768  /* the rest */
  irom_seg ( RX ) : ORIGIN = 0x400D0020, len = 3M - 0x20
}";
    const ADAPTER: &str = "\
const EM_START: u32 = 0x3ffb2730;
const EM_REAL_END: u32 = 0x3ffb6388; // as many as there are
const BSS_START: u32 = 0x3ffb_8000;
const BSS_END: u32 = 0x3ffb_9a20;
";

    fn taken() -> Vec<Taken> {
        let mut taken = segments(SCRIPT).unwrap();
        taken.extend(controller(ADAPTER).unwrap());
        taken
    }

    #[test]
    fn what_others_have_is_read() {
        let taken = taken();
        let of = |by: &str| {
            let found = taken.iter().find(|taken| taken.by.contains(by)).unwrap();
            found.range.clone()
        };
        assert_eq!(of("iram_seg"), 0x4008_0400..0x400a_0000);
        assert_eq!(of("dram_seg"), 0x3ffc_0000..0x3ffe_0000);
        assert_eq!(of("dram2_seg"), 0x3ffe_7e30..0x4000_0000);
        assert_eq!(of("irom_seg"), 0x400d_0020..0x403d_0000);
        assert_eq!(of("EM"), 0x3ffb_2730..0x3ffb_6388);
        assert_eq!(of("BSS"), 0x3ffb_8000..0x3ffb_9a20);
    }

    #[test]
    fn memory_is_given_to_one() {
        let told = |facts: &str, left_behind| fault(&spare(facts).unwrap(), &taken(), left_behind);
        let gap = "\n    spare: [(0x3ffb_9a20, 0x3ffb_db28)],";
        assert_eq!(told(gap, false), None);
        let rest = "\n    spare: [(0x3ffb_9a20, 0x3ffb_db28), (0x3ffe_4350, 0x4000_0000)],";
        assert_eq!(told(rest, true), None);
        for (facts, left_behind, by) in [
            (rest, false, "dram2_seg"),
            ("\n    spare: [(0x3ffb_9a1c, 0x3ffb_db28)],", true, "BSS"),
            (
                "\n    spare: [(0x3ffb_9a20, 0x3ffc_0001)],",
                true,
                "dram_seg",
            ),
            (
                "\n    spare: [(0x3ffe_434f, 0x4000_0000)],",
                true,
                "rom_data",
            ),
            ("\n    spare: [(0x10, 0x20), (0x1f, 0x30)],", true, "twice"),
        ] {
            let told = told(facts, left_behind).unwrap_or_default();
            assert!(told.contains(by), "{facts}: {told:?}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for list in ["(2, 1)", "(1)", "(1, x)"] {
            let read = spare(&format!("\n    spare: [{list}],"));
            assert!(read.is_err(), "{list}");
        }
        assert_eq!(spare("heap: (64, 136),").unwrap(), []);
    }
}
