//! A record: some samples, one after the other, as few bytes as they allow.
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 1 | version of this format and kind of time: 0x10 a calendar, 0x11 a life's |
//! | 1 | 1 | how many samples |
//! | 2 | 1 | how many bytes a sample's body has |
//! | 3 | 2 | of which series they are: a check of the schema |
//! | 5 | 8 | milliseconds between 1970 UTC and boot; or of a counter that outlives restarts, at boot |
//! | 13 | 8 | only of a life: which life, which run of that counter (0 none), 32 bits each |
//! | | 6 | milliseconds between boot and the first sample |
//! | | 4 | milliseconds between two samples, as a rule |
//! | | | the samples |
//!
//! All numbers have their low byte first. A sample begins with a byte:
//!
//! | bit | what |
//! |---|---|
//! | 7 | its distance from the one before differs from the rule: a number follows, of 7 bits in each byte, the lowest first, its sign in the lowest bit |
//! | 6 | it has a tail: a byte with its length follows, and the tail at the end |
//! | 5-0 | which sixths of the body changed since the sample before; these follow |
//!
//! Bodies are compared in sixths of whole bytes, so that one byte says it for every length, and exactly
//! for bodies of up to six bytes. The first sample has all of its body.

/// How many bytes a record has at most.
pub const MOST_BYTES: usize = 640;
/// How many samples go into a record. As many as one message to the server takes, or less: what a record
/// holds is acknowledged together, and then the record is gone.
pub const MOST_SAMPLES: usize = 32;
/// How many bytes a sample's body has at most.
pub const MOST_BODY: usize = 48;
/// How many bytes a tail has at most.
pub const MOST_TAIL: usize = 32;

const CALENDAR: u8 = 0x10;
const LIFE: u8 = 0x11;
const IRREGULAR: u8 = 0x80;
const TAILED: u8 = 0x40;
const SIXTHS: usize = 6;
/// 48 bits of milliseconds are nine thousand years.
const MOST_MS: u64 = (1 << 48) - 1;

/// To what the times of samples relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Boot was so many milliseconds after 1970 UTC.
    Calendar {
        /// The milliseconds.
        boot_unix_ms: u64,
    },
    /// The calendar was not known.
    Life {
        /// Which life, at random.
        life: u32,
        /// Which run of a counter that outlives restarts, at random; 0 where there is none.
        run: u32,
        /// What that counter showed at boot, in milliseconds.
        boot_ms: u64,
    },
}

/// What all samples of a record have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// To what their times relate.
    pub time: Time,
    /// A check of their series: those of another product are nobody's.
    pub series: u16,
    /// How many bytes a body has.
    pub body: u8,
}

/// A sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Milliseconds between boot and the sample.
    pub uptime_ms: u64,
    /// What every sample has, always of the same length.
    pub body: &'a [u8],
    /// What few have.
    pub tail: &'a [u8],
}

/// Writes a record.
pub struct Writer {
    bytes: [u8; MOST_BYTES],
    length: usize,
    step_at: usize,
    step_ms: u32,
    last: Last,
}

struct Last {
    uptime_ms: u64,
    body: [u8; MOST_BODY],
}

impl Writer {
    /// A record without samples; none if bodies are too long.
    #[must_use]
    pub fn new(head: Head) -> Option<Self> {
        if usize::from(head.body) > MOST_BODY {
            return None;
        }
        let mut writer = Self {
            bytes: [0; MOST_BYTES],
            length: 0,
            step_at: 0,
            step_ms: 0,
            last: Last {
                uptime_ms: 0,
                body: [0; MOST_BODY],
            },
        };
        let [low, high] = head.series.to_le_bytes();
        let kind = match head.time {
            Time::Calendar { .. } => CALENDAR,
            Time::Life { .. } => LIFE,
        };
        writer.put(&[kind, 0, head.body, low, high])?;
        match head.time {
            Time::Calendar { boot_unix_ms } => writer.put(&boot_unix_ms.to_le_bytes())?,
            Time::Life { life, run, boot_ms } => {
                writer.put(&boot_ms.to_le_bytes())?;
                writer.put(&life.to_le_bytes())?;
                writer.put(&run.to_le_bytes())?;
            }
        }
        Some(writer)
    }

    /// How many samples are in it.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.bytes[1].into()
    }

    /// Adds a sample. False if it does not fit: there is no room, or its body has another length.
    pub fn push(&mut self, entry: &Entry<'_>) -> bool {
        let (length, step_ms) = (self.length, self.step_ms);
        let added = self.try_push(entry).is_some();
        if !added {
            (self.length, self.step_ms) = (length, step_ms);
        }
        added
    }

    fn try_push(&mut self, entry: &Entry<'_>) -> Option<()> {
        let count = self.samples();
        let (body, tail) = (entry.body, entry.tail);
        let fits = body.len() == usize::from(self.bytes[2]) && tail.len() <= MOST_TAIL;
        if !fits || count >= MOST_SAMPLES || entry.uptime_ms > MOST_MS {
            return None;
        }
        let since = entry.uptime_ms as i64 - self.last.uptime_ms as i64;
        let mut step_ms = self.step_ms;
        match count {
            0 => {
                self.put(entry.uptime_ms.to_le_bytes().get(..6)?)?;
                self.step_at = self.length;
                self.put(&[0; 4])?;
            }
            1 => step_ms = u32::try_from(since).unwrap_or(0),
            _ => {}
        }
        let off = if count == 0 {
            0
        } else {
            since - i64::from(step_ms)
        };
        let head_at = self.length;
        let mut head = 0;
        self.put(&[0])?;
        if off != 0 {
            head |= IRREGULAR;
            self.put_number((off << 1 ^ off >> 63) as u64)?;
        }
        if !tail.is_empty() {
            head |= TAILED;
            self.put(&[tail.len() as u8])?;
        }
        let sixth = body.len().div_ceil(SIXTHS).max(1);
        for (index, now) in body.chunks(sixth).enumerate() {
            let at = index * sixth;
            if count == 0 || self.last.body.get(at..at + now.len()) != Some(now) {
                head |= 1 << index;
                self.put(now)?;
            }
        }
        self.put(tail)?;
        // Nothing fails from here on.
        *self.bytes.get_mut(head_at)? = head;
        if count == 1 {
            let step = self.bytes.get_mut(self.step_at..self.step_at + 4)?;
            step.copy_from_slice(&step_ms.to_le_bytes());
            self.step_ms = step_ms;
        }
        self.bytes[1] += 1;
        self.last.uptime_ms = entry.uptime_ms;
        self.last.body.get_mut(..body.len())?.copy_from_slice(body);
        Some(())
    }

    /// The record.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.bytes.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn put_number(&mut self, mut number: u64) -> Option<()> {
        while number > 0x7f {
            self.put(&[number as u8 | 0x80])?;
            number >>= 7;
        }
        self.put(&[number as u8])
    }
}

/// A record that was read.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    head: Head,
    samples: u8,
    uptime_ms: u64,
    step_ms: u32,
    rest: Bytes<'a>,
}

impl<'a> Record<'a> {
    /// Reads the beginning of a record; none if it is none.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Bytes(bytes);
        let [kind, samples, body] = *rest.array()?;
        let series = u16::from_le_bytes(*rest.array()?);
        let ms = u64::from_le_bytes(*rest.array()?);
        let time = match kind {
            CALENDAR => Time::Calendar { boot_unix_ms: ms },
            LIFE => Time::Life {
                boot_ms: ms,
                life: u32::from_le_bytes(*rest.array()?),
                run: u32::from_le_bytes(*rest.array()?),
            },
            _ => return None,
        };
        if usize::from(body) > MOST_BODY || !(1..=MOST_SAMPLES).contains(&samples.into()) {
            return None;
        }
        let [a, b, c, d, e, f] = *rest.array()?;
        Some(Self {
            head: Head { time, series, body },
            samples,
            uptime_ms: u64::from_le_bytes([a, b, c, d, e, f, 0, 0]),
            step_ms: u32::from_le_bytes(*rest.array()?),
            rest,
        })
    }

    /// What its samples have in common.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// How many samples it has.
    #[must_use]
    pub fn samples(&self) -> u8 {
        self.samples
    }

    /// Hands each sample to `take`, in their order. False if the record ends before they do.
    pub fn each(&self, mut take: impl FnMut(Entry<'_>)) -> bool {
        let mut body = [0; MOST_BODY];
        let (mut rest, mut uptime_ms) = (self.rest, self.uptime_ms);
        for index in 0..self.samples {
            let step_ms = if index == 0 { 0 } else { self.step_ms };
            let Some((after, tail)) = rest.sample(&mut body, self.head.body.into()) else {
                return false;
            };
            uptime_ms = uptime_ms
                .wrapping_add(step_ms.into())
                .wrapping_add_signed(after)
                & MOST_MS;
            take(Entry {
                uptime_ms,
                body: body.get(..self.head.body.into()).unwrap_or_default(),
                tail,
            });
        }
        true
    }
}

/// What is yet to be read.
#[derive(Debug, Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.first_chunk()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// Brings the body up to the next sample. Returns by how much its time differs from the rule, and
    /// its tail.
    fn sample(&mut self, body: &mut [u8; MOST_BODY], length: usize) -> Option<(i64, &'a [u8])> {
        let [head] = *self.array()?;
        let off = match head & IRREGULAR {
            0 => 0,
            _ => {
                let number = self.number()?;
                (number >> 1) as i64 ^ -((number & 1) as i64)
            }
        };
        let tail = match head & TAILED {
            0 => 0,
            _ => usize::from(self.array::<1>()?[0]),
        };
        if tail > MOST_TAIL {
            return None;
        }
        let sixth = length.div_ceil(SIXTHS).max(1);
        for (index, part) in body.get_mut(..length)?.chunks_mut(sixth).enumerate() {
            if head & 1 << index != 0 {
                part.copy_from_slice(self.take(part.len())?);
            }
        }
        Some((off, self.take(tail)?))
    }
}

#[cfg(test)]
mod tests;
