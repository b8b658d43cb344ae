//! A QR code as lines of half blocks, two modules above each other in one character.
//!
//! Light modules are drawn, so it wants bright characters on dark ground, as consoles have.

use heapless::String;
use qrcodegen_no_heap::{Mask, QrCode, QrCodeEcc, QrSegment, Version};
use zeroize::Zeroizing;

/// The largest code that is drawn: it holds 321 bytes, more than any [`Payload`](super::Payload)
/// of a device.
const LARGEST: Version = Version::new(11);

/// The usual light border, in modules: half of what the standard (ISO/IEC 18004) asks for, as
/// ESP-IDF's own console has it. Phones read codes with less.
pub const BORDER: u8 = 2;

/// The widest border that is drawn: the standard's.
const WIDEST_BORDER: u8 = 4;

/// The pattern laid over the modules; its number stands in the code. Text is even enough under any,
/// and to look for the best of the eight takes 2.7 KB of a chip's flash.
const MASK: Mask = Mask::new(0);

/// Modules along a side of the largest code with its border.
const WIDEST: usize = LARGEST.value() as usize * 4 + 17 + 2 * WIDEST_BORDER as usize;

/// Draws the smallest code that holds `text`, with a light border of so many modules, line by
/// line. Draws nothing of a text that is longer than 321 bytes.
///
/// A line has at most 69 characters. The code has error correction of level L: a screen is not
/// scratched.
// Its buffers are not to become part of the caller's frame, which may be deep below others.
#[inline(never)]
pub fn draw(text: &str, border: u8, line: &mut dyn FnMut(&str)) {
    // The text may hold a secret, and so do its codes.
    let mut work = Zeroizing::new([0; LARGEST.buffer_len()]);
    let mut modules = Zeroizing::new([0; LARGEST.buffer_len()]);
    let level = QrCodeEcc::Low;
    let Ok((length, _, version)) = QrCode::encode_segments_to_codewords(
        &[QrSegment::make_bytes(text.as_bytes())],
        &mut *modules,
        level,
        Version::MIN,
        LARGEST,
        false,
    ) else {
        return;
    };
    let mask = Some(MASK);
    let code = QrCode::encode_codewords(&mut *modules, length, &mut *work, level, version, mask);
    let border = i32::from(border.min(WIDEST_BORDER));
    let side = -border..code.size() + border;
    // Around the code everything is light, but for the half line that may be too many.
    let is_light = |x, y| side.contains(&y) && !code.get_module(x, y);
    for y in side.clone().step_by(2) {
        let cells = side
            .clone()
            .map(|x| match (is_light(x, y), is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        // As much room as the widest needs.
        line(&cells.collect::<String<{ WIDEST * '█'.len_utf8() }>>());
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    /// Pixels along a side of a module, and dark ones around the code: the terminal.
    const SCALE: usize = 5;
    const GROUND: usize = 40;

    fn lines(text: &str, border: u8) -> Vec<String> {
        let mut lines = Vec::new();
        draw(text, border, &mut |line| lines.push(line.to_string()));
        lines
    }

    /// What a reader that shares no code with this one sees on a dark terminal.
    fn read(lines: &[String]) -> String {
        let rows: Vec<Vec<char>> = lines.iter().map(|line| line.chars().collect()).collect();
        let is_light = |x: usize, y: usize| {
            let cell = rows.get(y / 2).and_then(|row| row.get(x));
            match cell {
                Some('█') => true,
                Some('▀') => y.is_multiple_of(2),
                Some('▄') => !y.is_multiple_of(2),
                _ => false,
            }
        };
        let pixels = |modules: usize| modules * SCALE + 2 * GROUND;
        let module = |pixel: usize| pixel.checked_sub(GROUND).map(|inside| inside / SCALE);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(
            pixels(rows[0].len()),
            pixels(2 * rows.len()),
            |x, y| match (module(x), module(y)) {
                (Some(x), Some(y)) if is_light(x, y) => 230,
                _ => 20,
            },
        );
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "{lines:#?}");
        grids[0].decode().expect("a code").1
    }

    #[test]
    fn a_foreign_reader_reads_what_was_drawn() {
        let long = "x".repeat(321);
        for text in [
            crate::qr::tests::FULL,
            r#"{"ver":"v1","name":"PROV_1A2B3C","transport":"ble","security":0}"#,
            r#"{"ver":"v1","name":"PROV_1A2B3C","pop":"gr\u00fcn ♥","transport":"ble","security":1}"#,
            "1234",
            &long,
        ] {
            for border in [1, BORDER, WIDEST_BORDER] {
                assert_eq!(read(&lines(text, border)), text, "border {border}");
            }
        }
    }

    #[test]
    fn lines_are_as_long_as_the_side_with_its_border() {
        // 21 modules, the least.
        let smallest = lines("PROV", BORDER);
        assert_eq!(smallest.len(), 13);
        assert!(smallest.iter().all(|line| line.chars().count() == 25));
        assert_eq!(smallest[0], "█".repeat(25));
        // Border, then the corner's dark frame of seven modules.
        assert!(smallest[1].starts_with("██ ▄▄▄▄▄ █"), "{}", smallest[1]);
        assert_eq!(smallest[12], "▀".repeat(25));
        let largest = lines(&"x".repeat(321), u8::MAX);
        assert!(largest.iter().all(|line| line.chars().count() == WIDEST));
    }

    #[test]
    fn too_long_a_text_is_not_drawn() {
        assert_eq!(lines(&"x".repeat(322), BORDER), Vec::<String>::new());
    }
}
