//! Curves of one line's height.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The newest `width` values as bars between the least and the greatest of them, oldest first.
/// `span` is the least difference that fills the height, so that noise does not look like drama.
pub(super) fn curve(values: &[f64], width: usize, span: f64) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let least = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (middle, range) = ((least + greatest) / 2.0, (greatest - least).max(span));
    shown
        .iter()
        .map(|value| {
            let height = (value - middle) / range + 0.5;
            // Not a number, and all that is below, is the lowest bar.
            let bar = (height * BARS.len() as f64) as usize;
            BARS[bar.min(BARS.len() - 1)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_values_fill_the_height() {
        assert_eq!(curve(&[9.0, 0.0, 1.0, 2.0], 3, 1.0), "▁▅█");
        assert_eq!(curve(&[], 3, 1.0), "");
        assert_eq!(curve(&[1.0], 0, 1.0), "");
    }

    #[test]
    fn small_changes_stay_small() {
        assert_eq!(curve(&[20.0, 20.0], 9, 1.0), "▅▅");
        assert_eq!(curve(&[20.0, 20.1], 9, 4.0), "▄▅");
        assert_eq!(curve(&[f64::NAN, 1.0], 9, 1.0), "▁▅");
    }
}
