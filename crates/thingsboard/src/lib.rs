#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod attributes;
pub mod claim;
pub mod firmware;
pub mod json;
pub mod limits;
pub mod rpc;
pub mod telemetry;
pub mod time;
pub mod topic;
mod value;

pub use topic::{FromDevice, FromServer, RequestId, Topic};
pub use value::{Decimal, Value};
