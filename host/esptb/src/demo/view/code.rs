//! QR codes of half blocks, two modules above each other in one cell.

use qrcode::{Color, EcLevel, QrCode};

/// The light border, in modules: less than the standard's four, but phones read it, and the code
/// fits a terminal of 24 lines.
const QUIET: usize = 1;

/// The lines of a QR code; light modules are drawn, so it wants bright characters on dark ground.
/// None if the text is too long for any code.
pub(crate) fn lines(text: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let modules = code.to_colors();
    let is_light = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|&at| at < width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => modules.get(y * width + x) == Some(&Color::Light),
            // The border is light; below it the last line may have half a cell too many.
            _ => y < width + 2 * QUIET,
        }
    };
    let side = width + 2 * QUIET;
    let cell = |x, y| match (is_light(x, y), is_light(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    Some(
        (0..side)
            .step_by(2)
            .map(|y| (0..side).map(|x| cell(x, y)).collect())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = r#"{"ver":"v1","name":"PROV_1A2B3C","username":"wifiprov","pop":"abcd1234","transport":"ble","security":2}"#;

    #[test]
    fn the_code_of_a_device_fits_a_small_terminal() {
        let lines = lines(PAYLOAD).unwrap();
        assert!(lines.len() <= 22, "{} lines", lines.len());
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() == lines[0].chars().count())
        );
        // Border, then the corner's dark frame of seven modules.
        assert!(lines[0].starts_with("█▀▀▀▀▀▀▀█"), "{}", lines[0]);
    }

    #[test]
    fn too_long_a_text_is_no_code() {
        assert!(super::lines(&"x".repeat(3000)).is_none());
    }
}
