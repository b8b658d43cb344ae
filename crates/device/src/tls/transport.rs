//! The byte stream below TLS: watched for alerts, and never left with a byte unsent.

use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll};

use embedded_io_async::{ErrorType, Read, Write};

use super::alert::{Alert, Watch};

/// A byte stream as mbedtls-rs needs it.
///
/// Where a stream takes all of a flight but its last byte, mbedtls-rs 0.3.0 keeps that byte to
/// itself while it waits for the answer, and both ends wait for ever (src/session/asynch.rs,
/// `poll_write` and `wait_readable`). So during the handshake every write is taken whole: what the
/// stream has no room for, at most a flight of some KiB, waits on the heap and is sent before or
/// while reading. Later every write is followed by a flush, which has no such gap.
///
/// As with mbedtls-rs itself, the futures of `io` are polled once and dropped, which must lose
/// nothing: so it is with sockets.
pub(super) struct Transport<IO> {
    io: IO,
    unsent: Vec<u8>,
    shaking_hands: bool,
    watch: Watch,
}

impl<IO> Transport<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self {
            io,
            unsent: Vec::new(),
            shaking_hands: true,
            watch: Watch::default(),
        }
    }

    /// From now on writes may be taken in part.
    pub(super) fn end_handshake(&mut self) {
        self.shaking_hands = false;
    }

    /// The last alert that came unencrypted.
    pub(super) fn alert(&self) -> Option<Alert> {
        self.watch.alert
    }
}

impl<IO: Write> Transport<IO> {
    /// Sends what was put by.
    fn poll_unsent(&mut self, context: &mut Context<'_>) -> Poll<Result<(), IO::Error>> {
        while !self.unsent.is_empty() {
            let polled = pin!(self.io.write(&self.unsent)).poll(context);
            match polled {
                Poll::Ready(Ok(0)) | Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(length)) => {
                    self.unsent.drain(..length.min(self.unsent.len()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        // The memory is wanted elsewhere.
        self.unsent = Vec::new();
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        buffer: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, IO::Error>> {
        let written = match self.poll_unsent(context) {
            Poll::Ready(Ok(())) => pin!(self.io.write(buffer)).poll(context),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        if !self.shaking_hands {
            return written;
        }
        let length = match written {
            Poll::Ready(result) => result?,
            Poll::Pending => 0,
        };
        self.unsent
            .extend_from_slice(buffer.get(length..).unwrap_or_default());
        Poll::Ready(Ok(buffer.len()))
    }
}

impl<IO: ErrorType> ErrorType for Transport<IO> {
    type Error = IO::Error;
}

impl<IO: Read + Write> Read for Transport<IO> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let length = poll_fn(|context| {
            // What comes in matters more than what cannot be sent any more: it may say why.
            let unsent = self.poll_unsent(context);
            match (pin!(self.io.read(buffer)).poll(context), unsent) {
                (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                (polled, _) => polled,
            }
        })
        .await?;
        self.watch.pass(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

impl<IO: Read + Write> Write for Transport<IO> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        poll_fn(|context| self.poll_write(buffer, context)).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        poll_fn(|context| self.poll_unsent(context)).await?;
        self.io.flush().await
    }
}
