//! A label in ZPL II, which label printers take over TCP, USB or a serial line.
//!
//! The code is sent as a bitmap, so that it is the one that was tested, whatever the printer's own
//! encoder makes. Source: Zebra's "ZPL II Programming Guide" (P1099958): `^GFA`, `^FH`, `^CI28`, `^PW`, `^LL`.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::code::Code;
use super::{CODE_MM, HEIGHT_MM, LINE_MM, MARGIN_MM, TEXT_MM, WIDTH_MM, letter_mm};

pub(super) fn label(
    lines: &[Zeroizing<String>],
    code: &Code,
    dots_per_mm: u8,
) -> Zeroizing<String> {
    let dots = |mm: f32| (mm * f32::from(dots_per_mm)).round() as usize;
    let mut zpl = Zeroizing::new(String::with_capacity(16 << 10));
    // Writing to a string does not fail.
    let _ = write!(zpl, "^XA^CI28^PW{}^LL{}", dots(WIDTH_MM), dots(HEIGHT_MM));
    // Whole dots for a module, or its edges are not where they belong.
    let scale = (dots(CODE_MM) / code.side()).max(1);
    let side = code.side() * scale;
    let row = side.div_ceil(8);
    let top = dots(HEIGHT_MM).saturating_sub(side) / 2;
    let (left, all) = (dots(MARGIN_MM), row * side);
    let _ = write!(zpl, "^FO{left},{top}^GFA,{all},{all},{row},");
    for y in 0..side {
        for byte in 0..row {
            let bits = (0..8).map(|bit| code.is_dark((byte * 8 + bit) / scale, y / scale));
            let byte = bits.fold(0u8, |byte, dark| byte << 1 | u8::from(dark));
            let _ = write!(zpl, "{byte:02X}");
        }
    }
    let _ = write!(zpl, "^FS");
    for (index, line) in lines.iter().enumerate() {
        let (x, y) = (dots(TEXT_MM), top + dots(index as f32 * LINE_MM));
        let height = dots(letter_mm(line));
        let _ = write!(zpl, "^FO{x},{y}^A0N,{height},{height}^FH_^FD");
        for byte in line.bytes() {
            match byte {
                // Whatever else may be a command, or the mark of a number.
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b' ' | b'-' | b':' | b'.' => {
                    zpl.push(char::from(byte));
                }
                byte => _ = write!(zpl, "_{byte:02X}"),
            }
        }
        let _ = write!(zpl, "^FS");
    }
    let _ = writeln!(zpl, "^XZ");
    zpl
}
