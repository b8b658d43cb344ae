#![cfg_attr(feature = "alloc", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "alloc"),
    doc = "The SPIFFS on-flash format; see README.md."
)]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
mod builder;
mod check;
mod detect;
mod error;
mod geometry;
mod lookup;
mod memory;
mod page;
mod reader;
mod volume;

#[cfg(feature = "alloc")]
pub use builder::{BuildError, Builder};
pub use check::Summary;
pub use error::{Error, Fault};
pub use geometry::{Endianness, Geometry, GeometryError, Magic};
pub use memory::Image;
pub use reader::{File, FileInfo, Files, Name, Spiffs};
pub use volume::Partition;
