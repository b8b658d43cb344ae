//! The subcommands, one file each.

pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod image;
pub(crate) mod pki;
