//! MbedTLS, of which the device knows more than its interface: that `docs/mbedtls.md` speaks for the
//! version that is built in, that what the device relies on is as it was when somebody read it, and
//! that tests have the MbedTLS that the device has.
//!
//! Another version fails here until the advisories and the account there have been read for it. No
//! version is pinned for that: a security release is a change of that page. Time alone fails
//! nothing: that the advisories were last read long ago is told, no more.

mod account;
mod source;

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::camino::Utf8PathBuf;

use crate::workspace;
use account::Account;
use source::Source;

/// After so many days the advisories ought to be read again.
const STALE_DAYS: u64 = 60;

/// Checks it all; returns what was checked.
pub(super) fn check() -> Result<String> {
    let page = workspace::root().join("docs/mbedtls.md");
    let account = Account::read(&page)?;
    let folder = package(&account)?;
    let source = Source::read(folder.join("mbedtls").as_std_path())?;
    ensure!(
        source.version == account.version,
        "MbedTLS is {}, and docs/mbedtls.md speaks for {}: read the advisories and what the device \
         relies on anew, and say so there",
        source.version,
        account.version
    );
    let mut faults = account.compare(&source);
    faults.extend(account.unnamed(&workspace::root().join("crates/device/src"))?);
    faults.extend(other_builds()?);
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    let age = days_since(&account.read)?;
    let stale = if age > STALE_DAYS {
        "; WARNING: that is long ago, look for new ones (docs/mbedtls.md says where)"
    } else {
        ""
    };
    Ok(format!(
        "MbedTLS {}, {} internals as they were read, advisories read {age} days ago{stale}",
        account.version,
        account.entries.len()
    ))
}

/// The folder of the bindings, which must be those that the page names, in all workspaces.
fn package(account: &Account) -> Result<Utf8PathBuf> {
    let mut found = None;
    for folder in workspace::all() {
        for package in workspace::metadata(&folder)?.packages {
            if package.name.as_str() != "mbedtls-rs-sys" {
                continue;
            }
            ensure!(
                package.version.to_string() == account.bindings,
                "{} has mbedtls-rs-sys {}, and docs/mbedtls.md speaks for {}: read what changed, \
                 and say so there",
                folder.display(),
                package.version,
                account.bindings
            );
            found = package.manifest_path.parent().map(ToOwned::to_owned);
        }
    }
    found.context("no workspace has mbedtls-rs-sys")
}

/// What would build another MbedTLS than the bindings and the tests know.
fn other_builds() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let manifest = read(&workspace::root().join("crates/device/Cargo.toml"))?;
    let (_, tests) = manifest
        .split_once("[dev-dependencies]")
        .context("the manifest of device has no [dev-dependencies]")?;
    if tests.contains("mbedtls-rs-sys") {
        faults.push(
            "crates/device/Cargo.toml: with features of its own for tests, MbedTLS is not that of \
             the device"
                .to_owned(),
        );
    }
    for folder in workspace::all() {
        let config = folder.join(".cargo/config.toml");
        if config.exists() && read(&config)?.contains("-DMBEDTLS_SSL_") {
            faults.push(format!(
                "{}: a flag for C that changes TLS is not known to the bindings, by which \
                 crates/device/src/tls/buffers.rs goes",
                config.display()
            ));
        }
    }
    Ok(faults)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Days from a date, as 2026-11-29, to today; 0 if it is to come.
fn days_since(date: &str) -> Result<u64> {
    let parts: Vec<i64> = date.split('-').map(str::parse).collect::<Result<_, _>>()?;
    let &[year, month, day] = &parts[..] else {
        bail!("docs/mbedtls.md: {date} is no date");
    };
    // Years that begin in March have their odd day at the end (Howard Hinnant, days_from_civil).
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    let today = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400;
    Ok(today.saturating_sub(days.try_into().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        let today = days_since("1970-01-01").unwrap();
        assert_eq!(
            today - days_since("2026-11-29").unwrap().min(today),
            today.min(20_786)
        );
        assert_eq!(today - days_since("2000-02-29").unwrap(), 11_016);
        assert!(days_since("soon").is_err());
    }

    #[test]
    fn the_page_is_true() {
        check().unwrap();
    }
}
