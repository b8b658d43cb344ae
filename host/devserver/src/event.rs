//! What happens on the server, told as it happens.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tokio::sync::broadcast;

use crate::value::{Datum, Record};

/// One thing that happened. The page, the logs and the tests share this vocabulary.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A TLS handshake did not come about.
    HandshakeFailed {
        /// The client's address.
        peer: String,
        /// What was wrong, and what to do.
        reason: String,
    },
    /// A client passed TLS and was refused with a CONNACK.
    Refused {
        /// The client's address.
        peer: String,
        /// Why, and what to do.
        #[serde(serialize_with = "as_text")]
        refusal: Refusal,
    },
    /// A device was created from its certificate, or by hand.
    Created {
        /// Its name.
        device: String,
    },
    /// A device came with a renewed certificate, which is now the stored one.
    CertificateReplaced {
        /// Its name.
        device: String,
    },
    /// A device and its data were deleted by hand.
    Deleted {
        /// Its name.
        device: String,
    },
    /// A device is online.
    Connected {
        /// Its name.
        device: String,
        /// `MQTT 3.1.1` or `MQTT 5`.
        protocol: &'static str,
    },
    /// A device has subscribed, and will be sent what is published there.
    Subscribed {
        /// Its name.
        device: String,
        /// The topic filter.
        filter: String,
    },
    /// A device is no longer online.
    Disconnected {
        /// Its name.
        device: String,
        /// Whether it said goodbye.
        clean: bool,
        /// What ended the connection.
        reason: String,
        /// Whether it is online all the same, by a newer connection.
        replaced: bool,
    },
    /// Telemetry was stored.
    Telemetry {
        /// Name of the device.
        device: String,
        /// What was stored.
        records: Vec<Record>,
    },
    /// A device set attributes of its own.
    ClientAttributes {
        /// Name of the device.
        device: String,
        /// The attributes set.
        #[serde(serialize_with = "as_map")]
        values: Vec<(String, Datum)>,
    },
    /// Shared attributes were set or deleted.
    SharedAttributes {
        /// Name of the device.
        device: String,
        /// The attributes set.
        #[serde(serialize_with = "as_map")]
        values: Vec<(String, Datum)>,
        /// The attributes deleted.
        deleted: Vec<String>,
    },
    /// A call was sent to a device.
    RpcSent {
        /// Name of the device.
        device: String,
        /// Number of the call, counted for each device.
        id: u32,
        /// What was called.
        method: String,
    },
    /// A device answered a call.
    RpcAnswered {
        /// Name of the device.
        device: String,
        /// Number of the call, counted for each device.
        id: u32,
        /// The answer, if it is JSON.
        answer: Option<Box<RawValue>>,
    },
    /// A device called the server.
    RpcReceived {
        /// Name of the device.
        device: String,
        /// What it called.
        method: String,
    },
    /// A device may be claimed.
    Claimable {
        /// Name of the device.
        device: String,
        /// Until when, in milliseconds since 1970.
        expires_ms: i64,
    },
    /// A device published something that was not taken, or asked for more than it takes.
    Rejected {
        /// Name of the device.
        device: String,
        /// The topic, as far as it is text.
        topic: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Event {
    /// Name of the device that it is about.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::HandshakeFailed { .. } | Self::Refused { .. } => None,
            Self::Created { device }
            | Self::CertificateReplaced { device }
            | Self::Deleted { device }
            | Self::Connected { device, .. }
            | Self::Subscribed { device, .. }
            | Self::Disconnected { device, .. }
            | Self::Telemetry { device, .. }
            | Self::ClientAttributes { device, .. }
            | Self::SharedAttributes { device, .. }
            | Self::RpcSent { device, .. }
            | Self::RpcAnswered { device, .. }
            | Self::RpcReceived { device, .. }
            | Self::Claimable { device, .. }
            | Self::Rejected { device, .. } => Some(device),
        }
    }
}

fn as_map<S: Serializer>(values: &[(String, Datum)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(key, value)| (key, value)))
}

fn as_text<S: Serializer>(refusal: &Refusal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(refusal)
}

/// Why a client that passed TLS was refused, as ThingsBoard would, with a CONNACK.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Neither the certificate nor its CA is known.
    #[error(
        "no device has the certificate of CN \"{common_name}\", and none of the {chain_len} certificates it sent \
         is the CA of the device profile: put the CA that signed it into the profile, and let the device \
         send that CA behind its own certificate"
    )]
    UnknownCertificate {
        /// CN of the leaf, empty if it has none.
        common_name: String,
        /// How many certificates the client sent.
        chain_len: usize,
    },
    /// The certificate is not known, and the TLS session was resumed, so that nothing else of the
    /// chain counts.
    #[error(
        "no device has the certificate of CN \"{common_name}\", and its TLS session was resumed: devices are \
         created, and renewed certificates taken, in full handshakes only; let the device drop its session"
    )]
    UnknownResumed {
        /// CN of the leaf, empty if it has none.
        common_name: String,
    },
    /// The CA is known, but there is no name in the CN.
    #[error(
        "the CN \"{common_name}\" does not match the device profile's expression \"{pattern}\": change one of them"
    )]
    NameNotMatched {
        /// CN of the leaf, empty if it has none.
        common_name: String,
        /// The profile's regular expression.
        pattern: String,
    },
    /// The profile does not create devices.
    #[error(
        "the device \"{name}\" does not exist and the device profile does not create devices: create it, or allow it"
    )]
    CreationNotAllowed {
        /// The name cut from the CN.
        name: String,
    },
    /// The name belongs to a device with an access token.
    #[error(
        "the device \"{name}\" exists with an access token: delete it, or give the certificate another CN"
    )]
    NameTaken {
        /// The name cut from the CN.
        name: String,
    },
    /// The name belongs to a device of another profile.
    #[error(
        "the device \"{name}\" exists in another device profile than the one whose CA it sent: delete it, or give \
         the certificate another CN"
    )]
    OtherProfile {
        /// The name cut from the CN.
        name: String,
    },
    /// The profile's transport type is for other devices.
    #[error(
        "the transport type of the device profile of \"{name}\" is not for MQTT: set it to Default, which ThingsBoard \
         takes only as long as the profile has no devices"
    )]
    NotForMqtt {
        /// The name of the device.
        name: String,
    },
    /// The certificate's dates do not include today.
    #[error("the certificate of CN \"{common_name}\" is not valid now: renew it, or set the clock")]
    NotValidNow {
        /// CN of the leaf, empty if it has none.
        common_name: String,
    },
    /// The user name is not the access token of any device.
    #[error(
        "the user name is not the access token of any device: create the device, or correct the token"
    )]
    UnknownToken,
    /// There was neither a certificate nor a user name.
    #[error("the client gave neither a certificate nor an access token as its user name")]
    NoCredentials,
}

/// A stream of events, from the moment that it was made.
#[derive(Debug)]
pub struct Events {
    pub(crate) receiver: broadcast::Receiver<Arc<Event>>,
}

impl Events {
    /// The next event; `None` once the server has stopped.
    ///
    /// Who reads too slowly misses events, and a warning is logged. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Closed) => return None,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    log::warn!("a reader of events was too slow and missed {missed}");
                }
            }
        }
    }

    /// The next event of which `wanted` holds, skipping others; `None` once the server has stopped.
    pub async fn wait(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> Option<Arc<Event>> {
        loop {
            let event = self.next().await?;
            if wanted(&event) {
                return Some(event);
            }
        }
    }
}
