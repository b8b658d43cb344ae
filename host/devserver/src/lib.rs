#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accept;
mod api;
mod assigned;
mod chains;
mod config;
mod error;
mod event;
mod firmware;
mod http;
mod hub;
mod identity;
mod lenient;
mod limits;
mod mqtt;
mod packages;
mod profiles;
mod recent;
mod server;
mod store;
mod tls;
mod value;

pub use api::{Attributes, DeviceInfo};
pub use axum::serve::Listener;
pub use config::{Config, ConfigError, Database, Profile, RPC_TIMEOUT, Tls};
pub use error::{CallError, Error};
pub use event::{Event, Events, Refusal};
pub use limits::{Limits, RateLimit, RateLimitError};
pub use packages::Firmware;
pub use server::Server;
pub use store::{Point, StoreError};
pub use value::{Datum, Record};
