//! A table for people: columns as wide as what is in them.

use std::fmt::Write as _;

use console::printable;

/// Lines with their columns below each other, the first as the head.
pub(crate) fn lines(rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<_>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<std::borrow::Cow<'_, str>>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A line of CSV (RFC 4180). A cell that a spreadsheet would take for a formula is made text by an
/// apostrophe, for names are a stranger's to choose.
pub(crate) fn csv(row: &[String]) -> String {
    let cell = |cell: &String| {
        let formula = cell.starts_with(['=', '+', '@', '\t', '\r'])
            || cell.starts_with('-') && cell.parse::<f64>().is_err();
        let text = match formula {
            true => format!("'{cell}"),
            false => cell.clone(),
        };
        match text.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text,
        }
    };
    row.iter().map(cell).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [
            row(&["NAME", "V"]),
            row(&["SN-Ä", "1.0.0"]),
            row(&["a\u{1b}", ""]),
        ];
        assert_eq!(lines(&rows), ["NAME     V", "SN-Ä     1.0.0", "a\\u{1b}"]);
    }

    #[test]
    fn csv_is_quoted_and_no_formula() {
        assert_eq!(
            csv(&row(&["a,b", "say \"x\"", "=1+1", "-61", "-x"])),
            "\"a,b\",\"say \"\"x\"\"\",'=1+1,-61,'-x"
        );
    }
}
