//! The rules of the house that can be read off the sources.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A file that grew longer than this is two files.
const MOST_LINES: usize = 500;

/// What has no place in finished code. This file, which names them, is passed over.
const LEFTOVERS: &[&str] = &[
    "todo!(",
    "unimplemented!(",
    "dbg!(",
    "FIXME",
    "TODO",
    "XXX",
    "#[ignore",
    "allow(dead_code",
    "expect(dead_code",
];

/// The only folder whose code names chips.
const BOARDS: &str = "firmware/src/board/";

/// Checks every source file; returns what was checked.
pub(super) fn check() -> Result<String> {
    let mut faults = Vec::new();
    let sources = workspace::sources()?;
    for path in &sources {
        let text = fs::read_to_string(workspace::root().join(path))
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let shown = path.to_string_lossy();
        faults.extend(
            faults_of(&shown, &text)
                .into_iter()
                .map(|fault| format!("{shown}{fault}")),
        );
    }
    faults.extend(unsafe_allowed()?);
    let (untested, threats) = super::threats::check()?;
    faults.extend(untested);
    if !faults.is_empty() {
        bail!("against the rules of the house:\n  {}", faults.join("\n  "));
    }
    Ok(format!("{} files, {threats} threats", sources.len()))
}

/// The crates whose manifest does not take over the lints of the workspace, which deny unsafe code.
fn unsafe_allowed() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for krate in fs::read_dir(workspace::root().join("crates"))? {
        let manifest = krate?.path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("{} cannot be read", manifest.display()))?;
        if !text.contains("[lints]\nworkspace = true") {
            faults.push(format!(
                "{}: it must say [lints] workspace = true",
                manifest.display()
            ));
        }
    }
    Ok(faults)
}

fn faults_of(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > MOST_LINES {
        faults.push(format!(
            ": {lines} lines; split it, the limit is {MOST_LINES}"
        ));
    }
    if is_root_of_crate(path) && !text.contains("#![no_std]") {
        faults.push(": crates/ are for chips: it must say #![no_std]".to_owned());
    }
    if path == "xtask/src/checks/rules.rs" {
        return faults;
    }
    for (number, line) in text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
    {
        if let Some(word) = LEFTOVERS.iter().find(|word| line.contains(**word)) {
            faults.push(format!(":{number}: {word}"));
        }
        if !path.starts_with(BOARDS)
            && !is_test(path)
            && code(line).to_ascii_lowercase().contains("esp32")
        {
            faults.push(format!(":{number}: names a chip; only {BOARDS} may"));
        }
    }
    faults
}

fn is_root_of_crate(path: &str) -> bool {
    let parts: Vec<_> = Path::new(path).iter().collect();
    matches!(parts.as_slice(), [top, _, src, lib] if *top == "crates" && *src == "src" && *lib == "lib.rs")
}

/// Tests may well speak of a device that exists.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("tests/")
}

/// A line without its comment: sources of facts may well name a chip.
fn code(line: &str) -> &str {
    let comment = line
        .match_indices("//")
        .find(|(start, _)| !line[..*start].ends_with(':'));
    comment.map_or(line, |(start, _)| &line[..start])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_refused() {
        assert!(faults_of("host/a/src/b.rs", &"\n".repeat(MOST_LINES)).is_empty());
        assert_eq!(
            faults_of("host/a/src/b.rs", &"\n".repeat(MOST_LINES + 1)).len(),
            1
        );
    }

    #[test]
    fn crates_for_chips_say_so() {
        assert_eq!(faults_of("crates/a/src/lib.rs", "").len(), 1);
        assert!(faults_of("crates/a/src/lib.rs", "#![no_std]\n").is_empty());
        assert!(faults_of("crates/a/src/other.rs", "").is_empty());
    }

    #[test]
    fn chips_are_named_on_boards_and_in_comments_only() {
        assert_eq!(
            faults_of("host/a/src/b.rs", "let chip = \"ESP32-C3\";").len(),
            1
        );
        assert!(faults_of("host/a/src/b.rs", "a(); // as on the ESP32-C3").is_empty());
        assert!(faults_of("host/a/tests/b.rs", "let chip = \"ESP32-C3\";").is_empty());
        assert!(faults_of("firmware/src/board/c3.rs", "let chip = \"ESP32-C3\";").is_empty());
        assert_eq!(
            faults_of("host/a/src/b.rs", "see(\"http://esp32.example\")").len(),
            1
        );
    }

    #[test]
    fn leftovers_are_found() {
        assert_eq!(
            faults_of("host/a/src/b.rs", "fn a() { todo!() }"),
            [":1: todo!("]
        );
    }
}
