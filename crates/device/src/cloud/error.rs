//! Why there is no connection, and who must act.

use core::fmt;

use embedded_io_async::ErrorKind;

use crate::tls::{CertificateFault, TlsError};

/// A step on the way to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking up its name.
    Dns,
    /// Opening a socket.
    Tcp,
    /// Shaking hands.
    Tls,
    /// Waiting for CONNACK.
    Mqtt,
}

/// Why a connection did not come about, or ended. Reasons are those of MQTT 5, 2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudError {
    /// The broker's name has no address.
    NameNotResolved,
    /// No TCP connection.
    Unreachable(ErrorKind),
    /// A step took too long.
    TimedOut(Phase),
    /// No TLS session. ThingsBoard's first shape of failure, a chain out of order, is
    /// [`TlsError::DeviceCertificate`].
    Tls(TlsError),
    /// The broker refused with CONNACK. ThingsBoard's second shape of failure, an unknown device
    /// or CA.
    Refused {
        /// The reason code.
        reason: u8,
    },
    /// The broker hung up in place of CONNACK.
    HungUp,
    /// The broker does not let the device subscribe.
    NotSubscribed {
        /// The reason code.
        reason: u8,
    },
    /// The broker does not take what the device publishes.
    NotTaken {
        /// The reason code.
        reason: u8,
    },
    /// The broker ended the connection.
    Kicked {
        /// The reason code of its DISCONNECT, if there was one.
        reason: Option<u8>,
    },
    /// Nothing came back from the broker for too long.
    Silent,
    /// The network broke the connection.
    Lost(ErrorKind),
    /// The broker sent what is no MQTT 5, or a packet larger than agreed.
    Protocol,
    /// The broker takes no packet that is large enough for one sample.
    PacketLimit,
    /// The firmware contradicts itself.
    Bug,
}

impl CloudError {
    /// Whether nobody answered at all: neither the broker nor the network's DNS.
    #[must_use]
    pub fn leads_nowhere(self) -> bool {
        matches!(
            self,
            Self::NameNotResolved | Self::TimedOut(Phase::Dns | Phase::Tcp)
        )
    }

    /// Whether the device's clock may be to blame: a date of the server's certificate does not
    /// fit it.
    #[must_use]
    pub fn doubts_clock(self) -> bool {
        matches!(
            self,
            Self::Tls(TlsError::ServerCertificate(
                CertificateFault::Expired | CertificateFault::NotYetValid
            ))
        )
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameNotResolved => f.write_str(
                "the broker's name does not resolve: check broker in settings.json and the \
                 network's DNS",
            ),
            Self::Unreachable(kind) => write!(
                f,
                "the broker cannot be reached ({kind:?}): check broker in settings.json, the \
                 server and the firewalls on the way"
            ),
            Self::TimedOut(Phase::Dns) => {
                f.write_str("the network's DNS does not answer: check the access point")
            }
            Self::TimedOut(Phase::Tcp) => f.write_str(
                "the broker does not answer: check broker in settings.json and the firewalls on \
                 the way",
            ),
            Self::TimedOut(Phase::Tls) => f.write_str(
                "the TLS handshake takes too long: check that this port speaks TLS, and the \
                 network",
            ),
            Self::TimedOut(Phase::Mqtt) => {
                f.write_str("no answer to MQTT's CONNECT: check that this port speaks MQTT")
            }
            Self::Tls(error) => error.fmt(f),
            Self::Refused { reason } => {
                write!(f, "the broker refuses the device ({}): ", Reason(*reason))?;
                f.write_str(match reason {
                    0x86 | 0x87 => {
                        "it does not know this device or its CA: on ThingsBoard, create a device \
                         profile with X.509 chain provisioning, paste the CA certificate that \
                         signed the device's, and let the regular expression match its common name"
                    }
                    0x84 => "allow MQTT 5 there",
                    0x85 => "allow the device's common name as client id there",
                    0x8a => "somebody banned it: allow it there",
                    0x88 | 0x89 | 0x97 | 0x9f => "it is overloaded or starting; it may recover",
                    0x9c | 0x9d => "it has moved: correct broker in settings.json",
                    _ => "look into its log",
                })
            }
            Self::HungUp => f.write_str(
                "the broker hangs up without an answer: look into its log, it may refuse the \
                 device's certificate or MQTT 5",
            ),
            Self::NotSubscribed { reason } => write!(
                f,
                "the broker does not let the device subscribe ({}): allow v1/devices/me/# there",
                Reason(*reason)
            ),
            Self::NotTaken { reason } => {
                write!(
                    f,
                    "the broker does not take what the device sends ({}): ",
                    Reason(*reason)
                )?;
                f.write_str(match reason {
                    0x96 | 0x97 => "raise its limits, or the telemetry interval",
                    0x9b => "allow QoS 1 there",
                    _ => "allow the device to publish to v1/devices/me/# there",
                })
            }
            Self::Kicked { reason: None } => {
                f.write_str("the broker closed the connection without a reason: look into its log")
            }
            Self::Kicked {
                reason: Some(reason),
            } => {
                write!(f, "the broker closed the connection ({})", Reason(*reason))?;
                f.write_str(match reason {
                    0x8e => {
                        ": another client has the same name: check whether the certificate is used \
                         twice"
                    }
                    0x96 | 0x97 => ": raise its limits, or the telemetry interval",
                    0x8b | 0x89 => "; it may recover",
                    _ => ": look into its log",
                })
            }
            Self::Silent => f.write_str(
                "nothing comes back from the broker: check the network, and whether the broker \
                 hangs",
            ),
            Self::Lost(kind) => write!(
                f,
                "the connection was lost ({kind:?}): if it comes often, check the network and the \
                 broker's log"
            ),
            Self::Protocol => f.write_str(
                "the broker sent something that is no MQTT 5, or too long: check that it supports \
                 MQTT 5 and the maximum packet size",
            ),
            Self::PacketLimit => {
                f.write_str("the broker takes no packet of 300 bytes: raise its limit")
            }
            Self::Bug => f.write_str("the MQTT session failed: this is a fault of the firmware"),
        }
    }
}

impl core::error::Error for CloudError {}

/// A reason code by its name.
struct Reason(u8);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x80 => "unspecified error",
            0x82 => "protocol error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8a => "banned",
            0x8b => "server shutting down",
            0x8d => "keep-alive timeout",
            0x8e => "session taken over",
            0x8f => "topic filter invalid",
            0x93 => "receive maximum exceeded",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x9b => "QoS not supported",
            0x9c => "use another server",
            0x9d => "server moved",
            0x9f => "connection rate exceeded",
            0xa0 => "maximum connect time",
            code => return write!(f, "reason 0x{code:02x}"),
        })
    }
}
