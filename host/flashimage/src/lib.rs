#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod app;
mod builder;
mod error;
mod files;
mod inspect;
mod layouts;
mod nvs;
mod otadata;
mod printable;
mod program;
mod table;

pub use app::{App, AppError, bootloader};
pub use builder::{FLASH_SIZE, FlashImage};
pub use error::Error;
pub use espflash::target::Chip;
pub use inspect::{
    CertificateInfo, FileContents, FileInfo, PlacedProgram, Report, Volume, inspect,
};
pub use layouts::Layout;
pub use nvs::{NvsEntry, NvsItem, NvsValue};
pub use otadata::Boot;
pub use printable::printable;
pub use program::{AppDescription, BootloaderDescription, Program};
pub use table::{Partition, PartitionTable, TableError};
