//! Where the broker's packets begin and end, and the two things that are done with that: a message
//! that is larger than the device takes becomes a short one, and reason codes are read in passing.
//!
//! Pure: bytes of the stream go in, bytes for the MQTT library come out.
//!
//! # A message too large
//!
//! ThingsBoard pays no regard to Maximum Packet Size (its `MqttTransportHandler.java` never reads
//! that property of CONNECT; thingsboard/thingsboard, commit
//! dfe65d5abc3aa959aaa853952d74943fbd6867bd), and repeats a call that nobody answers at each
//! subscription. A library that ends the connection over it would do so until the call expires.
//!
//! So of a PUBLISH that is too large only first byte, topic and packet identifier are held, all
//! else is passed over, and the library is given a message of these without a payload:
//!
//! ```text
//! in    first byte | length, 1 to 4 bytes | topic | packet identifier | properties | payload
//! out   first byte | length, 1 byte       | topic | packet identifier | 0
//! ```
//!
//! It acknowledges that as any other, with whatever quality of service it has and in its order.

use heapless::Vec;

/// The longest topic that is kept; the device subscribes to none that could be longer.
const MOST_TOPIC: usize = 64;
/// Stands for a longer one.
const LONG_TOPIC: &[u8] = b"?";
/// First byte, length, topic with its length, packet identifier, no properties.
const MOST_HELD: usize = 2 + 2 + MOST_TOPIC + 2 + 1;

/// The longest fixed header: first byte, and a length of up to four (MQTT 5, 2.1.4).
const MOST_HEADER: usize = 5;

/// The first byte of a CONNACK packet (MQTT 5, 3.2.1).
const CONNACK: u8 = 0x20;
/// The first byte of a DISCONNECT packet (MQTT 5, 3.14.1).
const DISCONNECT: u8 = 0xe0;
/// The first byte of a PINGRESP packet (MQTT 5, 3.13.1).
const PINGRESP: u8 = 0xd0;
/// The type of a PUBLISH packet, in the upper half of its first byte (MQTT 5, 3.3.1).
const PUBLISH: u8 = 3;

/// Something that was noticed in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noticed {
    /// The reason code of a CONNACK.
    Connack(u8),
    /// The reason code of a DISCONNECT.
    Disconnect(u8),
    /// The next packet for the library begins, and is whole.
    Whole,
    /// It is the answer to a ping.
    Pong,
    /// The next packet for the library stands for one of so many bytes.
    Shortened(u32),
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Give the library what is [held](Framing::hand_on).
    HandOn,
    /// Read at most so many bytes and [feed](Framing::feed) them.
    Feed(u32),
    /// Read at most so many bytes for the library, and let them [pass](Framing::pass).
    Pass(u32),
}

/// Follows the packets of a stream.
#[derive(Debug)]
pub(super) struct Framing {
    /// The largest packet that the library takes.
    most: u32,
    state: State,
    /// A header that is being read, or what is to be handed on.
    held: Vec<u8, MOST_HELD>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The fixed header is being read.
    Header,
    /// What is held is handed on, from this byte, before a body of `left` bytes.
    Holding { from: u8, left: u32 },
    /// The rest of a packet passes.
    Body { index: u32, left: u32 },
    /// A packet is being shortened; `left` bytes of it are yet to be read.
    Shortening { part: Part, left: u32, total: u32 },
}

/// Which part of a PUBLISH packet comes next.
#[derive(Debug, Clone, Copy)]
enum Part {
    TopicLength,
    Topic { left: u16, kept: bool },
    Identifier { left: u8 },
    Rest,
}

impl Framing {
    /// At the beginning of a stream whose reader takes packets of at most `most` bytes.
    pub(super) const fn new(most: u32) -> Self {
        Self {
            most,
            state: State::Header,
            held: Vec::new(),
        }
    }

    /// What is to be done next.
    pub(super) fn next(&self) -> Next {
        match self.state {
            // No packet is shorter than two bytes.
            State::Header if self.held.is_empty() => Next::Feed(2),
            State::Header => Next::Feed(1),
            State::Holding { .. } => Next::HandOn,
            State::Body { left, .. } => Next::Pass(left),
            State::Shortening { left, .. } => Next::Feed(left),
        }
    }

    /// Whether a packet is being shortened.
    pub(super) fn is_shortening(&self) -> bool {
        matches!(self.state, State::Shortening { .. })
    }

    /// Whether the library has all of the packet before, and nothing of the next.
    pub(super) fn is_between(&self) -> bool {
        match self.state {
            State::Header | State::Shortening { .. } => true,
            State::Holding { from, .. } => from == 0,
            State::Body { .. } => false,
        }
    }

    /// Moves held bytes into `buffer`, as many as it takes. Returns how many.
    pub(super) fn hand_on(&mut self, buffer: &mut [u8]) -> usize {
        let State::Holding { from, left } = &mut self.state else {
            return 0;
        };
        let rest = self.held.get(usize::from(*from)..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(rest) {
            *place = *byte;
        }
        *from += count as u8;
        if count == rest.len() {
            self.state = match *left {
                0 => {
                    self.held.clear();
                    State::Header
                }
                // The first byte stays: it tells the type of the body's packet.
                left => State::Body { index: 0, left },
            };
        }
        count
    }

    /// Takes bytes that the library is given as well. Returns a reason, if one is among them.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Option<Noticed> {
        let State::Body { index, left } = self.state else {
            return None;
        };
        let count = u32::try_from(bytes.len()).unwrap_or(left);
        let at = |place: u32| {
            let place = place.checked_sub(index)?;
            bytes.get(usize::try_from(place).ok()?).copied()
        };
        let noticed = match self.held.first() {
            Some(&DISCONNECT) => at(0).map(Noticed::Disconnect),
            // After the flags (MQTT 5, 3.2.2).
            Some(&CONNACK) => at(1).map(Noticed::Connack),
            _ => None,
        };
        self.state = match left.saturating_sub(count) {
            0 => {
                self.held.clear();
                State::Header
            }
            left => State::Body {
                index: index.saturating_add(count),
                left,
            },
        };
        noticed
    }

    /// Takes bytes that are not for the library as they are.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<Noticed> {
        let mut noticed = None;
        let mut bytes = bytes;
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Header => noticed = self.header(byte).or(noticed),
                State::Shortening {
                    part: Part::Rest,
                    left,
                    total,
                } => {
                    let count = u32::try_from(bytes.len()).unwrap_or(left);
                    return self.shorten(Part::Rest, left.saturating_sub(count), total);
                }
                State::Shortening { part, left, total } => {
                    let part = self.part(part, byte);
                    noticed = self.shorten(part, left.saturating_sub(1), total);
                }
                State::Holding { .. } | State::Body { .. } => break,
            }
            bytes = rest;
        }
        noticed
    }

    /// Takes a byte of the fixed header.
    fn header(&mut self, byte: u8) -> Option<Noticed> {
        // There is room for more than a header.
        let _ = self.held.push(byte);
        let (&first, length) = self.held.split_first()?;
        let more = length.last().is_none_or(|byte| byte & 0x80 != 0);
        if more && self.held.len() < MOST_HEADER {
            return None;
        }
        let groups = length.iter().rev();
        let length = groups.fold(0, |sum, &group| sum << 7 | u32::from(group & 0x7f));
        let total = length + self.held.len() as u32;
        // Whatever else is too large, or nonsense, the library refuses.
        let quality = first >> 1 & 3;
        if !more && total > self.most && first >> 4 == PUBLISH && quality < 3 {
            self.held.clear();
            // The length comes later.
            let _ = self.held.extend_from_slice(&[first, 0]);
            self.state = State::Shortening {
                part: Part::TopicLength,
                left: length,
                total,
            };
            return None;
        }
        self.state = State::Holding {
            from: 0,
            left: if more { u32::MAX } else { length },
        };
        // Without a reason it is a normal one (MQTT 5, 3.14.2.1).
        match (first, length) {
            (DISCONNECT, 0) => Some(Noticed::Disconnect(0)),
            (PINGRESP, _) => Some(Noticed::Pong),
            _ => Some(Noticed::Whole),
        }
    }

    /// Takes a byte of what is kept of a packet that is too large. Returns what comes after it.
    fn part(&mut self, part: Part, byte: u8) -> Part {
        // All that is kept fits: `MOST_HELD`.
        match part {
            Part::TopicLength => {
                let _ = self.held.push(byte);
                let &[_, _, high, low] = self.held.as_slice() else {
                    return part;
                };
                let length = u16::from_be_bytes([high, low]);
                let kept = usize::from(length) <= MOST_TOPIC;
                if !kept {
                    self.held.truncate(2);
                    let _ = self.held.extend_from_slice(&[0, LONG_TOPIC.len() as u8]);
                    let _ = self.held.extend_from_slice(LONG_TOPIC);
                }
                self.after_topic(Part::Topic { left: length, kept })
            }
            Part::Topic { left, kept } => {
                if kept {
                    let _ = self.held.push(byte);
                }
                self.after_topic(Part::Topic {
                    left: left - 1,
                    kept,
                })
            }
            Part::Identifier { left } => {
                let _ = self.held.push(byte);
                match left {
                    0 | 1 => Part::Rest,
                    left => Part::Identifier { left: left - 1 },
                }
            }
            Part::Rest => Part::Rest,
        }
    }

    fn after_topic(&self, part: Part) -> Part {
        let acknowledged = self.held.first().is_some_and(|first| first & 6 != 0);
        match part {
            Part::Topic { left: 0, .. } if acknowledged => Part::Identifier { left: 2 },
            Part::Topic { left: 0, .. } => Part::Rest,
            part => part,
        }
    }

    /// Goes on with `left` bytes to be read, or hands on what is held after the last of them.
    fn shorten(&mut self, part: Part, left: u32, total: u32) -> Option<Noticed> {
        if left > 0 {
            self.state = State::Shortening { part, left, total };
            return None;
        }
        if matches!(part, Part::Rest) {
            let _ = self.held.push(0);
            let length = self.held.len().saturating_sub(2) as u8;
            if let Some(place) = self.held.get_mut(1) {
                *place = length;
            }
        } else {
            // Its topic went past its end: the library refuses a message of nothing as well.
            self.held.truncate(2);
        }
        self.state = State::Holding { from: 0, left: 0 };
        Some(Noticed::Shortened(total))
    }
}

#[cfg(test)]
mod tests;
