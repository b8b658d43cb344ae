//! Firmware: asking for chunks beside everything else, and telling how far an update came.

use embassy_time::Instant;
use embedded_io_async::{Read, Write};
use thingsboard::FromDevice;

use super::{Failure, MOST_PAYLOAD, Outcome, Sent, Serving};
use crate::cloud::device::Device;

/// The most values of a report.
const MOST_VALUES: u32 = 3;

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, '_, D, IO> {
    /// Takes note of a report that the broker has.
    pub(super) fn note_report(&mut self) {
        if let (Some(sent), Some(updates)) = (&self.reporting, self.device.updates())
            && self.connection.is_complete(&sent.op)
        {
            self.reporting = None;
            updates.reported();
        }
    }

    /// Tells what is to be told, one after the other, and asks for chunks.
    pub(super) async fn update_firmware(&mut self) -> Result<(), Failure<IO::Error>> {
        let Some(updates) = self.device.updates().filter(|_| self.told.is_some()) else {
            return Ok(());
        };
        while let Some(event) = updates.look() {
            self.device.tell(&event);
        }
        if self.reporting.is_none()
            && updates.has_report()
            && !self.is_held_back(self.pace.telemetry_due(MOST_VALUES, Instant::now()))
        {
            let mut values = 0;
            let mut write = |buffer: &mut [u8]| {
                let (length, count) = updates.write_report(buffer)?;
                values = count;
                Ok(length)
            };
            let to = FromDevice::Telemetry;
            match self.publish(to, 0, MOST_PAYLOAD, &mut write).await? {
                Outcome::Sent(op) => {
                    self.pace.sent_telemetry(values, Instant::now());
                    self.reporting = Some(Sent::now(op));
                }
                Outcome::NoRoom => {}
                // It can be told to no one.
                Outcome::TooLarge => updates.reported(),
            }
        }
        while let Some(ask) = updates.to_ask() {
            if self.is_held_back(self.pace.messages_due(1, Instant::now())) {
                break;
            }
            let to = FromDevice::FirmwareRequest {
                request: ask.request,
                chunk: ask.index,
            };
            let mut write = |buffer: &mut [u8]| {
                thingsboard::firmware::write_chunk_size(buffer, ask.size).map(<[u8]>::len)
            };
            match self.publish(to, 0, MOST_PAYLOAD, &mut write).await? {
                Outcome::Sent(_) => updates.asked(),
                Outcome::NoRoom | Outcome::TooLarge => break,
            }
        }
        Ok(())
    }
}
