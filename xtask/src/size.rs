//! `cargo xtask size`: the firmware's figures against those on record.
//!
//! The record is firmware/size.json, one account per chip; `--record` writes it anew.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::{
    chips,
    firmware::{
        self,
        account::{Account, Share},
    },
    terminal::{self, thousands},
    workspace,
};

/// The options of `cargo xtask size`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The chip; those known are in firmware/Cargo.toml
    #[arg(long, value_name = "CHIP")]
    chip: Option<String>,
    /// Put today's figures on record
    #[arg(long)]
    record: bool,
}

/// What may change unmentioned, in parts of a thousand.
const TOLERANCE_PER_MILLE: u64 = 10;
/// An owner's share is mentioned only if it also changed by this many bytes.
const LEAST_BYTES: u64 = 256;

/// Compares, or with `--record` writes.
pub(crate) fn run(options: &Options) -> Result<()> {
    let chip = chips::find(options.chip.as_deref())?;
    crate::setup::run(crate::setup::Purpose::Firmware)?;
    let now = firmware::build(&chip)?;
    let mut record = read()?;
    match record.get(&chip.name) {
        Some(before) => anstream::println!("{}", comparison(before, &now)),
        None => terminal::remark(format!("no figures on record for {}", chip.name)),
    }
    if options.record {
        record.insert(chip.name, now);
        let text = serde_json::to_string_pretty(&record)? + "\n";
        fs::write(path(), text).with_context(|| format!("{} not written", path().display()))?;
        terminal::remark(format!("on record: {}", path().display()));
    }
    Ok(())
}

/// One line for a build: the image, and how far it is from the record.
pub(crate) fn summary(now: &Account) -> Result<String> {
    let image = format!(
        "{}: image {} of {} bytes",
        now.chip,
        thousands(now.image),
        thousands(now.slot)
    );
    Ok(match read()?.get(&now.chip) {
        Some(before) => format!(
            "{image}, {} since the record",
            change(before.image, now.image)
        ),
        None => image,
    })
}

fn path() -> PathBuf {
    workspace::firmware().join("size.json")
}

fn read() -> Result<BTreeMap<String, Account>> {
    if !path().exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(path())?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged; `--record` writes it anew", path().display()))
}

fn comparison(before: &Account, now: &Account) -> String {
    let mut rows = vec![
        row("app image", before.image, now.image),
        row("static RAM", before.ram, now.ram),
        row("left for the main stack", before.ram_left, now.ram_left),
    ];
    let mut owners: Vec<_> = before.owners.keys().chain(now.owners.keys()).collect();
    owners.sort();
    owners.dedup();
    for owner in owners {
        let share = |account: &Account| account.owners.get(owner).copied().unwrap_or_default();
        let (old, new): (Share, Share) = (share(before), share(now));
        for (what, old, new) in [("flash", old.flash, new.flash), ("RAM", old.ram, new.ram)] {
            if old.abs_diff(new) >= LEAST_BYTES && changed(old, new) {
                rows.push(row(&format!("  {owner}, {what}"), old, new));
            }
        }
    }
    let table = terminal::table(["bytes", "on record", "now", "change"], &rows);
    let verdict = if changed(before.image, now.image) || changed(before.ram, now.ram) {
        "The size changed by more than 1 %. If it is meant to: cargo xtask size --record"
    } else {
        "The size is that on record, give or take 1 %."
    };
    format!("{table}\n{verdict}")
}

fn row(what: &str, before: u64, now: u64) -> [String; 4] {
    [
        what.to_owned(),
        thousands(before),
        thousands(now),
        change(before, now),
    ]
}

fn changed(before: u64, now: u64) -> bool {
    before.abs_diff(now) * 1000 > before * TOLERANCE_PER_MILLE
}

fn change(before: u64, now: u64) -> String {
    let difference = now as f64 - before as f64;
    if difference == 0.0 {
        "no change".to_owned()
    } else if before == 0 {
        "new".to_owned()
    } else {
        format!("{:+.1} %", difference * 100.0 / before as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(image: u64, device: u64) -> Account {
        let owners = [(
            "device".to_owned(),
            Share {
                flash: device,
                ram: 0,
            },
        )]
        .into();
        Account {
            chip: "c".to_owned(),
            image,
            slot: 2000,
            ram: 100,
            ram_left: 50,
            owners,
        }
    }

    #[test]
    fn one_per_cent_is_tolerated_and_more_is_shown() {
        assert!(!changed(1000, 1010));
        assert!(changed(1000, 1011));
        assert!(changed(0, 1));
        assert!(comparison(&account(1000, 0), &account(1010, 0)).contains("give or take"));
        assert!(comparison(&account(1000, 0), &account(980, 0)).contains("more than 1 %"));
    }

    #[test]
    fn the_crate_that_grew_is_named() {
        let text = comparison(&account(1000, 400), &account(1000, 800));
        let line = text
            .lines()
            .find(|line| line.contains("device, flash"))
            .expect("its own line");
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!(cells, ["device,", "flash", "400", "800", "+100.0", "%"]);
    }
}
