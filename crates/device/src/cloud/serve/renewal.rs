//! Renewal of the certificate: asking for pieces beside everything else, and telling how it is.

use embassy_time::Instant;
use embedded_io_async::{Read, Write};
use thingsboard::FromDevice;

use super::{Failure, MOST_PAYLOAD, Outcome, Sent, Serving};
use crate::cloud::device::Device;

/// The most values of what is told.
const MOST_VALUES: u32 = 4;

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, '_, D, IO> {
    /// Takes note of what the broker has.
    pub(super) fn note_renewal(&mut self) {
        if let (Some(sent), Some(renewals)) = (&self.renewing, self.device.renewals())
            && self.connection.is_complete(&sent.op)
        {
            self.renewing = None;
            renewals.told_news();
        }
    }

    /// Tells what is to be told, and asks for the next piece.
    pub(super) async fn renew(&mut self) -> Result<(), Failure<IO::Error>> {
        let Some(renewals) = self.device.renewals().filter(|_| self.told.is_some()) else {
            return Ok(());
        };
        if let Some(event) = renewals.look(&self.certified.known(self.device)) {
            self.device.tell(&event);
        }
        if self.renewing.is_none()
            && renewals.has_news()
            && !self.is_held_back(self.pace.telemetry_due(MOST_VALUES, Instant::now()))
        {
            let name = self.certified.name;
            let mut write = |buffer: &mut [u8]| renewals.write_news(name, buffer);
            let to = FromDevice::Attributes;
            match self
                .publish(to, MOST_VALUES, MOST_PAYLOAD, &mut write)
                .await?
            {
                Outcome::Sent(op) => {
                    renewals.sent_news();
                    self.renewing = Some(Sent::now(op));
                }
                Outcome::NoRoom => {}
                // It can be told to no one.
                Outcome::TooLarge => {
                    renewals.sent_news();
                    renewals.told_news();
                }
            }
        }
        if let Some(id) = renewals.to_ask()
            && !self.is_held_back(self.pace.messages_due(1, Instant::now()))
        {
            let mut write = |buffer: &mut [u8]| renewals.write_ask(buffer);
            let to = FromDevice::AttributesRequest(id);
            if let Outcome::Sent(_) = self.publish(to, 0, MOST_PAYLOAD, &mut write).await? {
                renewals.asked(id);
            }
        }
        Ok(())
    }
}
