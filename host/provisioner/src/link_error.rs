//! Why what carries requests to a device does not.

use std::time::Duration;

use protocomm::refusal::Refused;

/// Why a request had no reply. Says who must act.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The local Bluetooth controller failed.
    #[error("{0}")]
    Controller(vhci::Error),
    /// The Bluetooth of this computer is not there, or not to be used by this user.
    #[error("{0}")]
    NoBluetooth(String),
    /// The Bluetooth host stack on this side gave up.
    #[error("the Bluetooth stack on this computer failed: {0}")]
    Stack(String),
    /// No device answered when it was connected to.
    #[error(
        "the device does not answer (is it in reach, still advertising, and nobody else connected?)"
    )]
    Unreachable,
    /// The connection ended.
    #[error("the connection to the device was lost (connect again; the device accepts reconnects)")]
    Lost,
    /// The device said nothing in time.
    #[error("the device did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// What was found does not provision.
    #[error("this is no provisioning device: {0}")]
    NotProvisioning(String),
    /// The device has no such endpoint.
    #[error("the device has no endpoint `{0}`")]
    NoEndpoint(String),
    /// The device refused the request.
    #[error("the device refused the request to `{endpoint}` ({reason})")]
    Refused {
        /// The endpoint.
        endpoint: String,
        /// The ATT error code or HTTP status, for the reader.
        reason: String,
        /// What it means.
        refused: Refused,
    },
    /// The HTTP server cannot be spoken to.
    #[error("no HTTP to {address}: {source} (is the computer in the device's network?)")]
    Http {
        /// Host and port.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// What answers speaks no HTTP that makes sense.
    #[error("{address} gives no proper HTTP answer: {fault}")]
    MalformedHttp {
        /// Host and port.
        address: String,
        /// What is wrong with it.
        fault: String,
    },
}
