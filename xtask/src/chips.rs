//! The chips that the firmware can be built for: data in firmware/Cargo.toml, so that this
//! program names none.

use std::collections::BTreeMap;
use std::ffi::OsString;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::workspace;

/// A chip, as `[package.metadata.chips.<name>]` describes it.
#[derive(Clone, Debug)]
pub(crate) struct Chip {
    /// The name of the cargo feature that selects it.
    pub(crate) name: String,
    /// The Rust target.
    pub(crate) target: String,
    /// Address ranges through which the chip sees its flash.
    pub(crate) mapped: Vec<[u32; 2]>,
    /// The most bytes that an app image may have: the slot of the partition table.
    pub(crate) slot: u64,
    /// The most that it is promised to have, where that is less.
    pub(crate) promised: Option<u64>,
    /// Its partition table, as `esptb image --layout` calls it, where that is not the default.
    pub(crate) layout: Option<String>,
    /// What its radios' libraries name, and nothing calls.
    pub(crate) not_called: Vec<String>,
    /// Whether its firmware can open keys that are sealed for it.
    pub(crate) seals: bool,
    /// Whether it is to.
    pub(crate) seal: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct FirmwareFacts {
    app_slot: u64,
    default_chip: String,
    chips: BTreeMap<String, ChipFacts>,
    /// The chip of each board that has not a chip's name.
    boards: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ChipFacts {
    target: String,
    mapped: Vec<[u32; 2]>,
    app_promised: Option<u64>,
    app_slot: Option<u64>,
    layout: Option<String>,
    #[serde(default)]
    not_called: Vec<String>,
    #[serde(default)]
    seals: bool,
}

impl Chip {
    /// The toolchain that the chip needs in place of Rust's own: no other compiles for Xtensa.
    pub(crate) fn toolchain(&self) -> Option<&'static str> {
        self.target.starts_with("xtensa-").then_some("esp")
    }

    /// The arguments of `esptb image` and `esptb flash` for the chip's partition table.
    pub(crate) fn layout(&self) -> Vec<OsString> {
        let name = self.layout.iter();
        name.flat_map(|name| ["--layout".into(), name.into()])
            .collect()
    }

    /// With a firmware that opens sealed keys, if that is wanted.
    ///
    /// # Errors
    ///
    /// The chip cannot.
    pub(crate) fn sealing(self, seal: bool) -> Result<Self> {
        if seal && !self.seals {
            bail!(
                "the {} has no HMAC that esp-hal drives, by which sealed keys are opened: leave --seal out",
                self.name
            );
        }
        Ok(Self { seal, ..self })
    }

    /// Whether an address is one of flash, not of RAM.
    pub(crate) fn in_flash(&self, address: u32) -> bool {
        self.mapped
            .iter()
            .any(|[start, end]| (*start..*end).contains(&address))
    }
}

/// Every chip that the firmware can be built for, by whatever toolchain.
pub(crate) fn known() -> Result<Vec<Chip>> {
    Ok(read()?.1)
}

/// Every chip that Rust's own toolchain compiles for, by name.
pub(crate) fn all() -> Result<Vec<Chip>> {
    let mut chips = known()?;
    chips.retain(|chip| chip.toolchain().is_none());
    Ok(chips)
}

/// The boards that have not a chip's name, and the chip of each: those of the chips that Rust's own
/// toolchain compiles for.
///
/// # Errors
///
/// There is no such chip.
pub(crate) fn boards() -> Result<Vec<(String, Chip)>> {
    let mut boards = Vec::new();
    for (board, chip) in facts()?.boards {
        let chip = find(Some(&chip))?;
        if chip.toolchain().is_none() {
            boards.push((board, chip));
        }
    }
    Ok(boards)
}

/// The chip of that name, or the default one.
///
/// # Errors
///
/// There is no such chip; the message names those that there are.
pub(crate) fn find(name: Option<&str>) -> Result<Chip> {
    let (default, chips) = read()?;
    let wanted = name.unwrap_or(&default);
    let known: Vec<_> = chips.iter().map(|chip| chip.name.as_str()).collect();
    let known = known.join(", ");
    match chips.into_iter().find(|chip| chip.name == wanted) {
        Some(chip) => Ok(chip),
        None => bail!("the firmware knows no chip {wanted:?}; it knows {known}"),
    }
}

fn facts() -> Result<FirmwareFacts> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(workspace::firmware())
        .no_deps()
        .exec()
        .context("cargo does not understand firmware/Cargo.toml")?;
    let package = metadata
        .packages
        .first()
        .context("firmware/Cargo.toml has no package")?;
    serde_json::from_value(package.metadata.clone())
        .context("[package.metadata] of firmware/Cargo.toml does not describe the chips")
}

fn read() -> Result<(String, Vec<Chip>)> {
    let facts = facts()?;
    let slot = facts.app_slot;
    let chips = facts.chips.into_iter().map(|(name, facts)| Chip {
        name,
        target: facts.target,
        mapped: facts.mapped,
        slot: facts.app_slot.unwrap_or(slot),
        promised: facts.app_promised,
        layout: facts.layout,
        not_called: facts.not_called,
        seals: facts.seals,
        seal: false,
    });
    Ok((facts.default_chip, chips.collect()))
}
