//! `prov-scan`: the networks in the air.
//!
//! ```text
//! WiFiScanPayload   1: msg   2: status
//!   msg 0  10: start        { 1: blocking, 2: passive, 3: channels per group, 4: period in ms }
//!   msg 1  11: start reply  {}
//!   msg 2  12: status {}
//!   msg 3  13: status reply { 1: finished, 2: count }
//!   msg 4  14: results       { 1: start index, 2: count }
//!   msg 5  15: results reply { 1: entry, repeated }
//!
//! entry { 1: ssid, 2: channel, 3: rssi, 4: bssid, 5: auth mode }
//! ```

use super::codec::{Fields, encode};
use super::config::payload;
use super::{BufferTooSmall, Malformed, Status};
use crate::wifi::{AccessPoint, AuthMode, Bssid, Ssid};

/// The longest entry of a results reply, with its tag and length, in bytes.
pub const MAX_ENTRY_LEN: usize = 2 + (2 + 32) + (1 + 2) + (1 + 10) + (2 + 6) + (1 + 5);

/// How to scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Reply only when the scan is done.
    pub blocking: bool,
    /// Only listen; do not ask.
    pub passive: bool,
    /// Scan so many channels, then pause (120 ms in ESP-IDF), so that a link that shares the radio
    /// stays up. 0: all channels in one go.
    pub group_channels: u32,
    /// Time on each channel, in milliseconds; 0 for the station's default. ESP-IDF ignores it
    /// while Bluetooth is on.
    pub period_ms: u32,
}

/// What a client asks of `prov-scan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Scan.
    Start(Start),
    /// Is it done, and how many were found?
    Status,
    /// What was found, from `start_index`, `count` entries. A client must not ask for more than
    /// the status counted: ESP-IDF v5.4.1 follows a null pointer then.
    Results {
        /// The first entry wanted, counting from 0.
        start_index: u32,
        /// How many are wanted.
        count: u32,
    },
}

/// What a device answers at `prov-scan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response<'a> {
    /// The answer to [`Request::Start`].
    Start(Status),
    /// The answer to [`Request::Status`].
    Status {
        /// Whether the device could say.
        status: Status,
        /// Whether no scan is running.
        finished: bool,
        /// The number of access points found.
        count: u32,
    },
    /// The answer to [`Request::Results`].
    Results {
        /// `InternalError` if fewer were found than asked for.
        status: Status,
        /// The access points.
        entries: Entries<'a>,
    },
}

/// The access points of a results reply.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a>(Source<'a>);

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// Checked when the reply was decoded.
    Wire(&'a [u8]),
    List(&'a [AccessPoint]),
}

impl<'a> Entries<'a> {
    /// The entries of a reply to be written.
    pub const fn new(list: &'a [AccessPoint]) -> Self {
        Self(Source::List(list))
    }

    /// The access points, strongest first as devices send them.
    pub fn iter(&self) -> impl Iterator<Item = AccessPoint> + use<'a> {
        let (wire, list) = match self.0 {
            Source::Wire(wire) => (wire, &[][..]),
            Source::List(list) => (&[][..], list),
        };
        let mut fields = Fields::new(wire);
        core::iter::from_fn(move || next_entry(&mut fields).ok().flatten())
            .chain(list.iter().cloned())
    }
}

impl PartialEq for Entries<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Entries<'_> {}

fn next_entry(fields: &mut Fields<'_>) -> Result<Option<AccessPoint>, Malformed> {
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            return decode_entry(value.bytes()?).map(Some);
        }
    }
    Ok(None)
}

fn decode_entry(message: &[u8]) -> Result<AccessPoint, Malformed> {
    let mut entry = AccessPoint {
        ssid: Ssid::default(),
        bssid: Bssid::default(),
        channel: 0,
        rssi: 0,
        auth: AuthMode::Open,
    };
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => entry.ssid = Ssid::new(value.bytes()?).ok_or(Malformed)?,
            2 => entry.channel = u8::try_from(value.number()?).map_err(|_| Malformed)?,
            3 => entry.rssi = i8::try_from(value.number()? as i32).map_err(|_| Malformed)?,
            4 => entry.bssid = Bssid(value.bytes()?.try_into().map_err(|_| Malformed)?),
            5 => entry.auth = value.number()?.into(),
            _ => {}
        }
    }
    Ok(entry)
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is no protobuf, or no request of this endpoint.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let (kind, payload, _) = payload(message, 10)?;
        let mut numbers = [0; 5];
        let mut fields = Fields::new(payload);
        while let Some((field, value)) = fields.next()? {
            if let Some(slot) = numbers.get_mut(field as usize) {
                *slot = value.number()?;
            }
        }
        let [_, first, second, third, fourth] = numbers;
        match kind {
            0 => Ok(Self::Start(Start {
                blocking: first != 0,
                passive: second != 0,
                group_channels: third,
                period_ms: fourth,
            })),
            2 => Ok(Self::Status),
            4 => Ok(Self::Results {
                start_index: first,
                count: second,
            }),
            _ => Err(Malformed),
        }
    }

    /// Writes the request and returns its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] with the length needed: at most 20 bytes.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        encode(buffer, |w| match self {
            Self::Start(start) => w.message(10, |w| {
                w.number(1, start.blocking.into());
                w.number(2, start.passive.into());
                w.number(3, start.group_channels);
                w.number(4, start.period_ms);
            }),
            Self::Status => {
                w.number(1, 2);
                w.message(12, |_| {});
            }
            Self::Results { start_index, count } => {
                w.number(1, 4);
                w.message(14, |w| {
                    w.number(1, *start_index);
                    w.number(2, *count);
                });
            }
        })
    }
}

impl<'a> Response<'a> {
    /// Reads a reply.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is no protobuf, no reply of this endpoint, or holds a name, address,
    /// channel or signal strength that cannot be one.
    pub fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let (kind, payload, status) = payload(message, 10)?;
        let status = status.into();
        match kind {
            1 => Ok(Self::Start(status)),
            3 => {
                let mut finished = false;
                let mut count = 0;
                let mut fields = Fields::new(payload);
                while let Some((field, value)) = fields.next()? {
                    match field {
                        1 => finished = value.number()? != 0,
                        2 => count = value.number()?,
                        _ => {}
                    }
                }
                Ok(Self::Status {
                    status,
                    finished,
                    count,
                })
            }
            5 => {
                let mut fields = Fields::new(payload);
                while next_entry(&mut fields)?.is_some() {}
                Ok(Self::Results {
                    status,
                    entries: Entries(Source::Wire(payload)),
                })
            }
            _ => Err(Malformed),
        }
    }

    /// Writes the reply and returns its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] with the length needed: [`MAX_ENTRY_LEN`] for each entry, and 12 bytes.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let (kind, status) = match *self {
            Self::Start(status) => (1, status),
            Self::Status { status, .. } => (3, status),
            Self::Results { status, .. } => (5, status),
        };
        encode(buffer, |w| {
            w.number(1, kind);
            w.number(2, status.into());
            w.message(10 + kind, |w| match self {
                Self::Start(_) => {}
                Self::Status {
                    finished, count, ..
                } => {
                    w.number(1, (*finished).into());
                    w.number(2, *count);
                }
                Self::Results { entries, .. } => {
                    for entry in entries.iter() {
                        w.message(1, |w| {
                            w.bytes(1, entry.ssid.as_bytes());
                            w.number(2, entry.channel.into());
                            w.signed(3, entry.rssi.into());
                            w.bytes(4, &entry.bssid.0);
                            w.number(5, entry.auth.into());
                        });
                    }
                }
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access_point(ssid: &[u8], rssi: i8) -> AccessPoint {
        AccessPoint {
            ssid: Ssid::new(ssid).unwrap(),
            bssid: Bssid([0xAA, 0xBB, 0xCC, 0, 1, 2]),
            channel: 13,
            rssi,
            auth: AuthMode::Unknown(u32::MAX),
        }
    }

    #[test]
    fn every_message_survives_the_wire() {
        let list = [access_point(&[b'x'; 32], -128), access_point(b"", 0)];
        let mut buffer = [0; 256];
        for request in [
            Request::Start(Start::default()),
            Request::Start(Start {
                blocking: true,
                passive: true,
                group_channels: 5,
                period_ms: 120,
            }),
            Request::Status,
            Request::Results {
                start_index: 4,
                count: u32::MAX,
            },
        ] {
            let len = request.encode(&mut buffer).unwrap();
            assert_eq!(Request::decode(&buffer[..len]), Ok(request));
        }
        for reply in [
            Response::Start(Status::InternalError),
            Response::Status {
                status: Status::Success,
                finished: true,
                count: 16,
            },
            Response::Results {
                status: Status::Success,
                entries: Entries::new(&list),
            },
            Response::Results {
                status: Status::InternalError,
                entries: Entries::new(&[]),
            },
        ] {
            let len = reply.encode(&mut buffer).unwrap();
            assert_eq!(Response::decode(&buffer[..len]), Ok(reply));
        }
    }

    #[test]
    fn no_entry_is_longer_than_stated() {
        let list = [AccessPoint {
            channel: 255,
            ..access_point(&[b'x'; 32], -1)
        }];
        let mut buffer = [0; 128];
        let reply = Response::Results {
            status: Status::Success,
            entries: Entries::new(&list),
        };
        let len = reply.encode(&mut buffer).unwrap();
        // msg, tag and length of the list
        assert_eq!(len, 2 + 2 + MAX_ENTRY_LEN);
    }

    #[test]
    fn an_entry_out_of_range_is_refused() {
        // results reply with one entry whose channel is 256, then one whose BSSID has five bytes
        assert_eq!(
            Response::decode(&[0x08, 5, 0x7A, 5, 0x0A, 3, 0x10, 0x80, 0x02]),
            Err(Malformed)
        );
        assert_eq!(
            Response::decode(&[0x08, 5, 0x7A, 9, 0x0A, 7, 0x22, 5, 1, 2, 3, 4, 5]),
            Err(Malformed)
        );
    }
}
