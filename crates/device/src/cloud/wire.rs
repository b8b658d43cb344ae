//! The byte stream below MQTT, watched for what the MQTT library does not tell: why the broker
//! refused or ended the connection, which are the reasons in its CONNACK (of which the library
//! knows not all) and in its DISCONNECT.

use core::cell::Cell;

use embassy_time::{Duration, Instant, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};

/// How long the network may take to take anything. The MQTT library would wait for ever with a
/// ping that does not leave, and notice nothing else meanwhile.
const TAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// Reads that bring nothing, within [`IDLE_TIME`], after which the broker is taken for silent. The
/// MQTT library (minimq 0.13.5, `wait_for_progress`; not reported yet) does not wait when a ping is
/// due while the one before is unanswered, which a keep alive of less than 10 s can bring about: it
/// reads again and again, for seconds, and lets nobody else get on.
const MOST_IDLE_READS: u32 = 1_000;
const IDLE_TIME: Duration = Duration::from_secs(1);

/// What is known of the stream, while the MQTT library owns it.
#[derive(Default)]
pub(super) struct WireState {
    /// The other end closed the stream.
    pub(super) closed: Cell<bool>,
    /// The network took nothing for too long.
    pub(super) stuck: Cell<bool>,
    /// The reason code of the broker's CONNACK.
    pub(super) connack: Cell<Option<u8>>,
    /// The reason code of the broker's DISCONNECT.
    pub(super) disconnect: Cell<Option<u8>>,
}

/// A watched stream.
pub(super) struct Wire<'a, IO> {
    io: IO,
    state: &'a WireState,
    packet: Packet,
    /// Reads that brought nothing, and when the first of them began.
    idle: (u32, Instant),
}

impl<'a, IO> Wire<'a, IO> {
    pub(super) fn new(io: IO, state: &'a WireState) -> Self {
        Self {
            io,
            state,
            packet: Packet::default(),
            idle: (0, Instant::MIN),
        }
    }

    /// Whether so many reads began in so short a time that nobody can be waiting in between.
    fn is_read_in_vain(&mut self) -> bool {
        let (reads, since) = self.idle;
        let now = Instant::now();
        self.idle = if now.saturating_duration_since(since) > IDLE_TIME {
            (1, now)
        } else {
            (reads.saturating_add(1), since)
        };
        self.idle.0 > MOST_IDLE_READS
    }
}

impl<IO: ErrorType> ErrorType for Wire<'_, IO> {
    type Error = IO::Error;
}

impl<IO: Read> Read for Wire<'_, IO> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        if self.is_read_in_vain() {
            // To the library an end, and to us, as the line is not closed, silence.
            return Ok(0);
        }
        let length = self.io.read(buffer).await?;
        self.idle = (0, Instant::MIN);
        if length == 0 && !buffer.is_empty() {
            self.state.closed.set(true);
        }
        for &byte in buffer.get(..length).unwrap_or_default() {
            match self.packet.pass(byte) {
                Some(Reason::Connack(reason)) => self.state.connack.set(Some(reason)),
                Some(Reason::Disconnect(reason)) => self.state.disconnect.set(Some(reason)),
                None => {}
            }
        }
        Ok(length)
    }
}

impl<IO: Write> Write for Wire<'_, IO> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        if self.state.stuck.get() {
            return Ok(0);
        }
        let written = with_timeout(TAKE_TIMEOUT, self.io.write(buffer)).await;
        written.unwrap_or_else(|_| {
            self.state.stuck.set(true);
            Ok(0)
        })
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        let flushed = with_timeout(TAKE_TIMEOUT, self.io.flush()).await;
        flushed.unwrap_or_else(|_| {
            // The next write tells.
            self.state.stuck.set(true);
            Ok(())
        })
    }
}

/// The first byte of a CONNACK packet (MQTT 5, 3.2.1).
const CONNACK: u8 = 0x20;
/// The first byte of a DISCONNECT packet (MQTT 5, 3.14.1).
const DISCONNECT: u8 = 0xe0;

/// A reason code, and of which packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Connack(u8),
    Disconnect(u8),
}

/// Follows the packets of a stream: a byte of type, the length in groups of 7 bits, the rest.
#[derive(Debug, Default, Clone, Copy)]
enum Packet {
    #[default]
    Start,
    Length {
        kind: u8,
        length: u32,
        shift: u32,
    },
    Body {
        kind: u8,
        /// Which byte comes next, from 0; large numbers are all the same.
        index: u8,
        left: u32,
    },
}

impl Packet {
    /// Takes the next byte; returns the reason if it is one.
    fn pass(&mut self, byte: u8) -> Option<Reason> {
        match *self {
            Self::Start => {
                *self = Self::Length {
                    kind: byte,
                    length: 0,
                    shift: 0,
                };
                None
            }
            Self::Length {
                kind,
                length,
                shift,
            } => {
                let length = length | u32::from(byte & 0x7f) << shift;
                if byte & 0x80 != 0 && shift < 21 {
                    *self = Self::Length {
                        kind,
                        length,
                        shift: shift + 7,
                    };
                    return None;
                }
                *self = match length {
                    0 => Self::Start,
                    left => Self::Body {
                        kind,
                        index: 0,
                        left,
                    },
                };
                // Without a reason it is a normal one (MQTT 5, 3.14.2.1).
                (kind == DISCONNECT && length == 0).then_some(Reason::Disconnect(0))
            }
            Self::Body { kind, index, left } => {
                *self = match left {
                    0 | 1 => Self::Start,
                    left => Self::Body {
                        kind,
                        index: index.saturating_add(1),
                        left: left - 1,
                    },
                };
                match (kind, index) {
                    (DISCONNECT, 0) => Some(Reason::Disconnect(byte)),
                    // After the flags (MQTT 5, 3.2.2).
                    (CONNACK, 1) => Some(Reason::Connack(byte)),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;

    fn reasons(stream: &[u8]) -> alloc::vec::Vec<Reason> {
        let mut packet = Packet::default();
        stream.iter().filter_map(|&b| packet.pass(b)).collect()
    }

    #[test]
    fn only_what_refuses_or_ends_a_connection_tells_a_reason() {
        // PINGRESP, a PUBLISH full of what looks like a DISCONNECT, DISCONNECT with properties.
        let mut stream = alloc::vec![0xd0, 0, 0x30, 0x82, 0x01];
        stream.extend([0xe0, 0x8e].iter().cycle().take(130));
        stream.extend([0xe0, 2, 0x8e, 0]);
        assert_eq!(reasons(&stream), [Reason::Disconnect(0x8e)]);
        assert_eq!(reasons(&[0xe0, 0]), [Reason::Disconnect(0)]);
        assert_eq!(reasons(&[0xe0, 1, 0x8b]), [Reason::Disconnect(0x8b)]);
        // CONNACK with a property.
        let connack = [0x20, 6, 0, 0x8a, 3, 0x21, 0x8a, 0x8a];
        assert_eq!(reasons(&connack), [Reason::Connack(0x8a)]);
    }

    /// A stream on which nothing comes.
    struct Quiet;

    impl ErrorType for Quiet {
        type Error = core::convert::Infallible;
    }

    impl Read for Quiet {
        async fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> {
            core::future::pending().await
        }
    }

    #[test]
    fn whoever_reads_without_waiting_hears_that_the_line_is_silent() {
        let state = WireState::default();
        let mut wire = Wire::new(Quiet, &state);
        let mut buffer = [0; 4];
        run(async {
            // A read a millisecond is no haste.
            for _ in 0..3 * MOST_IDLE_READS {
                let read = with_timeout(Duration::from_millis(1), wire.read(&mut buffer));
                assert!(read.await.is_err());
                embassy_time::Timer::after_millis(1).await;
            }
            let mut reads = 0;
            let end = loop {
                reads += 1;
                let read = with_timeout(Duration::MIN, wire.read(&mut buffer));
                if let Ok(end) = read.await {
                    break end;
                }
            };
            assert_eq!(end, Ok(0));
            assert!(reads <= MOST_IDLE_READS + 1, "{reads}");
            assert!(!state.closed.get());
        });
    }

    #[test]
    fn no_bytes_panic() {
        for byte in 0..=255 {
            reasons(&[byte; 64]);
            reasons(&[0xe0, 0xff, 0xff, 0xff, byte, 1, 2, 3]);
        }
    }
}
