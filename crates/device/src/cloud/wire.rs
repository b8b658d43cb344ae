//! The byte stream below MQTT: what the MQTT library does not bear is kept from it, and what it
//! does not tell is read in passing.
//!
//! - A message larger than its buffer becomes a short one: see [`framing`].
//! - While such a message passes, a ping is answered in the broker's place: its answer waits behind
//!   the message, and bytes that come are as good a sign of life.
//! - The reasons in the broker's CONNACK and DISCONNECT are kept. The library (minimq 0.13.5) gives
//!   [`minimq::Error::Disconnected`] for a DISCONNECT, whatever its reason, and knows not all codes of
//!   a CONNACK. Packets have to be told apart here in any case, so this costs the comparison of a
//!   first byte; the library gets the same bytes, and there is no second opinion on what they mean.
//! - A network that takes nothing, and a library that reads in vain, end the connection.

mod framing;

use core::cell::Cell;

use embassy_futures::yield_now;
use embassy_time::{Duration, Instant, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};

use framing::{Framing, Next, Noticed};

/// How long the network may take to take anything. The MQTT library would wait for ever with a
/// ping that does not leave, and notice nothing else meanwhile.
const TAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// Reads that bring nothing, within [`IDLE_TIME`], after which the broker is taken for silent. The
/// MQTT library (minimq 0.13.5, `wait_for_progress`; not reported yet) does not wait when a ping is
/// due while the one before is unanswered, which a keep alive of less than 10 s can bring about: it
/// reads again and again, for seconds, and lets nobody else get on.
const MOST_IDLE_READS: u32 = 1_000;
const IDLE_TIME: Duration = Duration::from_secs(1);

/// How much of what is passed over is read at once: it is on the stack of every read.
const SKIPPED_AT_ONCE: usize = 64;
/// How many such reads before others get on.
const SKIPS_IN_A_ROW: u32 = 64;

/// A PINGREQ packet begins with this (MQTT 5, 3.12), and this is a PINGRESP (3.13).
const PINGREQ: u8 = 0xc0;
const PINGRESP: [u8; 2] = [0xd0, 0];

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
    /// How large the latest packet was, if it was too large and has been shortened. The library
    /// takes in one packet before it reads of the next, so this belongs to the message that it
    /// returned last.
    pub(super) shortened: Cell<Option<u32>>,
    /// When the broker last sent of a message that is too large. What it acknowledges waits behind
    /// that.
    pub(super) occupied: Cell<Option<Instant>>,
}

/// The stream, as the MQTT library has it.
pub(super) struct Wire<'a, IO> {
    io: IO,
    state: &'a WireState,
    framing: Framing,
    /// Whether the broker is yet to answer a ping.
    pinged: bool,
    /// How much of the answer in its place the library is yet to get.
    pong: u8,
    /// Reads that brought nothing, and when the first of them began.
    idle: (u32, Instant),
}

impl<'a, IO> Wire<'a, IO> {
    /// The stream `io` for a reader of packets of at most `most` bytes.
    pub(super) fn new(io: IO, most: u32, state: &'a WireState) -> Self {
        Self {
            io,
            state,
            framing: Framing::new(most),
            pinged: false,
            pong: 0,
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

    /// Takes note of what a read brought.
    fn came(&mut self, length: usize) {
        self.idle = (0, Instant::MIN);
        if length == 0 {
            self.state.closed.set(true);
        }
        if self.framing.is_shortening() {
            self.state.occupied.set(Some(Instant::now()));
            if length > 0 && core::mem::take(&mut self.pinged) {
                self.pong = PINGRESP.len() as u8;
            }
        }
    }

    fn notice(&mut self, noticed: Option<Noticed>) {
        match noticed {
            Some(Noticed::Connack(reason)) => self.state.connack.set(Some(reason)),
            Some(Noticed::Disconnect(reason)) => self.state.disconnect.set(Some(reason)),
            Some(Noticed::Whole) => self.state.shortened.set(None),
            Some(Noticed::Pong) => {
                self.state.shortened.set(None);
                self.pinged = false;
            }
            Some(Noticed::Shortened(bytes)) => self.state.shortened.set(Some(bytes)),
            None => {}
        }
    }
}

impl<IO: ErrorType> ErrorType for Wire<'_, IO> {
    type Error = IO::Error;
}

impl<IO: Read> Read for Wire<'_, IO> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut skips = 0;
        loop {
            if self.is_read_in_vain() {
                // To the library an end, and to us, as the line is not closed, silence.
                return Ok(0);
            }
            if self.pong > 0 && self.framing.is_between() {
                let rest = PINGRESP.iter().rev().take(self.pong.into()).rev();
                let length = buffer.iter_mut().zip(rest).map(|(to, from)| *to = *from);
                let length = length.count();
                self.pong -= length as u8;
                self.idle = (0, Instant::MIN);
                return Ok(length);
            }
            match self.framing.next() {
                Next::HandOn => {
                    self.idle = (0, Instant::MIN);
                    return Ok(self.framing.hand_on(buffer));
                }
                Next::Pass(most) => {
                    let most = buffer.len().min(most.try_into().unwrap_or(usize::MAX));
                    let room = buffer.get_mut(..most).unwrap_or_default();
                    let length = self.io.read(room).await?;
                    self.came(length);
                    let noticed = self.framing.pass(room.get(..length).unwrap_or_default());
                    self.notice(noticed);
                    return Ok(length);
                }
                Next::Feed(most) => {
                    let mut bytes = [0; SKIPPED_AT_ONCE];
                    let most = bytes.len().min(most.try_into().unwrap_or(usize::MAX));
                    let room = bytes.get_mut(..most).unwrap_or_default();
                    let length = self.io.read(room).await?;
                    self.came(length);
                    if length == 0 {
                        return Ok(0);
                    }
                    let noticed = self.framing.feed(room.get(..length).unwrap_or_default());
                    self.notice(noticed);
                    skips += 1;
                    if skips % SKIPS_IN_A_ROW == 0 {
                        yield_now().await;
                    }
                }
            }
        }
    }
}

impl<IO: Write> Write for Wire<'_, IO> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        if self.state.stuck.get() {
            return Ok(0);
        }
        let written = with_timeout(TAKE_TIMEOUT, self.io.write(buffer)).await;
        let written = written.unwrap_or_else(|_| {
            self.state.stuck.set(true);
            Ok(0)
        })?;
        // The rest of another packet may begin like this, too: an answer too many does no harm.
        if written > 0 && buffer.first() == Some(&PINGREQ) {
            self.pinged = true;
        }
        Ok(written)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;

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
        let mut wire = Wire::new(Quiet, 1024, &state);
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
}
