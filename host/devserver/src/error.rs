//! What can go wrong, by who has to act.

use std::io;
use std::net::SocketAddr;

use crate::config::ConfigError;
use crate::store::StoreError;

/// Why a server did not start or stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on: often another program has it already.
    #[error(
        "cannot listen on {address} for {purpose}: {source}; choose another port, or 0 for a free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What it was to be used for.
        purpose: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The computer refused a thread or a socket.
    #[error("the system refused what the server needs: {0}")]
    System(#[from] io::Error),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a call to a device has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// There is no device of that name.
    #[error("there is no device of that name")]
    NoSuchDevice,
    /// It is not connected: switch it on, or look why it does not connect.
    #[error("the device is not connected")]
    Offline,
    /// It has not subscribed to `v1/devices/me/rpc/request/+`: its firmware has to.
    #[error("the device is connected but has not subscribed to RPC requests")]
    NotSubscribed,
    /// It did not answer in time: its firmware may not know the method.
    #[error("the device did not answer in time")]
    Timeout,
    /// It answered with something that is not JSON.
    #[error("the device answered with something that is not JSON")]
    NotJson,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoDevice => Self::NoSuchDevice,
            error => Self::Store(error),
        }
    }
}
