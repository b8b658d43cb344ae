//! What the chores print: headings, remarks, tables, durations.
//!
//! Colours go through `anstream`, which leaves them out when the output is not a terminal, and
//! when `NO_COLOR` or `CI` asks for plain text.

use std::{fmt::Display, time::Duration};

use clap::builder::styling::{AnsiColor, Style};

/// Turns colours off where a log would keep the escape sequences (`CI=true`).
pub(crate) fn configure() {
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    if ci {
        anstream::ColorChoice::Never.write_global();
    }
}

/// A word in bold.
pub(crate) fn bold(text: impl Display) -> String {
    paint(Style::new().bold(), text)
}

/// A word in green: it went well.
pub(crate) fn green(text: impl Display) -> String {
    paint(AnsiColor::Green.on_default().bold(), text)
}

/// A word in red: it failed.
pub(crate) fn red(text: impl Display) -> String {
    paint(AnsiColor::Red.on_default().bold(), text)
}

/// A word in yellow: look here.
pub(crate) fn yellow(text: impl Display) -> String {
    paint(AnsiColor::Yellow.on_default().bold(), text)
}

fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints the line that opens a step. It goes to stderr, in order with what cargo prints there.
pub(crate) fn heading(text: impl Display) {
    anstream::eprintln!("\n{}", bold(format!("== {text} ==")));
}

/// Prints a remark between the lines of other programs.
pub(crate) fn remark(text: impl Display) {
    anstream::eprintln!("{} {text}", green("xtask"));
}

/// `0.4 s`, `12.3 s`, `4 min 05 s`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// A number with a comma between thousands: `1,310,720`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Lays rows out in columns: the first to the left, the others to the right.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let mut out = String::new();
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let gap = if index == 0 { "" } else { "  " };
            let padding = " ".repeat(width - cell.chars().count());
            if index == 0 {
                out += &format!("{gap}{cell}{padding}");
            } else {
                out += &format!("{gap}{padding}{cell}");
            }
        }
        out.trim_end().to_owned() + "\n"
    };
    let mut out = line(head);
    let rules = widths.map(|width| "-".repeat(width));
    out += &line(rules.each_ref().map(String::as_str));
    for row in rows {
        out += &line(row.each_ref().map(String::as_str));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_310_720), "1,310,720");
    }

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!(duration(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(245)), "4 min 05 s");
    }

    #[test]
    fn tables_line_up() {
        let rows = [
            ["a".to_owned(), "1".to_owned()],
            ["bcd".to_owned(), "1,000".to_owned()],
        ];
        let expected = "name  bytes\n----  -----\na         1\nbcd   1,000\n";
        assert_eq!(table(["name", "bytes"], &rows), expected);
    }
}
