//! Whether what is secret takes the same number of instructions on the emulated board, whatever it is, and a device's
//! first answer of security 2 no more than a chip may take for it.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// A program of emulated/scalars, and what it counts, with the most that this may take.
type Counts = (&'static str, &'static [(&'static str, u64)]);

const PROGRAMS: [Counts; 2] = [
    (
        "scalars",
        &[("base", 800_000), ("any", 2_500_000), ("read", 600)],
    ),
    (
        "session",
        &[
            ("verifier", 95_000_000),
            ("ahead", 175_000_000),
            // 600 ms of an ESP32-C3 at 160 MHz.
            ("answer", 96_000_000),
            ("proof", 20_000),
        ],
    ),
];

/// Builds the programs that count, runs them, and looks at what they printed.
///
/// # Errors
///
/// Two secrets took different numbers of instructions, or more than may be.
pub(super) fn check() -> Result<String> {
    let emulated = workspace::root().join("emulated");
    let mut build = process::cargo();
    build.current_dir(&emulated);
    process::run(build.args(["build", "--release", "--locked", "--package", "scalars"]))?;
    let mut notes = Vec::new();
    for (name, kinds) in PROGRAMS {
        let target = emulated.join("target/riscv32imc-unknown-none-elf/release");
        let mut qemu = Command::new("qemu-system-riscv32");
        qemu.args(["-machine", "virt", "-display", "none", "-monitor", "none"]);
        qemu.args(["-serial", "stdio", "-icount", "shift=3", "-bios"]);
        let printed = process::capture(qemu.arg(target.join(name)))?;
        notes.extend(counted(&printed, kinds)?);
    }
    Ok(format!(
        "instructions, whatever is secret: {}",
        notes.join(", ")
    ))
}

/// What a program printed, in a note for each kind.
fn counted(printed: &str, kinds: &[(&str, u64)]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for (kind, budget) in kinds {
        let range = printed.lines().find_map(|line| {
            let (fewest, most) = line.trim().strip_prefix(kind)?.trim().split_once(' ')?;
            Some((fewest.parse::<u64>().ok()?, most.parse::<u64>().ok()?))
        });
        let (fewest, most) = range.with_context(|| {
            format!("nothing was counted of {kind}; the program said: {printed}")
        })?;
        if fewest != most || fewest == 0 {
            bail!("{kind}: one takes {fewest} instructions, another {most}");
        }
        if most > *budget {
            bail!("{kind} takes {most} instructions, and may take {budget}");
        }
        notes.push(format!("{kind} {most}"));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_or_is_too_much_is_told() {
        let kinds = [("base", 10), ("any", 10), ("read", 10)];
        let told = |printed: &str| counted(printed, &kinds).is_err();
        assert!(!told("base 7 7\nany 10 10\nread 5 5\n"));
        assert!(told("base 7 8\nany 9 9\nread 5 5\n"));
        assert!(told("base 7 7\nany 11 11\nread 5 5\n"));
        assert!(told("base 7 7\nany 9 9\n"));
    }
}
