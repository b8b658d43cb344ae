//! Conditional branches in the arithmetic of P-256, as it was compiled for a chip: there must be
//! none, for they would tell the time that secrets take.
//!
//! Only what it takes to tell these instructions from others is decoded, of RISC-V (RV32IMC) and of
//! Xtensa: the disassemblers of Rust's toolchain and of Debian know no Xtensa, and are on few
//! machines. On x86-64 Valgrind follows the secrets themselves.

use anyhow::{Context, Result, bail};
use object::elf::{EM_RISCV, EM_XTENSA};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// The functions of `secp256r1::field::Element` that secrets go through; none of them has a loop.
const FUNCTIONS: [&str; 5] = ["multiply", "square", "add", "subtract", "halve"];

/// How the instructions of an architecture are told apart.
type Decode = fn(&[u8]) -> (usize, bool);

/// Looks at an ELF file; returns what was looked at.
///
/// # Errors
///
/// There is a conditional branch, or one of the functions is not found: inlined or renamed, it would
/// not be looked at.
pub(crate) fn check(elf: &[u8]) -> Result<String> {
    let file = object::File::parse(elf).context("it is not an ELF file")?;
    let decode: Decode = match &file {
        object::File::Elf32(elf) => match elf.elf_header().e_machine.get(elf.endian()) {
            EM_RISCV => riscv,
            EM_XTENSA => xtensa,
            machine => bail!("instructions of machine {machine} cannot be told apart"),
        },
        _ => bail!("it is not for a core of 32 bits"),
    };
    let mut faults = Vec::new();
    for name in FUNCTIONS {
        let symbol = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text)
            .find(|symbol| symbol.name().is_ok_and(|mangled| is(mangled, name)))
            .with_context(|| format!("there is no function Element::{name} of secp256r1"))?;
        let section = symbol
            .section_index()
            .context("a function without a section")?;
        let code = file
            .section_by_index(section)?
            .data_range(symbol.address(), symbol.size())?
            .filter(|code| !code.is_empty())
            .with_context(|| format!("Element::{name} has no code"))?;
        let branches = branches(code, decode);
        if branches > 0 {
            faults.push(format!("{branches} in Element::{name}"));
        }
    }
    if !faults.is_empty() {
        bail!(
            "conditional branches depend on keys of P-256: {}",
            faults.join(", ")
        );
    }
    Ok(format!(
        "no branch in {} functions of P-256",
        FUNCTIONS.len()
    ))
}

/// Whether a mangled name is that of a function of the field's elements.
fn is(mangled: &str, name: &str) -> bool {
    let demangled = format!("{:#}", rustc_demangle::demangle(mangled));
    demangled
        .strip_prefix('<')
        .map_or(demangled.clone(), |rest| rest.replacen('>', "", 1))
        == format!("secp256r1::field::Element::{name}")
}

fn branches(mut code: &[u8], decode: Decode) -> usize {
    let mut found = 0;
    while !code.is_empty() {
        let (length, branches) = decode(code);
        found += usize::from(branches);
        code = code.get(length..).unwrap_or_default();
    }
    found
}

/// The length of the first instruction, and whether it is a conditional branch (The RISC-V
/// Instruction Set Manual, volume I, 20240411, chapters 34.4 and 27.8).
fn riscv(code: &[u8]) -> (usize, bool) {
    let low = code[0];
    if low & 3 == 3 {
        // BRANCH is the opcode of BEQ, BNE, BLT, BGE, BLTU and BGEU.
        return (4, low & 0x7f == 0x63);
    }
    // C.BEQZ and C.BNEZ.
    let high = code.get(1).copied().unwrap_or_default();
    (2, low & 3 == 1 && high >> 6 == 3)
}

/// As [`riscv`] (Xtensa Instruction Set Architecture Reference Manual, chapter 7.3, "Opcode
/// encodings").
fn xtensa(code: &[u8]) -> (usize, bool) {
    let byte = |at: usize| code.get(at).copied().unwrap_or_default();
    let (op0, n, m) = (byte(0) & 15, byte(0) >> 4 & 3, byte(0) >> 6);
    match op0 {
        // BALL, BBC, BEQ and the other comparisons of two registers.
        7 => (3, true),
        6 => match (n, m) {
            // J.
            (0, _) => (3, false),
            // ENTRY.
            (3, 0) => (3, false),
            // BF and BT are branches, as are the loops by whose end none is needed.
            // BEQZ, BNEZ, BLTZ, BGEZ, BEQI, BNEI, BLTI, BGEI, BLTUI, BGEUI.
            _ => (3, true),
        },
        // BEQZ.N and BNEZ.N have this bit, MOVI.N has not.
        12 => (2, byte(0) & 0x80 != 0),
        8..=13 => (2, false),
        _ => (3, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_of_risc_v_are_told_apart() {
        // add a0, a1, a2; sltu a0, a1, a2; beq a0, a1, .+8; bltu a0, a1, .+8; c.mv a0, a1;
        // c.beqz a0, .+8; c.bnez a0, .+8; c.j .+8; ret.
        let code = [
            0x33, 0x85, 0xc5, 0x00, 0x33, 0xb5, 0xc5, 0x00, 0x63, 0x04, 0xb5, 0x00, 0x63, 0x64,
            0xb5, 0x00, 0x2e, 0x85, 0x01, 0xc5, 0x01, 0xe5, 0x21, 0xa0, 0x82, 0x80,
        ];
        assert_eq!(branches(&code, riscv), 4);
        assert_eq!(branches(&code[..8], riscv), 0);
    }

    #[test]
    fn branches_of_xtensa_are_told_apart() {
        // entry a1, 32; add.n a2, a3, a4; movi.n a2, 0; xor a2, a3, a4; j .+4; retw.n.
        let straight = [
            0x36, 0x41, 0x00, 0x4a, 0x23, 0x0c, 0x02, 0x40, 0x23, 0x30, 0x06, 0x00, 0x00, 0x1d,
            0xf0,
        ];
        assert_eq!(branches(&straight, xtensa), 0);
        // bltu a2, a3, .+4; beqz a2, .+4; beqi a2, 1, .+4; bltui a2, 2, .+4; beqz.n a2, .+4.
        let branching = [
            0x37, 0x32, 0x00, 0x16, 0x02, 0x00, 0x26, 0x12, 0x00, 0xb6, 0x22, 0x00, 0x8c, 0x02,
        ];
        assert_eq!(branches(&branching, xtensa), 5);
    }

    #[test]
    fn functions_are_known_by_their_names() {
        let legacy = "_ZN9secp256r15field7Element8multiply17h0123456789abcdefE";
        assert!(is(legacy, "multiply"));
        assert!(!is(legacy, "square"));
        assert!(check(b"no").is_err());
    }
}
