//! What can go wrong, by who has to act.

use std::io;
use std::net::SocketAddr;

use certfile::file::Fault;

use crate::store::StoreError;

/// A configuration that cannot work: whoever wrote it has to change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The server's chain has no certificate in it.
    #[error("the server's certificate chain: {fault}")]
    ServerChain {
        /// What is wrong with it.
        fault: Fault,
    },
    /// The server's key is not one.
    #[error("the server's private key: {fault}")]
    ServerKey {
        /// What is wrong with it.
        fault: String,
    },
    /// The server's certificate and key do not work together.
    #[error("the server's certificate and key cannot be used: {reason}")]
    ServerIdentity {
        /// What the TLS library says.
        reason: String,
    },
    /// The profile's CA is not a certificate.
    #[error("the device profile's CA: {fault}")]
    ProfileCa {
        /// What is wrong with it.
        fault: Fault,
    },
    /// The profile's regular expression cannot be used.
    #[error("the device profile's regular expression for the CN cannot be used: {reason}")]
    ProfilePattern {
        /// What is wrong with it.
        reason: String,
    },
}

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
