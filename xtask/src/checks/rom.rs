//! Whether the symbols that the radios' libraries want are there, and the memory that a chip's file gives away: of chips
//! that nothing here can link.
//!
//! What a library wants must be in a library of its chip, in a linker script (of the chip's ROM, or
//! ours), or be the name of a function or a static of the crates that call it. By names alone that
//! is too strict: a linker takes only those objects that somebody calls. So what is missed for a chip
//! that the step `firmware` links is not missed, nor what firmware/Cargo.toml excuses; the rest is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};

use super::spare;
use crate::chips::{self, Chip};
use crate::workspace;

/// The crates whose functions and statics the libraries call.
const CALLED: &[&str] = &[
    "esp-alloc",
    "esp-hal",
    "esp-phy",
    "esp-println",
    "esp-radio",
    "esp-radio-rtos-driver",
    "esp-rom-sys",
    "esp-rtos",
];

/// Looks at all chips; returns what was looked at.
///
/// # Errors
///
/// A library wants a symbol that nothing gives, or a crate is not where cargo says.
pub(super) fn check() -> Result<String> {
    // Of all chips at once, which cannot be built, only resolved.
    let metadata = workspace::metadata_of_all_features(&workspace::firmware())?;
    let called = called(&metadata)?;
    let mut missing = BTreeMap::new();
    let (mut wanted, mut given) = (0, 0);
    let (esp_hal, esp_radio) = (
        folder(&metadata, "esp-hal")?,
        folder(&metadata, "esp-radio")?,
    );
    for chip in chips::known()? {
        given += spare::check(&chip.name, &esp_hal, &esp_radio)?;
        let symbols = Symbols::of(&metadata, &chip, &called)?;
        wanted += symbols.wanted.len();
        missing.insert(chip.name.clone(), (chip, symbols.missing()));
    }
    let linked: BTreeSet<_> = missing
        .values()
        .filter(|(chip, _)| chip.toolchain().is_none())
        .flat_map(|(_, missing)| missing.clone())
        .collect();
    let mut faults = Vec::new();
    for (name, (chip, missing)) in &missing {
        let called = |symbol: &&String| !chip.not_called.contains(symbol);
        for symbol in missing.difference(&linked).filter(called) {
            faults.push(format!("{symbol} ({name})"));
        }
    }
    if !faults.is_empty() {
        bail!(
            "the radios' libraries want what neither ROM nor Rust gives: {}. What is in ROM goes into \
             firmware/rom-CHIP.x, with its address by ESP-IDF's components/esp_rom/CHIP/ld",
            faults.join(", ")
        );
    }
    Ok(format!(
        "{wanted} symbols of {} chips; {given} bytes of memory given by address are nobody else's",
        missing.len()
    ))
}

/// What the libraries of a chip want, and what there is.
#[derive(Default)]
struct Symbols {
    wanted: BTreeSet<String>,
    given: BTreeSet<String>,
}

impl Symbols {
    fn of(metadata: &Metadata, chip: &Chip, called: &BTreeSet<String>) -> Result<Self> {
        let mut symbols = Self::default();
        let libraries = folder(metadata, &format!("esp-wifi-sys-{}", chip.name))?.join("libs");
        for library in files(&libraries, "a")? {
            symbols.read(&fs::read(&library)?, true)?;
        }
        let rom = folder(metadata, "esp-rom-sys")?;
        for library in files(&rom.join("libs").join(&chip.name), "a")? {
            symbols.read(&fs::read(&library)?, false)?;
        }
        let mut scripts = files(&rom.join("ld").join(&chip.name), "ld")?;
        scripts.extend(files(&rom.join("ld").join(&chip.name), "x")?);
        let ours = workspace::firmware().join(format!("rom-{}.x", chip.name));
        scripts.extend(ours.is_file().then_some(ours));
        for script in scripts {
            symbols
                .given
                .extend(assigned(&fs::read_to_string(&script)?));
        }
        symbols.given.extend(called.iter().cloned());
        Ok(symbols)
    }

    /// The symbols of an archive of objects, those that it wants if that matters.
    fn read(&mut self, archive: &[u8], wanting: bool) -> Result<()> {
        let members = ArchiveFile::parse(archive).context("it is no archive")?;
        for member in members.members() {
            let data = member?.data(archive)?;
            let Ok(file) = object::File::parse(data) else {
                continue; // an index
            };
            for symbol in file.symbols().filter(ObjectSymbol::is_global) {
                let name = symbol.name()?.to_owned();
                match symbol.is_undefined() {
                    true if wanting && !symbol.is_weak() => self.wanted.insert(name),
                    true => false,
                    false => self.given.insert(name),
                };
            }
        }
        Ok(())
    }

    fn missing(&self) -> BTreeSet<String> {
        self.wanted.difference(&self.given).cloned().collect()
    }
}

/// The folder of a package.
fn folder(metadata: &Metadata, name: &str) -> Result<PathBuf> {
    let package = metadata.packages.iter().find(|p| p.name.as_str() == name);
    let package = package.with_context(|| format!("the firmware has no dependency {name}"))?;
    let folder = package.manifest_path.parent();
    Ok(folder.context("a manifest without a folder")?.into())
}

/// All files with that ending, in the folder and below; none if it is not there.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == ending)
            {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The functions and statics of the crates that the libraries call.
fn called(metadata: &Metadata) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for package in CALLED {
        for source in files(&folder(metadata, package)?.join("src"), "rs")? {
            let text = fs::read_to_string(&source)?;
            let mut words = text.split_whitespace();
            while let Some(word) = words.next() {
                if matches!(word, "fn" | "static" | "mut") {
                    names.extend(words.next().map(|name| identifier(name).to_owned()));
                }
            }
        }
    }
    Ok(names)
}

/// The names that a linker script assigns to.
fn assigned(script: &str) -> Vec<String> {
    let names = script.split(['\n', ';']).filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let name = name
            .rsplit(['(', ' ', '\t', '*', '/', '{'])
            .find(|word| !word.is_empty())?;
        (!value.starts_with('=')).then(|| identifier(name.trim_matches('"')).to_owned())
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// As far as an identifier goes.
fn identifier(text: &str) -> &str {
    let is_other = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'));
    text.split(is_other).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_script_gives() {
        let script = "PROVIDE ( ld_a = 0x4003e924 );\n/* b */ b_c=0x1;\nPROVIDE(\"d\" = e);\nASSERT(f == 1, \"\");";
        assert_eq!(assigned(script), ["ld_a", "b_c", "d"]);
    }

    #[test]
    fn what_is_neither_given_nor_wanted_weakly_is_missing() {
        let mut symbols = Symbols::default();
        symbols.wanted.extend(["a".to_owned(), "b".to_owned()]);
        symbols.given.insert("a".to_owned());
        assert_eq!(symbols.missing(), BTreeSet::from(["b".to_owned()]));
    }
}
