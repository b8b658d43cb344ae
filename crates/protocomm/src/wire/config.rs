//! `prov-config`: credentials in, how joining went out.
//!
//! ```text
//! WiFiConfigPayload   1: msg
//!   msg 0  10: get status {}
//!   msg 1  11: status    { 1: status, 2: station state,
//!                          10: fail reason | 11: connected | 12: attempt failed }
//!   msg 2  12: set       { 1: ssid, 2: passphrase, 3: bssid, 4: channel }
//!   msg 3  13: set reply { 1: status }
//!   msg 4  14: apply {}
//!   msg 5  15: apply reply { 1: status }
//!
//! connected       { 1: IPv4 address as text, 2: auth mode, 3: ssid, 4: bssid, 5: channel }
//! attempt failed  { 1: attempts remaining }
//! station state   0 connected, 1 connecting, 2 disconnected, 3 failed
//! ```

use core::net::Ipv4Addr;

use heapless::String;

use super::codec::{Fields, Writer, encode};
use super::{BufferTooSmall, Malformed, Status};
use crate::wifi::{AuthMode, Bssid, Connected, FailReason, Ssid};

/// What a client asks of `prov-config`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// How is joining going?
    Status,
    /// Here are credentials. Nothing happens until they are applied.
    Set(SetConfig<'a>),
    /// Join the network with the credentials that were set.
    Apply,
}

/// Credentials as they came; their lengths are not yet checked.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SetConfig<'a> {
    /// The network's name.
    pub ssid: &'a [u8],
    /// Its passphrase, in plain text.
    pub passphrase: &'a [u8],
    /// The access point to use: empty, or six bytes.
    pub bssid: &'a [u8],
    /// The channel to look on; 0 for any.
    pub channel: i32,
}

/// What the station does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StationState {
    /// Joined.
    Connected(Connected),
    /// On its way. After failed attempts, the attempts that remain.
    Connecting {
        /// `None` before the first failure.
        attempts_remaining: Option<u32>,
    },
    /// Not joined, and not trying.
    Disconnected,
    /// Gave up.
    Failed(FailReason),
    /// A state that this version of the protocol does not name.
    Unknown(u32),
}

/// What a device answers at `prov-config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The answer to [`Request::Status`].
    Status {
        /// Whether the device could say.
        status: Status,
        /// What it said.
        station: StationState,
    },
    /// The answer to [`Request::Set`].
    Set(Status),
    /// The answer to [`Request::Apply`].
    Apply(Status),
}

const STATE_CONNECTED: u32 = 0;
const STATE_CONNECTING: u32 = 1;
const STATE_DISCONNECTED: u32 = 2;
const STATE_FAILED: u32 = 3;

/// The `msg` number and the payload's bytes of that number's field, empty if it is absent.
pub(super) fn payload(message: &[u8], first_field: u32) -> Result<(u32, &[u8], u32), Malformed> {
    const KINDS: usize = 6;
    let mut kind = 0;
    let mut status = 0;
    let mut payloads: [&[u8]; KINDS] = [&[]; KINDS];
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => kind = value.number()?,
            2 => status = value.number()?,
            _ => {
                let index = field.checked_sub(first_field).map(|index| index as usize);
                if let Some(slot) = index.and_then(|index| payloads.get_mut(index)) {
                    *slot = value.bytes()?;
                }
            }
        }
    }
    let payload = payloads.get(kind as usize).ok_or(Malformed)?;
    Ok((kind, payload, status))
}

/// The only field of a reply that carries nothing but a status.
fn status_only(message: &[u8]) -> Result<Status, Malformed> {
    let mut status = 0;
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            status = value.number()?;
        }
    }
    Ok(status.into())
}

impl<'a> Request<'a> {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is no protobuf, or no request of this endpoint.
    pub fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let (kind, payload, _) = payload(message, 10)?;
        match kind {
            0 => Ok(Self::Status),
            2 => {
                let mut set = SetConfig::default();
                let mut fields = Fields::new(payload);
                while let Some((field, value)) = fields.next()? {
                    match field {
                        1 => set.ssid = value.bytes()?,
                        2 => set.passphrase = value.bytes()?,
                        3 => set.bssid = value.bytes()?,
                        4 => set.channel = value.number()? as i32,
                        _ => {}
                    }
                }
                Ok(Self::Set(set))
            }
            4 => Ok(Self::Apply),
            _ => Err(Malformed),
        }
    }

    /// Writes the request and returns its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] with the length needed: at most 130 bytes for credentials within the
    /// limits.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        encode(buffer, |w| match self {
            Self::Status => w.message(10, |_| {}),
            Self::Set(set) => {
                w.number(1, 2);
                w.message(12, |w| {
                    w.bytes(1, set.ssid);
                    w.bytes(2, set.passphrase);
                    w.bytes(3, set.bssid);
                    w.signed(4, set.channel);
                });
            }
            Self::Apply => {
                w.number(1, 4);
                w.message(14, |_| {});
            }
        })
    }
}

impl Response {
    /// Reads a reply.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is no protobuf, no reply of this endpoint, or holds an address, name or
    /// channel that cannot be one.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let (kind, payload, _) = payload(message, 10)?;
        match kind {
            1 => decode_status(payload),
            3 => Ok(Self::Set(status_only(payload)?)),
            5 => Ok(Self::Apply(status_only(payload)?)),
            _ => Err(Malformed),
        }
    }

    /// Writes the reply and returns its length.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] with the length needed: at most 90 bytes.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        encode(buffer, |w| match self {
            Self::Status { status, station } => {
                w.number(1, 1);
                w.message(11, |w| {
                    w.number(1, (*status).into());
                    encode_station(w, station);
                });
            }
            Self::Set(status) => {
                w.number(1, 3);
                w.message(13, |w| w.number(1, (*status).into()));
            }
            Self::Apply(status) => {
                w.number(1, 5);
                w.message(15, |w| w.number(1, (*status).into()));
            }
        })
    }
}

fn encode_station(w: &mut Writer<'_>, station: &StationState) {
    match station {
        StationState::Connected(connected) => {
            w.number(2, STATE_CONNECTED);
            w.message(11, |w| {
                w.bytes(1, dotted(connected.ip4).as_bytes());
                w.number(2, connected.auth.into());
                w.bytes(3, connected.ssid.as_bytes());
                w.bytes(4, &connected.bssid.0);
                w.number(5, connected.channel.into());
            });
        }
        StationState::Connecting { attempts_remaining } => {
            w.number(2, STATE_CONNECTING);
            if let Some(remaining) = *attempts_remaining {
                w.message(12, |w| w.number(1, remaining));
            }
        }
        StationState::Disconnected => w.number(2, STATE_DISCONNECTED),
        StationState::Failed(reason) => {
            w.number(2, STATE_FAILED);
            // A member of a oneof is written even where it is zero: `AuthError` is.
            w.number_even_if_zero(10, (*reason).into());
        }
        StationState::Unknown(state) => w.number(2, *state),
    }
}

/// `192.168.4.1`, without the formatting machinery.
fn dotted(address: Ipv4Addr) -> String<15> {
    let mut text = String::new();
    for (index, octet) in address.octets().into_iter().enumerate() {
        // At most four times three digits and three dots.
        if index > 0 {
            let _ = text.push('.');
        }
        if octet >= 100 {
            let _ = text.push(char::from(b'0' + octet / 100));
        }
        if octet >= 10 {
            let _ = text.push(char::from(b'0' + octet / 10 % 10));
        }
        let _ = text.push(char::from(b'0' + octet % 10));
    }
    text
}

fn decode_status(payload: &[u8]) -> Result<Response, Malformed> {
    let mut status = 0;
    let mut state = STATE_CONNECTED;
    let mut reason = FailReason::AuthError;
    let mut attempts_remaining = None;
    let mut connected: &[u8] = &[];
    let mut fields = Fields::new(payload);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => status = value.number()?,
            2 => state = value.number()?,
            10 => reason = value.number()?.into(),
            11 => connected = value.bytes()?,
            12 => {
                let mut remaining = 0;
                let mut fields = Fields::new(value.bytes()?);
                while let Some((field, value)) = fields.next()? {
                    if field == 1 {
                        remaining = value.number()?;
                    }
                }
                attempts_remaining = Some(remaining);
            }
            _ => {}
        }
    }
    let station = match state {
        STATE_CONNECTED => StationState::Connected(decode_connected(connected)?),
        STATE_CONNECTING => StationState::Connecting { attempts_remaining },
        STATE_DISCONNECTED => StationState::Disconnected,
        STATE_FAILED => StationState::Failed(reason),
        other => StationState::Unknown(other),
    };
    Ok(Response::Status {
        status: status.into(),
        station,
    })
}

fn decode_connected(message: &[u8]) -> Result<Connected, Malformed> {
    let mut connected = Connected {
        ip4: Ipv4Addr::UNSPECIFIED,
        ssid: Ssid::default(),
        bssid: Bssid::default(),
        channel: 0,
        auth: AuthMode::Open,
    };
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => {
                connected.ip4 = core::str::from_utf8(value.bytes()?)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .ok_or(Malformed)?;
            }
            2 => connected.auth = value.number()?.into(),
            3 => connected.ssid = Ssid::new(value.bytes()?).ok_or(Malformed)?,
            4 => connected.bssid = Bssid(value.bytes()?.try_into().map_err(|_| Malformed)?),
            5 => connected.channel = u8::try_from(value.number()?).map_err(|_| Malformed)?,
            _ => {}
        }
    }
    Ok(connected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected() -> Connected {
        Connected {
            ip4: Ipv4Addr::new(192, 168, 40, 1),
            ssid: Ssid::new(b"home").unwrap(),
            bssid: Bssid([1, 2, 3, 4, 5, 6]),
            channel: 11,
            auth: AuthMode::Unknown(9),
        }
    }

    #[test]
    fn every_reply_survives_the_wire() {
        let stations = [
            StationState::Connected(connected()),
            StationState::Connecting {
                attempts_remaining: None,
            },
            StationState::Connecting {
                attempts_remaining: Some(0),
            },
            StationState::Disconnected,
            StationState::Failed(FailReason::AuthError),
            StationState::Failed(FailReason::NetworkNotFound),
            StationState::Failed(FailReason::Unknown(3)),
            StationState::Unknown(4),
        ];
        let replies = stations
            .map(|station| Response::Status {
                status: Status::Success,
                station,
            })
            .into_iter()
            .chain([
                Response::Set(Status::InvalidArgument),
                Response::Apply(Status::InternalError),
                Response::Apply(Status::Success),
            ]);
        for reply in replies {
            let mut buffer = [0; 128];
            let len = reply.encode(&mut buffer).unwrap();
            assert_eq!(Response::decode(&buffer[..len]), Ok(reply));
        }
    }

    #[test]
    fn every_request_survives_the_wire() {
        let requests = [
            Request::Status,
            Request::Apply,
            Request::Set(SetConfig {
                ssid: &[b's'; 32],
                passphrase: &[b'p'; 63],
                bssid: &[1; 6],
                channel: 13,
            }),
        ];
        for request in requests {
            let mut buffer = [0; 130];
            let len = request.encode(&mut buffer).unwrap();
            assert!(Request::decode(&buffer[..len]) == Ok(request));
        }
    }

    #[test]
    fn an_address_is_dotted() {
        for address in [[0, 0, 0, 0], [255, 255, 255, 255], [10, 100, 9, 99]] {
            let address = Ipv4Addr::from(address);
            assert_eq!(dotted(address).parse(), Ok(address));
        }
    }

    #[test]
    fn a_request_is_known_by_its_number() {
        assert!(Request::decode(&[]) == Ok(Request::Status));
        assert!(Request::decode(&[0x08, 4]) == Ok(Request::Apply));
        assert!(Request::decode(&[0x08, 2]) == Ok(Request::Set(SetConfig::default())));
        for reply in [1, 3, 5, 6, 0x7F] {
            assert!(Request::decode(&[0x08, reply]) == Err(Malformed));
        }
    }
}
