//! What is told of the broker: the steps on the way to it, and why there is no connection and who must act.
//!
//! The connection itself is [`cloud`](crate::cloud)'s; this stands below all who speak of it.

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
    /// The broker takes no more of the device for now, most likely because of a limit.
    OverLimit {
        /// The reason code, of its DISCONNECT or of an acknowledgement.
        reason: u8,
        /// How many samples were under way.
        samples: u16,
        /// How many the next batch has at most.
        next: u16,
    },
    /// The server has no firmware of which a chunk was asked for, and ends the connection over that.
    NoFirmware,
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
            Self::TimedOut(Phase::Mqtt) => f.write_str(
                "no answer to MQTT's CONNECT: the server is starting, for which ThingsBoard takes a \
                 minute or more, and it may recover; or it hangs, or this port speaks something \
                 else: look into its log, and check the port of broker in settings.json",
            ),
            Self::Tls(error) => error.fmt(f),
            Self::Refused { reason } => {
                write!(f, "the broker refuses the device ({}): ", Reason(*reason))?;
                f.write_str(match reason {
                    // ThingsBoard says this of whatever it has against a certificate.
                    0x86 | 0x87 => {
                        "either it does not know the CA: on ThingsBoard, create a device profile \
                         with X.509 chain provisioning, paste the CA certificate that signed the \
                         device's, and let the regular expression match its common name; or a \
                         device of this name is there with an access token or in another profile: \
                         remove it, or give it this certificate; or the certificate has expired by \
                         the server's clock: check both clocks"
                    }
                    0x84 => "allow MQTT 5 there",
                    0x85 => "allow the device's common name as client id there",
                    0x8a => "somebody banned it: allow it there",
                    0x88 => {
                        "either the device's profile has another transport type: set Default or \
                         MQTT on ThingsBoard; or the server is starting or overloaded, and it may \
                         recover"
                    }
                    0x89 | 0x97 | 0x9f => {
                        "it has too much to do, or is starting, and it may recover; or it limits \
                         connections: raise that limit"
                    }
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
                "the broker does not let the device subscribe ({}): allow v1/devices/me/# there, and \
                 leave a ThingsBoard profile's topics as they are by default",
                Reason(*reason)
            ),
            Self::NotTaken { reason } => {
                write!(
                    f,
                    "the broker does not take what the device sends ({}): ",
                    Reason(*reason)
                )?;
                f.write_str(match reason {
                    0x90 => {
                        "the profile has other topics: on ThingsBoard, set those of its MQTT \
                         transport to v1/devices/me/telemetry and v1/devices/me/attributes"
                    }
                    0x99 => {
                        "the profile wants another kind of payload: on ThingsBoard, set its MQTT \
                         device payload to JSON, not Protobuf"
                    }
                    0x87 => {
                        "allow the device to publish to v1/devices/me/# there; on ThingsBoard, look \
                         whether the device was deleted"
                    }
                    0x9b => "allow QoS 1 there",
                    _ => "allow the device to publish to v1/devices/me/# there, and look into its log",
                })
            }
            Self::OverLimit {
                reason,
                samples,
                next,
            } => {
                write!(
                    f,
                    "the broker takes no more ({}), most likely because of a limit of the device's \
                     profile or its tenant: ",
                    Reason(*reason)
                )?;
                if *samples > 0 {
                    write!(
                        f,
                        "it had {samples} samples under way, and sends {next} at a time now; "
                    )?;
                }
                f.write_str("raise the limit there, or the telemetry interval")
            }
            Self::NoFirmware => f.write_str(
                "the server no longer has the firmware of which a chunk was asked for, and ended the connection: \
                 assign the package again, unless somebody took it away",
            ),
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
                    0x87 => {
                        ": the device was deleted there, or its certificate replaced, or it lost a \
                         right: look for it on the server"
                    }
                    0x88 => {
                        ": its profile has another transport type, or the server is stopping: set \
                         Default or MQTT there; it may recover"
                    }
                    0x99 => ": set the profile's MQTT device payload to JSON, not Protobuf",
                    0x90 => ": set the profile's topics to v1/devices/me/#",
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

/// Whether a server says with this reason, of DISCONNECT or PUBACK, that it was sent too much.
/// ThingsBoard says 0x83 (`MqttTransportHandler.java`, thingsboard/thingsboard, commit
/// dfe65d5abc3aa959aaa853952d74943fbd6867bd).
pub(super) fn is_limit(reason: u8) -> bool {
    // Implementation specific error, message rate too high, quota exceeded.
    matches!(reason, 0x83 | 0x96 | 0x97)
}

/// A reason code by its name.
struct Reason(u8);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x80 => "unspecified error",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8a => "banned",
            0x8b => "server shutting down",
            0x8c => "bad authentication method",
            0x8d => "keep-alive timeout",
            0x8e => "session taken over",
            0x8f => "topic filter invalid",
            0x90 => "topic name invalid",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias invalid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format invalid",
            0x9a => "retain not supported",
            0x9b => "QoS not supported",
            0x9c => "use another server",
            0x9d => "server moved",
            0x9e => "shared subscriptions not supported",
            0x9f => "connection rate exceeded",
            0xa0 => "maximum connect time",
            0xa1 => "subscription identifiers not supported",
            0xa2 => "wildcard subscriptions not supported",
            code => return write!(f, "reason 0x{code:02x}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// Texts say all of these, in this order.
    fn says(error: CloudError, parts: &[&str]) {
        let text = error.to_string();
        let mut rest = text.as_str();
        for part in parts {
            let found = rest.find(part);
            let at = found.unwrap_or_else(|| panic!("{text:?} does not say {part:?} then"));
            rest = &rest[at + part.len()..];
        }
    }

    #[test]
    fn a_reason_says_all_that_it_may_be_the_likeliest_first() {
        // What a ThingsBoard 4.2.1 means by these.
        let refused = |reason| CloudError::Refused { reason };
        says(
            refused(0x87),
            &[
                "not authorized",
                "the CA",
                "access token",
                "another profile",
                "expired",
            ],
        );
        says(
            refused(0x88),
            &[
                "server unavailable",
                "transport type",
                "starting",
                "overloaded",
            ],
        );
        let not_taken = |reason| CloudError::NotTaken { reason };
        says(not_taken(0x90), &["topic name invalid", "other topics"]);
        says(not_taken(0x99), &["payload format invalid", "Protobuf"]);
        says(
            CloudError::TimedOut(Phase::Mqtt),
            &["starting", "hangs", "speaks something else"],
        );
        let over_limit = CloudError::OverLimit {
            reason: 0x83,
            samples: 12,
            next: 6,
        };
        says(
            over_limit,
            &[
                "implementation specific",
                "limit",
                "12 samples",
                "6 at a time",
                "raise",
            ],
        );
    }

    #[test]
    fn no_reason_code_of_mqtt_5_is_a_mere_number() {
        // MQTT 5, 2.4.
        let codes = (0x80..=0xa2).filter(|code| !matches!(code, 0x92 | 0x91));
        for code in codes {
            let text = Reason(code).to_string();
            assert!(!text.contains("0x"), "{text}");
        }
        assert_eq!(Reason(0x7f).to_string(), "reason 0x7f");
    }
}
