//! The threat model against the tests: each of its rows names those that show it, or says why there
//! is none.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace;

const MODEL: &str = "docs/threat-model.md";
/// The last column of a row that no test can show; the reason follows.
const NO_TEST: &str = "no test: ";
/// No reason is shorter.
const LEAST_REASON: usize = 20;

/// What is wrong with the threat model; and how many rows it has.
pub(super) fn check() -> Result<(Vec<String>, usize)> {
    let text = fs::read_to_string(workspace::root().join(MODEL))
        .with_context(|| format!("{MODEL} cannot be read"))?;
    let exists = |file: &str, test: &str| {
        fs::read_to_string(workspace::root().join(Path::new(file)))
            .is_ok_and(|source| defines(&source, test))
    };
    let rows: Vec<_> = rows(&text).collect();
    let mut faults: Vec<_> = rows
        .iter()
        .flat_map(|(number, row)| {
            faults_of(row, exists)
                .into_iter()
                .map(move |fault| format!("{MODEL}:{number}: {fault}"))
        })
        .collect();
    if rows.is_empty() {
        faults.push(format!("{MODEL} has no table"));
    }
    Ok((faults, rows.len()))
}

/// The lines of tables but their heads, with their numbers.
fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut before = "";
    text.lines().enumerate().filter_map(move |(index, line)| {
        let head = !before.starts_with('|');
        before = line;
        let row = line.starts_with('|') && !line.starts_with("|--") && !head;
        row.then_some((index + 1, line))
    })
}

fn faults_of(row: &str, exists: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let cells: Vec<_> = row.trim().trim_matches('|').split(" | ").collect();
    let [_, _, _, shown] = cells[..] else {
        return vec![format!("{} columns in place of 4", cells.len())];
    };
    let shown = shown.trim();
    if let Some(reason) = shown.strip_prefix(NO_TEST) {
        return match reason.len() {
            LEAST_REASON.. => Vec::new(),
            _ => vec!["why is there no test?".to_owned()],
        };
    }
    let names: Vec<_> = shown
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|name| name.split_once("::"))
        .collect();
    if names.is_empty() {
        return vec![format!(
            "names no test as `file::name`; if there can be none, say `{NO_TEST}` and why"
        )];
    }
    names
        .into_iter()
        .filter(|(file, test)| !exists(file, test))
        .map(|(file, test)| format!("there is no test {test} in {file}"))
        .collect()
}

/// Whether there is a test of this name: an attribute that ends in `test]` just before its function.
fn defines(source: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(index, line)| {
        line.contains(&head)
            && lines[..index]
                .iter()
                .rev()
                .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
                .any(|line| line.starts_with("#[") && line.contains("test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_below_a_head() {
        let text = "text\n| he can | shown by |\n|---|---|\n| a | b |\n\n| c | d |\n";
        assert_eq!(rows(text).collect::<Vec<_>>(), [(4, "| a | b |")]);
    }

    #[test]
    fn a_row_names_tests_that_exist_or_a_reason() {
        let known = |file: &str, test: &str| (file, test) == ("a/b.rs", "it_works");
        let faults = |shown: &str| faults_of(&format!("| a | b |  | {shown} |"), known).len();
        assert_eq!(faults("`a/b.rs::it_works`"), 0);
        assert_eq!(faults("`a/b.rs::it_works`, `a/b.rs::it_does_not`"), 1);
        assert_eq!(faults("`it_works`"), 1);
        assert_eq!(faults(""), 1);
        assert_eq!(faults("no test: "), 1);
        assert_eq!(
            faults("no test: what is outside cannot be reached from here"),
            0
        );
        assert_eq!(faults_of("| a | b | `a/b.rs::it_works` |", known).len(), 1);
    }

    #[test]
    fn a_test_has_an_attribute() {
        assert!(defines("#[test]\nfn a() {", "a"));
        assert!(defines("    #[tokio::test]\n    async fn a() {", "a"));
        assert!(!defines("fn a() {", "a"));
        assert!(!defines("#[test]\nfn ab() {", "a"));
    }
}
