//! What `docs/mbedtls.md` says, and what the device's own comments say.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};

use super::source::Source;
use crate::workspace;

/// The heading above the table of what the device relies on.
const HEADING: &str = "## What the device relies on";

pub(super) struct Account {
    /// The version of MbedTLS that it speaks for, and of the bindings.
    pub(super) version: String,
    pub(super) bindings: String,
    /// The day on which the advisories were last read.
    pub(super) read: String,
    /// Names in MbedTLS with the marks of what was read.
    pub(super) entries: BTreeMap<String, String>,
}

impl Account {
    pub(super) fn read(page: &Path) -> Result<Self> {
        let text = super::read(page)?;
        let after = |label: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(label));
            line.map(|value| value.trim().to_owned())
                .with_context(|| format!("docs/mbedtls.md has no line that begins \"{label}\""))
        };
        let (_, table) = text
            .split_once(HEADING)
            .with_context(|| format!("docs/mbedtls.md has no \"{HEADING}\""))?;
        let mut entries = BTreeMap::new();
        for row in table.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let (first, last) = (cells.first(), cells.last());
            let (first, last) = first.zip(last).context("a row has cells")?;
            entries.insert(first.trim_matches('`').to_owned(), (*last).to_owned());
        }
        Ok(Self {
            version: after("- MbedTLS: ")?,
            bindings: after("- mbedtls-rs-sys: ")?,
            read: after("- Advisories last read: ")?,
            entries,
        })
    }

    /// What is not as it was.
    pub(super) fn compare(&self, source: &Source) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, mark) in &self.entries {
            match source.mark(name) {
                Some(now) if now == *mark => {}
                Some(now) => faults.push(format!(
                    "MbedTLS's {name} is not what was read ({mark}): read it anew, and note {now}"
                )),
                None => faults.push(format!("MbedTLS has no {name} any more")),
            }
        }
        faults
    }

    /// What the device touches, or says of MbedTLS, that is not in the table.
    pub(super) fn unnamed(&self, device: &Path) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for path in workspace::sources()? {
            let path = workspace::root().join(path);
            if !path.starts_with(device) {
                continue;
            }
            let text = super::read(&path)?;
            let is_test = path.ends_with("wycheproof.rs") || path.ends_with("tests.rs");
            let fields = if is_test { Vec::new() } else { fields(&text) };
            for name in fields.into_iter().chain(claims(&text)) {
                if !self.entries.contains_key(&name) {
                    faults.push(format!(
                        "{}: {name} of MbedTLS is not in the table of docs/mbedtls.md",
                        path.display()
                    ));
                }
            }
        }
        faults.sort();
        faults.dedup();
        Ok(faults)
    }
}

/// The private fields that a file touches.
fn fields(text: &str) -> Vec<String> {
    let pieces = text.split(".private_").skip(1);
    pieces.map(|piece| name_at(piece).to_owned()).collect()
}

/// The functions and macros that comments of a file name: `(library/file.c, name`.
fn claims(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if let Some(comment) = line.strip_prefix("//") {
            words.extend(comment.trim_start_matches(['/', '!']).split_whitespace());
        }
    }
    let pairs = words.windows(2);
    pairs
        .filter(|pair| {
            pair[0].trim_start_matches('(').starts_with("library/") && pair[0].ends_with(',')
        })
        .map(|pair| name_at(pair[1].trim_start_matches('`')).to_owned())
        // A version alone.
        .filter(|name| name != "v3")
        .collect()
}

fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_found_across_lines() {
        let text = "//! As it does (library/ssl_msg.c,\n//! `some_function`, v3.6.5), or not\nlet x = 1;\n    // (library/x509.c, other). (library/third.c, v3.6.5)\n";
        assert_eq!(claims(text), ["some_function", "other"]);
        assert_eq!(
            fields("ssl.private_in_left == 0 && ssl.private_in_offt.is_null()"),
            ["in_left", "in_offt"]
        );
    }
}
