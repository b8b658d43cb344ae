//! The figures in docs/performance.md, between two marks, and the plots beside it.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::plot;
use super::record::{Figure, Record, number};
use crate::{terminal, workspace};

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench --write` -->\n";
const END: &str = "<!-- end of the figures -->\n";

/// Chapters: the beginning of the names of their figures, and their headings.
const CHAPTERS: [(&str, &str); 8] = [
    ("instructions.", "Instructions"),
    ("process.", "An image, as a process"),
    ("batch.", "Images in batches"),
    ("heap.", "Heap"),
    ("fleet.local.", "A fleet against the local server"),
    ("fleet.mosquitto.", "A fleet against Mosquitto"),
    ("rollout.", "A new version for a fleet"),
    ("renew.", "New certificates for a fleet"),
];

/// Writes all there is; a chapter of which nothing was measured stays as it stands.
pub(super) fn write(record: &Record) -> Result<()> {
    let page = workspace::root().join("docs/performance.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let figures = figures(record, &text)?;
    let text = replaced(&text, &figures)
        .with_context(|| format!("{} has lost the marks of the figures", page.display()))?;
    fs::write(&page, text)?;
    terminal::remark(format!("written: {}", page.display()));
    Ok(())
}

fn replaced(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{figures}{END}{after}"))
}

/// A chapter as it stands in the page.
fn chapter<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let start = page.find(&format!("\n### {heading}\n"))?;
    let text = &page[start..];
    let next = text[1..].find("\n### ").map(|at| at + 1);
    let end = next.or_else(|| text.find(&format!("\n{END}")))?;
    Some(&text[..end])
}

fn figures(record: &Record, page: &str) -> Result<String> {
    let mut text = "\n| measured on | |\n|---|---|\n".to_owned();
    for (what, which) in &record.machine {
        put(&mut text, format_args!("| {what} | {which} |"));
    }
    for (prefix, heading) in CHAPTERS {
        let figures = record.figures.iter();
        let figures: Vec<_> = figures
            .filter(|figure| figure.name.starts_with(prefix))
            .collect();
        if figures.is_empty() {
            text.push_str(chapter(page, heading).unwrap_or_default());
            continue;
        }
        put(&mut text, format_args!("\n### {heading}\n"));
        table(&mut text, &figures);
        for name in plots(&figures) {
            let same = |figure: &&&Figure| figure.plot.as_ref() == Some(&name);
            let drawn: Vec<_> = figures.iter().filter(same).copied().collect();
            let file = file(prefix, &name);
            fs::write(images().join(&file), plot::draw(&drawn))?;
            let titles: Vec<_> = drawn.iter().map(|figure| figure.title.as_str()).collect();
            put(
                &mut text,
                format_args!("\n![{}](images/{file})", titles.join("; ")),
            );
        }
    }
    text.push('\n');
    Ok(text)
}

fn images() -> PathBuf {
    workspace::root().join("docs/images")
}

/// The same plot is drawn for each broker.
fn file(prefix: &str, plot: &str) -> String {
    match prefix.strip_prefix("fleet.") {
        Some(broker) => format!("bench-{plot}-{}.svg", broker.trim_end_matches('.')),
        None => format!("bench-{plot}.svg"),
    }
}

/// The plots of some figures, in order.
fn plots(figures: &[&Figure]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in figures.iter().filter_map(|figure| figure.plot.as_ref()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn table(text: &mut String, figures: &[&Figure]) {
    put(
        text,
        format_args!("| | | {:>20} |\n|---|---|---:|", "value"),
    );
    for figure in figures {
        let axis = figure.axis.as_deref().unwrap_or_default();
        for (row, point) in figure.points.iter().enumerate() {
            let title = match row {
                0 => format!("{}, {}", figure.title, figure.unit),
                _ => String::new(),
            };
            let label = format!("{} {axis}", point.label);
            let value = number(point.value);
            put(
                text,
                format_args!("| {title} | {} | {value} |", label.trim()),
            );
        }
    }
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}new\n{END}after\n"));
        assert_eq!(replaced("nothing", "new"), None);
    }

    #[test]
    fn what_was_not_measured_stays() {
        let page = format!("{BEGIN}\n### Heap\n\n| a |\n\n![a](b)\n\n### Last\n\n| b |\n\n{END}");
        let heap = "\n### Heap\n\n| a |\n\n![a](b)\n";
        assert_eq!(chapter(&page, "Heap"), Some(heap));
        assert_eq!(chapter(&page, "Last"), Some("\n### Last\n\n| b |\n"));
        assert_eq!(chapter(&page, "None"), None);
        let written = figures(&Record::default(), &page).unwrap();
        assert!(written.ends_with(&format!("{heap}\n")), "{written}");
    }

    #[test]
    fn a_figure_has_a_row_for_each_size() {
        let mut text = String::new();
        let figure = Figure::new("a", "Title", "ms")
            .over("n", "p")
            .at(1.0, 0.5)
            .at(2000.0, 1e6);
        table(&mut text, &[&figure]);
        assert!(text.contains("| Title, ms | 1 n | 0.500 |"), "{text}");
        assert!(text.contains("|  | 2,000 n | 1,000,000 |"), "{text}");
    }
}
