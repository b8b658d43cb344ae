#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod app;
mod builder;
mod error;
mod files;
mod inspect;
mod nvs;
mod table;

pub use app::AppInfo;
pub use builder::{FLASH_SIZE, FlashImage};
pub use error::Error;
pub use inspect::{CertificateInfo, FileContents, FileInfo, Report, inspect};
pub use nvs::{NvsEntry, NvsItem, NvsValue};
pub use table::{Partition, PartitionTable, TableError};
