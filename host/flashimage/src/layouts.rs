//! The partition tables that the project knows by name. Each is a file at the root of the repository, which says
//! what it is for; any other table comes from a file of its own.

use std::fmt;

use crate::table::PartitionTable;

/// A partition table of the project's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Of the C firmware that this one succeeds, on ESP-IDF v5.4.1: a board moves over as it is.
    #[default]
    Predecessor,
    /// Of the C firmware's second generation, on ESP-IDF 6.1.
    PredecessorIdf6,
    /// That of the C firmware with all that it leaves free, 1,245,184 bytes, for samples.
    PredecessorBacklog,
    /// A board of 4 MB that no C firmware was on: larger slots, and the samples of a day.
    Flash4M,
    /// A board of 2 MB: one app, without updates over the air.
    Flash2M,
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Predecessor,
        Self::PredecessorIdf6,
        Self::PredecessorBacklog,
        Self::Flash4M,
        Self::Flash2M,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Predecessor => "predecessor",
            Self::PredecessorIdf6 => "predecessor-idf6",
            Self::PredecessorBacklog => "predecessor-backlog",
            Self::Flash4M => "4mb",
            Self::Flash2M => "2mb",
        }
    }

    /// The size of the flash that it is for, in bytes.
    pub const fn flash_size(self) -> u32 {
        match self {
            Self::Flash2M => 2 << 20,
            _ => 4 << 20,
        }
    }

    /// The table in ESP-IDF's CSV format.
    pub const fn csv(self) -> &'static str {
        match self {
            Self::Predecessor => include_str!("../../../partitions.csv"),
            Self::PredecessorIdf6 => include_str!("../../../partitions-idf6.csv"),
            Self::PredecessorBacklog => include_str!("../../../partitions-backlog.csv"),
            Self::Flash4M => include_str!("../../../partitions-4mb.csv"),
            Self::Flash2M => include_str!("../../../partitions-2mb.csv"),
        }
    }

    /// The table.
    ///
    /// # Panics
    ///
    /// Never: a test reads them all.
    pub fn table(self) -> PartitionTable {
        match self {
            Self::Predecessor => PartitionTable::default(),
            other => PartitionTable::from_csv(other.csv()).expect("the project's own table"),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fits_its_flash_and_has_what_a_device_needs() {
        for layout in Layout::ALL {
            let table = layout.table();
            let flash = layout.flash_size() as usize;
            assert_eq!(table.check_within(flash), Ok(()), "{layout}");
            assert!(
                table.nvs().is_some() && table.spiffs().is_some(),
                "{layout}"
            );
            assert_eq!(table, PartitionTable::from_csv(layout.csv()).unwrap());
        }
    }

    #[test]
    fn two_slots_are_alike_and_otadata_comes_with_them() {
        for layout in Layout::ALL {
            let table = layout.table();
            let size = |name| table.find(name).map(|partition| partition.size);
            assert_eq!(size("ota_0"), size("ota_1"), "{layout}");
            assert_eq!(
                size("ota_0").is_some(),
                size("otadata").is_some(),
                "{layout}"
            );
            assert_eq!(
                size("factory").is_some(),
                size("otadata").is_none(),
                "{layout}"
            );
        }
    }

    #[test]
    fn what_is_free_is_given_to_samples_in_tables_without_a_predecessor() {
        for layout in [Layout::Flash4M, Layout::Flash2M, Layout::PredecessorBacklog] {
            let last = layout.table().partitions().last().unwrap();
            assert_eq!(last.name, "backlog", "{layout}");
            assert_eq!(last.offset + last.size, layout.flash_size(), "{layout}");
        }
    }

    /// A board with the C firmware keeps its table; samples have a place where another one names it.
    #[test]
    fn the_tables_of_the_predecessor_are_as_they_were() {
        let placed = |layout: Layout| -> Vec<_> {
            let table = layout.table();
            let placed = table
                .partitions()
                .map(|p| (p.name.to_string(), p.offset, p.size));
            placed.collect()
        };
        let of = |places: [(&str, u32, u32); 6]| places.map(|(n, o, s)| (n.to_string(), o, s));
        let predecessor = of([
            ("nvs", 0x9000, 0x4000),
            ("otadata", 0xd000, 0x2000),
            ("phy_init", 0xf000, 0x1000),
            ("ota_0", 0x1_0000, 0x14_0000),
            ("ota_1", 0x15_0000, 0x14_0000),
            ("spiffs", 0x29_0000, 0x4_0000),
        ]);
        assert_eq!(placed(Layout::Predecessor), predecessor);
        let second = of([
            ("nvs", 0x9000, 0x4000),
            ("otadata", 0xd000, 0x2000),
            ("phy_init", 0xf000, 0x1000),
            ("ota_0", 0x1_0000, 0x1d_0000),
            ("ota_1", 0x1e_0000, 0x1d_0000),
            ("spiffs", 0x3b_0000, 0x5_0000),
        ]);
        assert_eq!(placed(Layout::PredecessorIdf6), second);
        // What comes behind leaves all else where it was.
        let with_backlog = placed(Layout::PredecessorBacklog);
        assert_eq!(with_backlog[..6], predecessor);
        assert_eq!(
            with_backlog[6..],
            [("backlog".to_string(), 0x2d_0000, 0x13_0000)]
        );
    }
}
