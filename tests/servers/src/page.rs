//! The table in docs/tls-servers.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::servers::Maker;
use crate::setting::{Setting, shown};
use crate::visit::Outcome;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tls-servers.md");

/// The table is between these lines.
const BEGIN: &str = "<!-- written by `cargo xtask servers --update` -->";
const END: &str = "<!-- end of what is written -->";

/// What a server cannot be set to.
const NEVER: &str = "·";

/// What was found.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) versions: BTreeMap<Maker, String>,
    /// By server and row.
    pub(crate) cells: BTreeMap<(Maker, usize), Outcome>,
}

/// What a cell says. `errors` are those told so far, which are numbered by letters.
fn cell(outcome: &Outcome, tickets: bool, errors: &mut Vec<String>) -> String {
    match outcome {
        Outcome::Online(version) => shown(*version).trim_start_matches("TLS ").to_owned(),
        Outcome::Twice(version, _) => {
            let version = shown(*version).trim_start_matches("TLS ");
            // Without tickets it hangs on when the server forgets a session that broke off.
            let again = if tickets { "resumed" } else { "again" };
            format!("{version}, {again}")
        }
        Outcome::Refused(error) => {
            let text = error.to_string();
            let number = errors.iter().position(|told| *told == text);
            let number = number.unwrap_or_else(|| {
                errors.push(text);
                errors.len() - 1
            });
            let letter = char::from(b'A' + u8::try_from(number).unwrap_or(0));
            format!("**{letter}**")
        }
    }
}

fn written(table: &Table, settings: &[Setting]) -> String {
    let mut text = "| set to |".to_owned();
    for maker in Maker::ALL {
        let version = table.versions.get(&maker).map_or("", String::as_str);
        let _ = write!(text, " {} {version} |", maker.name());
    }
    text += "\n|---|";
    text += &"---|".repeat(Maker::ALL.len());
    text.push('\n');
    let mut errors = Vec::new();
    for (row, setting) in settings.iter().enumerate() {
        let _ = write!(text, "| {} |", setting.name);
        for maker in Maker::ALL {
            let outcome = table.cells.get(&(maker, row));
            let cell = outcome.map_or(NEVER.to_owned(), |outcome| {
                cell(outcome, setting.tickets, &mut errors)
            });
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text += "\nWhat the device says:\n\n";
    for (number, error) in errors.iter().enumerate() {
        let letter = char::from(b'A' + u8::try_from(number).unwrap_or(0));
        let _ = writeln!(text, "- **{letter}**: {error}");
    }
    text
}

/// Compares the page's table with what was found, or writes it. Of servers that were not met, and of
/// their versions, nothing is known.
pub(crate) fn check(table: &Table, settings: &[Setting], update: bool) -> Result<()> {
    let page = Path::new(PAGE);
    let text = fs::read_to_string(page).context("docs/tls-servers.md cannot be read")?;
    let parts = text
        .split_once(BEGIN)
        .and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let Some((head, (told, tail))) = parts else {
        bail!("docs/tls-servers.md has no place for the table");
    };
    let now = written(table, settings);
    if update {
        if table.versions.len() < Maker::ALL.len() {
            bail!("a table of some servers only is none: `cargo xtask setup` brings the others");
        }
        let now = format!("{head}{BEGIN}\n\n{now}\n{END}{tail}");
        return fs::write(page, now).context("docs/tls-servers.md is not written");
    }
    compare(&rows(told), &rows(&now), table)
}

/// The cells of the table, of each row its name first. Where a cell has a letter, what that stands for.
fn rows(text: &str) -> Vec<Vec<String>> {
    let meaning = |cell: &str| -> String {
        let letter = format!("- {cell}: ");
        let told = text.lines().find_map(|line| line.strip_prefix(&letter));
        told.unwrap_or(cell).to_owned()
    };
    let lines = text.lines().filter_map(|line| line.strip_prefix("| "));
    lines
        .map(|line| {
            line.trim_end_matches(" |")
                .split(" | ")
                .map(meaning)
                .collect()
        })
        .collect()
}

fn compare(told: &[Vec<String>], now: &[Vec<String>], table: &Table) -> Result<()> {
    const STALE: &str = "docs/tls-servers.md is not up to date: `cargo xtask servers --update`";
    if told.len() != now.len() {
        bail!("{STALE} ({} rows in place of {})", told.len(), now.len());
    }
    // The first row has the versions.
    for (told, now) in told.iter().zip(now).skip(1) {
        if told.first() != now.first() || told.len() != now.len() {
            bail!("{STALE} ({})", now.join(" | "));
        }
        for (maker, (told, now)) in Maker::ALL.iter().zip(told.iter().zip(now).skip(1)) {
            if table.versions.contains_key(maker) && told != now {
                bail!("{STALE} ({}, {}: {now})", maker.name(), told);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "| set to | OpenSSL 3.0 | GnuTLS 3.7 |\n|---|---|---|\n\
        | as it is | 1.3 | **A** |\n\n- **A**: the reason\n";

    #[test]
    fn a_letter_is_as_good_as_another_and_a_server_that_was_not_met_is_not_asked() {
        let other = TOLD.replace("**A**", "**B**").replace("3.7", "3.8");
        let mut table = Table::default();
        for maker in Maker::ALL {
            table.versions.insert(maker, String::new());
        }
        let check = |text: &str, table: &Table| compare(&rows(TOLD), &rows(text), table);
        assert!(check(&other, &table).is_ok());
        let changed = other.replace("the reason", "another");
        assert!(check(&changed, &table).is_err());
        table.versions.remove(&Maker::GnuTls);
        assert!(check(&changed, &table).is_ok());
        assert!(check(&TOLD.replace("as it is", "otherwise"), &table).is_err());
    }
}
