//! The local server as the demo and `esptb serve` see it: started from certificates, and its
//! events as notes for people.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use devserver::{Config, Database, Datum, Event, Profile, Record, Server, Tls};

use console::printable;

use super::happening::{Happening, Note, Stored};

/// The port that MQTT over TLS is registered with at IANA.
pub const MQTTS_PORT: u16 = 8883;

/// What the server needs to know devices by certificate, all PEM.
pub struct Certificates {
    /// The server's own chain.
    pub chain: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// The CA in the device profile.
    pub profile_ca: Vec<u8>,
}

/// Where the server listens and keeps its data.
#[derive(Clone)]
pub struct Seat {
    /// Where it takes devices.
    pub mqtt: SocketAddr,
    /// Where its page is.
    pub http: SocketAddr,
    /// Its data.
    pub database: PathBuf,
}

/// Starts a server that creates devices from their certificates.
///
/// # Errors
///
/// If the certificates are of no use, or a port is taken.
pub async fn start(seat: &Seat, certificates: &Certificates) -> Result<Server> {
    let config = Config {
        mqtt: seat.mqtt,
        http: seat.http,
        tls: Some(Tls::from_pem(&certificates.chain, &certificates.key)?),
        profile: Some(Profile::from_pem(&certificates.profile_ca, "(.*)")?),
        database: Database::File(seat.database.clone()),
        ..Config::default()
    };
    Ok(Server::start(config).await?)
}

/// The same on this port or, if that is taken, on a free one.
///
/// # Errors
///
/// As [`start`].
pub async fn start_somewhere(seat: &Seat, certificates: &Certificates) -> Result<Server> {
    let registered = start(seat, certificates).await;
    match registered {
        Err(error) if is_taken(&error) => {
            let mut seat = seat.clone();
            seat.mqtt.set_port(0);
            start(&seat, certificates)
                .await
                .context("no free port for the server")
        }
        other => other,
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(devserver::Error::Listen { .. }))
}

/// What the operator is told of an event.
pub fn happening(event: &Event) -> Option<Happening> {
    if let Event::Telemetry { records, .. } = event {
        return Some(Happening::Stored(Stored {
            // A device also tells of its firmware so.
            stamps_ms: records
                .iter()
                .filter(|record| is_sample(record))
                .map(|record| record.ts_ms)
                .collect(),
            latest: printable(&telemetry(records)).into_owned(),
        }));
    }
    note(event).map(Happening::Server)
}

/// A series that every sample has a value in.
pub const SERIES: &str = "temperature";

fn is_sample(record: &Record) -> bool {
    record.values.iter().any(|(key, _)| key == SERIES)
}

/// One line on telemetry.
fn telemetry(records: &[Record]) -> String {
    let Some(latest) = records.last() else {
        return "telemetry without contents".to_owned();
    };
    let values = listed(&latest.values);
    match records.len() {
        1 => format!("telemetry: {values}"),
        n => format!("telemetry of {n} moments, at last {values}"),
    }
}

/// What there is to say of an event other than telemetry.
pub fn note(event: &Event) -> Option<Note> {
    Some(match event {
        Event::HandshakeFailed { peer, reason } => {
            Note::bad(format!("TLS handshake with {peer} failed: {reason}"))
        }
        Event::Refused { peer, refusal } => Note::bad(format!("{peer} was refused: {refusal}")),
        Event::Created { device } => Note::good(format!("device {device} created")),
        Event::CertificateReplaced { device } => {
            Note::good(format!("device {device} came with a renewed certificate"))
        }
        Event::Deleted { device } => Note::plain(format!("device {device} deleted")),
        Event::Connected { device, protocol } => {
            Note::good(format!("{device} connected, {protocol}"))
        }
        Event::Disconnected { replaced: true, .. } => return None,
        Event::Disconnected {
            device,
            clean: true,
            reason,
            ..
        } => Note::plain(format!("{device} left: {reason}")),
        Event::Disconnected { device, reason, .. } => {
            // What the TLS library advises its programmers is of no use to the operator.
            let reason = reason.split(": https://").next().unwrap_or_default();
            Note::bad(format!("{device} is gone: {reason}"))
        }
        Event::Telemetry { device, records } => {
            Note::plain(format!("{device}: {}", telemetry(records)))
        }
        Event::ClientAttributes { device, values } => {
            Note::plain(format!("attributes of {device}: {}", listed(values)))
        }
        Event::SharedAttributes { device, values, .. } => {
            Note::plain(format!("{device} is told {}", listed(values)))
        }
        Event::RpcSent { device, method, .. } => Note::plain(format!("RPC {method} to {device}")),
        Event::RpcAnswered { device, answer, .. } => {
            let answer = answer.as_ref().map_or("nothing", |answer| answer.get());
            Note::plain(format!("{device} answers {answer}"))
        }
        Event::RpcReceived { device, method } => Note::plain(format!("RPC {method} from {device}")),
        Event::Claimable { device, .. } => Note::plain(format!("{device} may be claimed")),
        Event::Rejected {
            device,
            topic,
            reason,
        } => Note::bad(format!("{device}: {topic} was not taken: {reason}")),
        _ => return None,
    })
}

fn listed(values: &[(String, Datum)]) -> String {
    let one = |(key, value): &(String, Datum)| match value {
        Datum::Long(n) => format!("{key} {n}"),
        Datum::Double(n) => format!("{key} {n}"),
        Datum::Bool(b) => format!("{key} {b}"),
        Datum::Text(text) | Datum::Json(text) => format!("{key} {text}"),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, values and answers are a stranger's to choose.
    #[test]
    fn nothing_that_is_told_commands_the_terminal() {
        let evil = || "\u{1b}]0;owned\u{7}\u{9b}2J\r\n".to_owned();
        let values = || vec![(evil(), Datum::Text(evil()))];
        let refusal = devserver::Refusal::NameTaken { name: evil() };
        let (device, reason, topic, method) = (evil(), evil(), evil(), evil());
        let filter = evil();
        let record = Record {
            ts_ms: 1,
            values: values(),
        };
        let told = [
            Event::Refused {
                peer: evil(),
                refusal,
            },
            Event::HandshakeFailed {
                peer: evil(),
                reason: evil(),
            },
            Event::Created { device: evil() },
            Event::Subscribed {
                device: evil(),
                filter,
            },
            Event::RpcReceived {
                device: evil(),
                method,
            },
            Event::ClientAttributes {
                device: evil(),
                values: values(),
            },
            Event::Telemetry {
                device: evil(),
                records: vec![record],
            },
            Event::Rejected {
                device,
                topic,
                reason,
            },
        ];
        for event in &told {
            for happening in [happening(event), note(event).map(Happening::Server)] {
                let text = match happening {
                    Some(Happening::Stored(stored)) => stored.latest,
                    Some(Happening::Server(note)) => note.text,
                    _ => continue,
                };
                assert!(!text.chars().any(char::is_control), "{text:?}");
            }
        }
    }

    #[test]
    fn telemetry_is_one_line_and_keeps_its_time_stamps() {
        let record = |ts_ms| Record {
            ts_ms,
            values: vec![
                ("temperature".into(), Datum::Double(22.5)),
                ("rssi".into(), Datum::Long(-50)),
            ],
        };
        let state = Record {
            ts_ms: 0,
            values: vec![("fw_state".into(), Datum::Text("UPDATED".into()))],
        };
        let event = Event::Telemetry {
            device: "SN-1".into(),
            records: vec![state, record(1), record(2)],
        };
        let Some(Happening::Stored(stored)) = happening(&event) else {
            panic!("telemetry is stored");
        };
        assert_eq!(stored.stamps_ms, [1, 2]);
        assert_eq!(
            stored.latest,
            "telemetry of 3 moments, at last temperature 22.5, rssi -50"
        );
    }
}
