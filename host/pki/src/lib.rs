#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod algorithm;
mod authority;
mod error;
mod firmware;
mod folder;
mod identity;
mod key;
mod load;
mod request;
mod store;
mod validity;

pub use algorithm::{KeyAlgorithm, KeyEncoding};
pub use authority::{Options, Pki, Profile};
pub use error::{Error, InvalidRequest, RequestFault};
pub use firmware::{FirmwareKey, is_firmware_signature, load_firmware_keys};
pub use identity::{Identity, Role};
pub use request::{Issued, Request};
pub use store::Existing;
pub use validity::Validity;
