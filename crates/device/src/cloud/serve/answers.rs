//! Answers to the server's calls, which wait for room.

use alloc::boxed::Box;

use embassy_time::Instant;
use embedded_io_async::{Read, Write};
use thingsboard::FromDevice;
use thingsboard::json::BufferTooSmall;

use super::{Failure, Outcome, Sent, Serving};
use crate::cloud::device::Device;
use crate::errands::{Answer, Command};
use crate::event::Event;

/// How many replies wait for room; the server is told of no more.
pub(super) const MOST_ANSWERS: usize = 4;

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, '_, D, IO> {
    /// Keeps an answer until there is room to send it.
    pub(super) fn keep(&mut self, answer: Box<Answer>) {
        if let Err(answer) = self.answers.push_back(answer) {
            self.drop_answer(&answer);
        }
    }

    /// More calls than replies fit. The server sees no reply and may ask again, so a restart must
    /// not happen either.
    fn drop_answer(&self, answer: &Answer) {
        let method = answer.method.clone();
        self.device.tell(&Event::RpcDropped { method });
    }

    /// Sends the answers that wait, as far as there is room.
    pub(super) async fn send_answers(&mut self) -> Result<(), Failure<IO::Error>> {
        while let Some(answer) = self.answers.pop_front() {
            if self.is_held_back(self.pace.messages_due(1, Instant::now())) {
                // It has just been taken from there.
                let _ = self.answers.push_front(answer);
                break;
            }
            let length = answer.length;
            let reply = answer.payload.get(..length).unwrap_or_default();
            let mut write = |buffer: &mut [u8]| {
                let room = buffer.get_mut(..length);
                let room = room.ok_or(BufferTooSmall { needed: length })?;
                room.copy_from_slice(reply);
                Ok(length)
            };
            match self
                .publish(FromDevice::RpcResponse(answer.id), 0, length, &mut write)
                .await?
            {
                Outcome::Sent(op) => {
                    let Answer {
                        method,
                        ok,
                        command,
                        ..
                    } = *answer;
                    self.device.tell(&Event::RpcAnswered { method, ok });
                    match (command, &mut self.farewell) {
                        // It restarts, too.
                        (Some(Command::FactoryReset), Some((_, command))) => {
                            *command = Command::FactoryReset
                        }
                        (Some(_), Some(_)) | (None, _) => {}
                        (Some(command), none) => *none = Some((Sent::now(op), command)),
                    }
                }
                // Acknowledgements of what is under way make room; if nothing is, none will come.
                Outcome::NoRoom if !self.connection.session().is_publish_quiescent() => {
                    // It has just been taken from there.
                    let _ = self.answers.push_front(answer);
                    self.crowded.get_or_insert(Instant::now());
                    return Ok(());
                }
                Outcome::NoRoom | Outcome::TooLarge => self.drop_answer(&answer),
            }
        }
        self.crowded = None;
        Ok(())
    }
}
