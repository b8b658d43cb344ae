//! The account of an image: flash and static RAM by owner.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::map::OutputSection;
use crate::chips::Chip;
use crate::terminal::{self, thousands};

/// Bytes of one owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share {
    /// Bytes in the image: code and constants, and what is copied to RAM at the start.
    pub(crate) flash: u64,
    /// Bytes of RAM taken from start to end: variables, and code that runs from RAM.
    pub(crate) ram: u64,
}

/// Where the bytes of an image come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The chip, by the name of its feature.
    pub(crate) chip: String,
    /// The length of the app image as it is flashed.
    pub(crate) image: u64,
    /// The slot of the partition table that it has to fit.
    pub(crate) slot: u64,
    /// Static RAM in all.
    pub(crate) ram: u64,
    /// RAM that the linker left over; the main stack lies in it.
    pub(crate) ram_left: u64,
    /// The shares by crate or C library.
    pub(crate) owners: BTreeMap<String, Share>,
}

/// Padding between sections, and what no section of the map explains.
const PADDING: &str = "(padding)";
/// Owners that have less than this of everything are shown as one line.
const SMALL: u64 = 1024;

impl Account {
    /// Adds up what the sections of the linker's map say. Those of `no_bytes` take no flash.
    pub(crate) fn new(
        chip: &Chip,
        image: u64,
        sections: &[OutputSection],
        no_bytes: &[String],
    ) -> Self {
        let mut owners: BTreeMap<String, Share> = BTreeMap::new();
        let (mut ram, mut ram_left) = (0, 0);
        for section in sections {
            // Unmapped sections (debug information), and the linker script's way to step over
            // addresses that another section has already taken on the other bus.
            if section.address == 0 || section.name.ends_with("_dummy") {
                continue;
            }
            if section.name == ".stack" {
                ram_left = section.size;
                continue;
            }
            let in_flash = chip.in_flash(section.address);
            let stored = !no_bytes.contains(&section.name);
            let mut add = |owner: &str, size: u64| {
                let share = owners.entry(owner.to_owned()).or_default();
                share.flash += if stored { size } else { 0 };
                share.ram += if in_flash { 0 } else { size };
            };
            let mut explained = 0;
            for part in &section.parts {
                add(&part.owner, part.size);
                explained += part.size;
            }
            add(PADDING, section.size.saturating_sub(explained));
            ram += if in_flash { 0 } else { section.size };
        }
        owners.retain(|_, share| *share != Share::default());
        Self {
            chip: chip.name.clone(),
            image,
            slot: chip.slot,
            ram,
            ram_left,
            owners,
        }
    }

    /// The account as text: a table by owner, largest in flash first, and the sums.
    pub(crate) fn shown(&self) -> String {
        let mut owners: Vec<_> = self.owners.iter().collect();
        owners.sort_by_key(|(_, share)| std::cmp::Reverse((share.flash, share.ram)));
        let (small, large): (Vec<_>, Vec<_>) = owners
            .into_iter()
            .partition(|(_, share)| share.flash < SMALL && share.ram < SMALL);
        let mut rows: Vec<_> = large
            .into_iter()
            .map(|(owner, share)| row(owner.clone(), *share))
            .collect();
        if !small.is_empty() {
            let sum = small
                .iter()
                .fold(Share::default(), |sum, (_, share)| Share {
                    flash: sum.flash + share.flash,
                    ram: sum.ram + share.ram,
                });
            rows.push(row(format!("({} smaller)", small.len()), sum));
        }
        let table = terminal::table(["crate or library", "flash", "static RAM"], &rows);
        format!(
            "{table}\napp image:  {} bytes of {} ({:.1} %)\nstatic RAM: {} bytes, {} left for the \
             main stack",
            thousands(self.image),
            thousands(self.slot),
            self.image as f64 * 100.0 / self.slot as f64,
            thousands(self.ram),
            thousands(self.ram_left),
        )
    }

    /// # Errors
    ///
    /// The image is larger than its slot.
    pub(crate) fn check_slot(&self) -> Result<()> {
        if self.image > self.slot {
            bail!(
                "the app image for {} is {} bytes too large for its slot of {}; the table above \
                 shows what fills it",
                self.chip,
                thousands(self.image - self.slot),
                thousands(self.slot),
            );
        }
        Ok(())
    }

    /// # Errors
    ///
    /// The image is larger than its slot, or than is promised.
    pub(crate) fn check_promise(&self, chip: &Chip) -> Result<()> {
        self.check_slot()?;
        match chip.promised {
            Some(most) if self.image > most => bail!(
                "the app image for {} has {} bytes, and {} are promised (app-promised in \
                 firmware/Cargo.toml); the table above shows what fills it",
                self.chip,
                thousands(self.image),
                thousands(most),
            ),
            _ => Ok(()),
        }
    }
}

fn row(owner: String, share: Share) -> [String; 3] {
    [owner, thousands(share.flash), thousands(share.ram)]
}

#[cfg(test)]
mod tests {
    use super::{super::map::Part, *};

    fn chip() -> Chip {
        Chip {
            name: "chip".to_owned(),
            target: String::new(),
            mapped: vec![[0x4200_0000, 0x4280_0000]],
            slot: 1000,
            promised: Some(900),
            layout: None,
            not_called: Vec::new(),
            seals: false,
            seal: false,
        }
    }

    fn section(name: &str, address: u32, size: u64, own: u64) -> OutputSection {
        let parts = vec![Part {
            owner: "device".to_owned(),
            size: own,
        }];
        OutputSection {
            name: name.to_owned(),
            address,
            size,
            parts,
        }
    }

    #[test]
    fn initialised_data_takes_flash_and_ram_but_zeroed_data_only_ram() {
        let sections = [
            section(".text", 0x4200_0020, 100, 90),
            section(".data", 0x3fc8_0000, 20, 20),
            section(".bss", 0x3fc8_1000, 40, 40),
            section(".rwdata_dummy", 0x3fc8_0000, 5000, 5000),
            section(".stack", 0x3fc9_0000, 7000, 0),
            section(".debug_info", 0, 9000, 9000),
        ];
        let account = Account::new(&chip(), 500, &sections, &[".bss".to_owned()]);
        assert_eq!((account.ram, account.ram_left), (60, 7000));
        assert_eq!(
            account.owners["device"],
            Share {
                flash: 110,
                ram: 60
            }
        );
        assert_eq!(account.owners[PADDING], Share { flash: 10, ram: 0 });
    }

    #[test]
    fn an_image_must_fit_its_slot() {
        let image = |size| Account::new(&chip(), size, &[], &[]);
        assert!(image(1000).check_slot().is_ok());
        assert!(image(1001).check_slot().is_err());
    }

    #[test]
    fn an_image_must_not_grow_beyond_what_is_promised() {
        let image = |size| Account::new(&chip(), size, &[], &[]);
        assert!(image(900).check_promise(&chip()).is_ok());
        assert!(image(901).check_promise(&chip()).is_err());
        let nothing_promised = Chip {
            promised: None,
            ..chip()
        };
        assert!(image(901).check_promise(&nothing_promised).is_ok());
        assert!(image(1001).check_promise(&nothing_promised).is_err());
    }
}
