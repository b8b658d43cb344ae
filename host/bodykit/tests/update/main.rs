//! Firmware updates on a flash that loses power at every operation: download, switch, trial and verdict.

mod bench;
mod download;
mod trial;
