//! The paths of source files as the firmware has them, in the places of its panics.
//!
//! By itself the compiler writes whole paths of the machine that it runs on: 10 KB of the image,
//! and the same sources would give other bytes elsewhere.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::chips::Chip;
use crate::workspace;

/// For cargo's `--config`: files of registries begin with the name of their package, those of the
/// firmware with `src`, those of the project's other packages with their path in it. Cargo adds
/// this to the flags of firmware/.cargo/config.toml.
///
/// # Errors
///
/// Cargo does not know where the packages lie.
pub(super) fn shortened(chip: &Chip) -> Result<String> {
    let mut prefixes = BTreeSet::new();
    for package in workspace::metadata(&workspace::firmware())?.packages {
        if package.source.is_some()
            && let Some(folder) = package
                .manifest_path
                .parent()
                .and_then(|path| path.parent())
        {
            prefixes.insert(folder.to_string());
        }
    }
    for folder in [workspace::root(), &workspace::firmware()] {
        prefixes.insert(folder.to_string_lossy().into_owned());
    }
    Ok(flags(&chip.target, &prefixes))
}

fn flags(target: &str, prefixes: &BTreeSet<String>) -> String {
    // In order, so that a folder comes after the one around it: the last that fits counts.
    let flags: Vec<_> = prefixes
        .iter()
        .map(|prefix| format!("--remap-path-prefix={prefix}="))
        .collect();
    // An array of strings is the same in JSON and TOML.
    format!("target.{target}.rustflags={}", serde_json::json!(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_flags_of_the_target() {
        let prefixes = ["/home/a b/registry", "/project"].map(str::to_owned);
        assert_eq!(
            flags("some-none-elf", &prefixes.into()),
            r#"target.some-none-elf.rustflags=["--remap-path-prefix=/home/a b/registry=","--remap-path-prefix=/project="]"#
        );
    }
}
