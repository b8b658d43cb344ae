#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod authority;
mod error;
mod firmware;
mod identity;
mod key;
mod load;
mod store;
mod validity;

pub use authority::{Options, Pki, Profile};
pub use error::{Error, InvalidRequest};
pub use firmware::{FirmwareKey, is_firmware_signature, load_firmware_keys};
pub use identity::{Identity, Role};
pub use key::{KeyAlgorithm, KeyEncoding};
pub use store::Existing;
pub use validity::Validity;
