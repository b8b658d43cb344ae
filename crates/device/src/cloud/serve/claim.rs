//! Claiming: the server is told by which secret, and for how long, the device can be made somebody's.
//!
//! A wrong secret cancels that at the server, and what it has been told it keeps until somebody tries: so it
//! is told again whenever the button is pressed, and never by itself.

use embassy_time::Instant;
use embedded_io_async::{Read, Write};
use thingsboard::{FromDevice, claim};

use super::{Failure, MOST_PAYLOAD, Outcome, Sent, Serving};
use crate::cloud::device::Device;

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, '_, D, IO> {
    /// Takes note that the server knows it.
    pub(super) fn note_claim(&mut self) {
        if let Some((sent, number)) = &self.claiming
            && self.connection.is_complete(&sent.op)
        {
            self.device.claim_told(*number);
            self.claiming = None;
        }
    }

    /// Tells the server, if it is to be told.
    pub(super) async fn claim(&mut self) -> Result<(), Failure<IO::Error>> {
        if self.claiming.is_some() || self.told.is_none() {
            return Ok(());
        }
        let Some(wish) = self.device.claim() else {
            return Ok(());
        };
        if self.is_held_back(self.pace.messages_due(1, Instant::now())) {
            return Ok(());
        }
        let duration_ms = 60_000 * u32::from(wish.minutes);
        let mut write = |buffer: &mut [u8]| {
            claim::write_claim(buffer, Some(&wish.secret), Some(duration_ms)).map(<[u8]>::len)
        };
        match self
            .publish(FromDevice::Claim, 0, MOST_PAYLOAD, &mut write)
            .await?
        {
            Outcome::Sent(op) => self.claiming = Some((Sent::now(op), wish.number)),
            // There is room another time.
            Outcome::NoRoom | Outcome::TooLarge => {}
        }
        Ok(())
    }
}
