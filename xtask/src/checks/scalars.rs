//! Whether every scalar takes the same number of instructions on the emulated board.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// What is counted: see emulated/scalars.
const KINDS: [&str; 3] = ["base", "any", "read"];

/// Builds the program that counts, runs it, and looks at what it printed.
///
/// # Errors
///
/// Two scalars took different numbers of instructions.
pub(super) fn check() -> Result<String> {
    let emulated = workspace::root().join("emulated");
    let mut build = process::cargo();
    build.current_dir(&emulated);
    process::run(build.args(["build", "--release", "--locked", "--package", "scalars"]))?;
    let program = emulated.join("target/riscv32imc-unknown-none-elf/release/scalars");
    let mut qemu = Command::new("qemu-system-riscv32");
    qemu.args(["-machine", "virt", "-display", "none", "-monitor", "none"]);
    qemu.args(["-serial", "stdio", "-icount", "shift=3", "-bios"]);
    same(&process::capture(qemu.arg(program))?)
}

/// What the program printed, in a line for the summary.
fn same(printed: &str) -> Result<String> {
    let mut notes = Vec::new();
    for kind in KINDS {
        let range = printed.lines().find_map(|line| {
            let (fewest, most) = line.trim().strip_prefix(kind)?.trim().split_once(' ')?;
            Some((fewest.parse::<u64>().ok()?, most.parse::<u64>().ok()?))
        });
        let (fewest, most) = range.with_context(|| format!("nothing was counted of {kind}"))?;
        if fewest != most || fewest == 0 {
            bail!("{kind}: some scalar takes {fewest} instructions, another {most}");
        }
        notes.push(format!("{kind} {most}"));
    }
    Ok(format!("instructions for any scalar: {}", notes.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told() {
        assert!(same("base 7 7\nany 9 9\nread 5 5\n").is_ok());
        assert!(same("base 7 8\nany 9 9\nread 5 5\n").is_err());
        assert!(same("base 7 7\nany 9 9\n").is_err());
    }
}
