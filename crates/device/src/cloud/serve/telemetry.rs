//! Sending samples, and taking note of those that the broker has.

use embassy_time::{Duration, Instant};
use embedded_io_async::{Read, Write};
use thingsboard::FromDevice;

use super::{Failure, Outcome, Sent, Serving};
use crate::cloud::device::{Backlog, Device};
use crate::cloud::outbound::Source;
use crate::cloud::{CloudError, outbound};
use crate::event::Event;

/// The smallest payload that takes one sample.
const LEAST_PAYLOAD: usize = 256;

/// How many messages of telemetry are under way at most. Only samples without time stamps, which
/// cannot go together, need more than one.
pub(super) const MOST_BATCHES: usize = 4;

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, '_, D, IO> {
    /// The number of the oldest sample that is not under way.
    pub(super) fn next_number(&self) -> u64 {
        let first = self.device.queue().first();
        let sent = self.batches.back().map(|(_, batch)| batch.end);
        sent.unwrap_or(first).max(first)
    }

    /// Whether samples wait for nothing but their time.
    pub(super) fn may_send(&self) -> bool {
        // Who the device is comes first: its data points would never be enough otherwise.
        let introduced = self.subscribing.is_none() && self.introducing.is_none();
        if !introduced || self.batches.is_full() {
            return false;
        }
        // What waits in flash goes before, if so it is set.
        if self.device.oldest_first() && self.has_kept() {
            return false;
        }
        // With time stamps they wait for each other, and go together.
        let stamped = |(_, batch): &(Sent, outbound::Batch)| batch.boot_unix_ms.is_some();
        self.batches.is_empty()
            || !self.batches.iter().any(stamped) && !self.is_stamped(self.next_number())
    }

    /// Whether samples wait in flash that can be sent, or are under way.
    fn has_kept(&self) -> bool {
        self.device.backlog().is_some_and(Backlog::load)
    }

    /// Whether samples from flash wait for nothing but their time: they have every other message as long as
    /// there are live ones, or go before these, as it is set.
    pub(super) fn may_send_kept(&self) -> bool {
        let introduced = self.subscribing.is_none() && self.introducing.is_none();
        let turn = self.live_had_it
            || self.device.oldest_first()
            || self.device.queue().at(self.next_number()).is_none();
        introduced && turn && self.kept.is_none() && self.farewell.is_none() && self.has_kept()
    }

    fn is_stamped(&self, number: u64) -> bool {
        self.device.queue().sent_with(number).is_some() || self.device.stamp(0).is_some()
    }

    /// How long to wait after a message. The server stamps what has no stamp when it arrives, so
    /// that goes as it was taken.
    fn message_pause(&self, batch: &outbound::Batch) -> Duration {
        let pause = self.pace.pause();
        match batch.boot_unix_ms {
            None if !self.pace.is_slow() => {
                let interval = Duration::from_millis(self.device.interval_ms().into());
                pause.min(interval * 9 / 10)
            }
            _ => pause,
        }
    }

    /// Lets go of samples that the broker has.
    pub(super) fn note_telemetry(&mut self) {
        if let Some((_, batch)) = self
            .kept
            .take_if(|(sent, _)| self.connection.is_complete(&sent.op))
        {
            self.pace.taken(batch.samples);
            if let Some(backlog) = self.device.backlog() {
                backlog.acknowledge_below(batch.end);
            }
        }
        while let Some((sent, _)) = self.batches.front()
            && self.connection.is_complete(&sent.op)
            && let Some((_, batch)) = self.batches.pop_front()
        {
            let queue = self.device.queue();
            let samples = queue.acknowledge_below(batch.end);
            if let Some(dropped) = batch.dropped {
                queue.note_dropped_told(dropped);
            }
            self.pace.taken(batch.samples);
            self.device.tell(&Event::Acknowledged {
                samples: samples.try_into().unwrap_or(u16::MAX),
                backlog: queue.len().try_into().unwrap_or(u16::MAX),
            });
            let updates = self.device.updates();
            if let Some(event) = updates.and_then(|updates| updates.telemetry_acknowledged()) {
                self.device.tell(&event);
            }
            let renewals = self.device.renewals();
            if let Some(event) = renewals.and_then(|renewals| renewals.telemetry_acknowledged()) {
                self.device.tell(&event);
            }
        }
    }

    /// Sends the oldest samples in memory, if their time has come.
    pub(super) async fn send_telemetry(&mut self) -> Result<(), Failure<IO::Error>> {
        let from = self.next_number();
        // Those from flash have their turn.
        let waits = self.live_had_it && self.may_send_kept();
        match !waits && self.may_send() && self.device.queue().at(from).is_some() {
            true => self.send_from(Source::Memory, from).await,
            false => Ok(()),
        }
    }

    /// Sends the oldest samples in flash, if their time has come.
    pub(super) async fn send_kept(&mut self) -> Result<(), Failure<IO::Error>> {
        match self.may_send_kept() {
            true => {
                let from = Source::Flash.queue(self.device).first();
                self.send_from(Source::Flash, from).await
            }
            false => Ok(()),
        }
    }

    async fn send_from(&mut self, source: Source, from: u64) -> Result<(), Failure<IO::Error>> {
        let (device, now) = (self.device, Instant::now());
        if now < self.next_message {
            return Ok(());
        }
        let mut allowance = self.pace.allowance(now);
        let first = outbound::data_points(device, source, from, allowance.bare);
        let due = self.pace.telemetry_due(first, now);
        if due > now {
            self.next_message = due;
            return Ok(());
        }
        if !self.pace.is_known() && !self.begun {
            // The server is just being asked how much it takes.
            allowance.samples = 1;
        }
        let mut batch = outbound::Batch::default();
        let mut write = |buffer: &mut [u8]| {
            let written = outbound::write_telemetry(device, source, from, allowance, buffer)?;
            let (length, written) = written;
            batch = written;
            Ok(length)
        };
        let most = self.payload_limit;
        match self
            .publish(FromDevice::Telemetry, 0, most, &mut write)
            .await?
        {
            Outcome::Sent(op) => {
                // Those from flash have the calendar of their own life, to the last, since they were fetched.
                if let Some(boot_unix_ms) = batch.boot_unix_ms
                    && source == Source::Memory
                {
                    device.queue().note_sent(batch.end, boot_unix_ms);
                }
                self.begun = true;
                self.pace.sent_telemetry(batch.data_points, now);
                self.next_message = now + self.message_pause(&batch);
                self.stalled = None;
                self.live_had_it = source == Source::Memory;
                let sent = (Sent::now(op), batch);
                match source {
                    // There is room: `may_send`.
                    Source::Memory => _ = self.batches.push_back(sent),
                    Source::Flash => self.kept = Some(sent),
                }
            }
            Outcome::TooLarge if self.payload_limit > LEAST_PAYLOAD => self.payload_limit /= 2,
            Outcome::TooLarge => return Err(Failure::Known(CloudError::PacketLimit)),
            // Replies are in the way, whose acknowledgements make room.
            Outcome::NoRoom if !self.connection.session().is_publish_quiescent() => {
                self.next_message = now + self.pace.pause();
                self.stalled.get_or_insert(now);
            }
            Outcome::NoRoom => return Err(Failure::Known(CloudError::PacketLimit)),
        }
        Ok(())
    }
}
