//! The licences of everything that is built in, of all workspaces.
//!
//! cargo-deny checks licences as well. It is asked for the advisories ([`super::advisories`]), which nobody else has; but
//! it is a program that each computer has to compile first, and where it is missing this check would be skipped. What it
//! would replace here is a list and a call of `spdx`, which cargo-deny uses itself.

use anyhow::{Result, bail};
use cargo_metadata::Package;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::workspace;

/// Licences that a product may be built with and sold under any terms.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0", // data: the roots of the web's certificates
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA", // libFuzzer
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Licences that bind the package's own files only, which are built in as they were published: by
/// package, with the reason. None of them is in the firmware.
const UNCHANGED: &[(&str, &str)] = &[
    ("serialport", "MPL-2.0"), // serial ports for esptb and espflash; there is no other crate for them
];

/// Checks all workspaces; returns what was checked.
pub(super) fn check() -> Result<String> {
    let mut checked = 0;
    let mut faults = Vec::new();
    for folder in workspace::all() {
        let metadata = workspace::metadata(&folder)?;
        for package in &metadata.packages {
            checked += 1;
            let Package {
                name,
                version,
                license,
                ..
            } = package;
            let is_unchanged = UNCHANGED.iter().any(|(known, licence)| {
                *known == name.as_str() && license.as_deref() == Some(*licence)
            });
            if is_unchanged {
                continue;
            }
            if let Some(fault) = fault(license.as_deref()) {
                faults.push(format!("{name} {version}: {fault}"));
            }
        }
    }
    if !faults.is_empty() {
        faults.sort();
        faults.dedup();
        bail!("not known to be permissive:\n  {}", faults.join("\n  "));
    }
    Ok(format!("{checked} packages"))
}

/// What is wrong with a licence expression, if anything.
fn fault(licence: Option<&str>) -> Option<String> {
    let Some(text) = licence else {
        return Some("it states no licence".to_owned());
    };
    // Old manifests write `MIT/Apache-2.0`.
    match Expression::parse_mode(text, ParseMode::LAX) {
        Err(error) => Some(format!(
            "{text:?} is no licence expression ({})",
            error.reason
        )),
        Ok(expression) if expression.evaluate(permissive) => None,
        Ok(_) => Some(text.to_owned()),
    }
}

/// An exception only takes duties away, so `Apache-2.0 WITH LLVM-exception` is as good.
fn permissive(requirement: &LicenseReq) -> bool {
    requirement
        .license
        .id()
        .is_some_and(|id| PERMISSIVE.contains(&id.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_permissive_choice_is_enough() {
        assert_eq!(fault(Some("MIT OR GPL-3.0-only")), None);
        assert_eq!(fault(Some("MIT/Apache-2.0")), None);
        assert_eq!(fault(Some("Apache-2.0 WITH LLVM-exception")), None);
        assert_eq!(fault(Some("(MIT OR Apache-2.0) AND Unicode-3.0")), None);
    }

    #[test]
    fn a_single_restrictive_part_is_too_much() {
        assert!(fault(Some("MIT AND GPL-3.0-only")).is_some());
        assert!(fault(Some("MPL-2.0")).is_some());
        assert!(fault(Some("no such thing")).is_some());
        assert!(fault(None).is_some());
    }
}
