//! Whether a device got online: an endpoint beside Espressif's, by which a client learns so before
//! the link goes.
//!
//! Not ESP-IDF's. A device that has it says so in the JSON of `proto-ver`, by an object of its own
//! ([`APP`]) before `prov`; clients that do not know it read over that. Requests and replies are
//! encrypted by the session, as those of every custom endpoint.
//!
//! ```proto
//! message Request { uint32 unix_s = 1; uint32 ms = 2; }  // the client's time; field 1 always, 0 if unknown
//! message Reply {
//!   uint32 stage = 1;
//!   string failure = 2;  // what failed last, and what to do about it, in the device's words
//!   string name = 3;     // the device's name, when it is online
//!   string broker = 4;   // where it is online
//! }
//! ```
//!
//! Whoever asks for the first time says thereby that he waits for the answer: a device that has the
//! memory for both keeps the link while it goes online, and closes it a second after it has told
//! [`Stage::Online`], when the client leaves, or when its patience is over.

use crate::wifi::open_enum;
use crate::wire::codec::{Fields, encode};
use crate::wire::version::AppInfo;
use crate::wire::{BufferTooSmall, Malformed};

/// The endpoint's name.
pub const ENDPOINT: &str = "tb-online";

/// What `proto-ver` says of it.
pub const APP: AppInfo = AppInfo {
    label: "tb",
    version: "1",
    capabilities: &["online"],
};

/// The most that [`Reply::failure`] has, in bytes: with it a reply fits one value of Bluetooth.
pub const FAILURE: usize = 480;

open_enum! {
    /// How far the device is on its way.
    #[derive(Default)]
    Stage {
        /// It has not been told a network yet.
        #[default]
        Waiting = 0,
        /// It is joining the network.
        Joining = 1,
        /// It is joined, and asks for the time.
        SettingClock = 2,
        /// It connects to the broker.
        Connecting = 3,
        /// The broker has accepted it.
        Online = 4,
        /// It has no memory for both, and closes the link to go online.
        Closing = 5,
    }
}

/// What a client asks, and the time that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Milliseconds since 1970 UTC, in the client's opinion.
    pub unix_ms: Option<u64>,
}

/// How the device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// How far it is.
    pub stage: Stage,
    /// What failed since it was last online, and what to do about it; empty if nothing did. The device
    /// goes on trying.
    pub failure: &'a str,
    /// The device's name on the server, once it is online.
    pub name: &'a str,
    /// The broker that it is online at.
    pub broker: &'a str,
}

impl Request {
    /// Reads a request. A time of 0 is none.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let (mut unix_s, mut ms) = (0, 0);
        let mut fields = Fields::new(message);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => unix_s = value.number()?,
                2 => ms = value.number()?,
                _ => {}
            }
        }
        if ms >= 1_000 {
            return Err(Malformed);
        }
        let unix_ms = u64::from(unix_s) * 1_000 + u64::from(ms);
        Ok(Self {
            unix_ms: (unix_s != 0).then_some(unix_ms),
        })
    }

    /// Writes the request and returns its length, at most 9 and never 0: a write of nothing would ask
    /// nothing. A time that is later than 2106 is left out.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`].
    pub fn encode(self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let unix_ms = self.unix_ms.unwrap_or(0);
        let unix_s = u32::try_from(unix_ms / 1_000).unwrap_or(0);
        encode(buffer, |w| {
            w.number_even_if_zero(1, unix_s);
            if unix_s != 0 {
                w.number(2, (unix_ms % 1_000) as u32);
            }
        })
    }
}

impl<'a> Reply<'a> {
    /// Reads a reply.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut reply = Reply {
            stage: Stage::Waiting,
            failure: "",
            name: "",
            broker: "",
        };
        let text = |bytes: &'a [u8]| core::str::from_utf8(bytes).map_err(|_| Malformed);
        let mut fields = Fields::new(message);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => reply.stage = value.number()?.into(),
                2 => reply.failure = text(value.bytes()?)?,
                3 => reply.name = text(value.bytes()?)?,
                4 => reply.broker = text(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(reply)
    }

    /// Writes the reply and returns its length. Of a failure longer than [`FAILURE`] the beginning is
    /// told.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`].
    pub fn encode(self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let end = self.failure.floor_char_boundary(FAILURE);
        let failure = self.failure.get(..end).unwrap_or_default();
        encode(buffer, |w| {
            w.number(1, self.stage.into());
            w.bytes(2, failure.as_bytes());
            w.bytes(3, self.name.as_bytes());
            w.bytes(4, self.broker.as_bytes());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gatt::MAX_VALUE_LEN;
    use crate::security::OVERHEAD_MAX;

    #[test]
    fn a_request_survives_the_wire_and_is_never_empty() {
        let mut buffer = [0; 9];
        for unix_ms in [None, Some(1_800_000_000_007), Some(4_294_967_295_999)] {
            let request = Request { unix_ms };
            let length = request.encode(&mut buffer).unwrap();
            assert!(length > 0);
            assert_eq!(Request::decode(&buffer[..length]), Ok(request));
        }
        let length = Request {
            unix_ms: Some(u64::MAX),
        }
        .encode(&mut buffer)
        .unwrap();
        let read = Request::decode(&buffer[..length]);
        assert_eq!(read, Ok(Request { unix_ms: None }));
    }

    /// By hand, from the layout above.
    #[test]
    fn the_layout_is_that_of_the_documentation() {
        assert_eq!(
            Request::decode(&[0x08, 0x05, 0x10, 0x07]),
            Ok(Request {
                unix_ms: Some(5_007)
            })
        );
        assert_eq!(
            Request::decode(&[0x08, 0x05, 0x10, 0xE8, 7]),
            Err(Malformed)
        );
        let reply = Reply::decode(b"\x08\x03\x12\x02no\x1A\x04SN-1\x22\x01b");
        assert_eq!(
            reply,
            Ok(Reply {
                stage: Stage::Connecting,
                failure: "no",
                name: "SN-1",
                broker: "b"
            })
        );
        assert_eq!(Reply::decode(b"\x12\x01\xFF"), Err(Malformed));
    }

    #[test]
    fn every_reply_fits_a_value_of_bluetooth() {
        let mut buffer = [0; MAX_VALUE_LEN - OVERHEAD_MAX];
        let failure = "é".repeat_into(FAILURE);
        let reply = Reply {
            stage: Stage::Connecting,
            failure: &failure,
            name: "",
            broker: "",
        };
        let length = reply.encode(&mut buffer).unwrap();
        let read = Reply::decode(&buffer[..length]).unwrap();
        assert_eq!(read.failure.len(), FAILURE);
        let (name, broker) = ([b'n'; 64], [b'b'; 134]);
        let reply = Reply {
            stage: Stage::Online,
            failure: "",
            name: core::str::from_utf8(&name).unwrap(),
            broker: core::str::from_utf8(&broker).unwrap(),
        };
        let length = reply.encode(&mut buffer).unwrap();
        assert_eq!(Reply::decode(&buffer[..length]), Ok(reply));
    }

    trait RepeatInto {
        /// As often as it takes to be longer than `most`.
        fn repeat_into(&self, most: usize) -> heapless::String<512>;
    }

    impl RepeatInto for str {
        fn repeat_into(&self, most: usize) -> heapless::String<512> {
            let mut text = heapless::String::new();
            while text.len() <= most {
                text.push_str(self).unwrap();
            }
            text
        }
    }
}
