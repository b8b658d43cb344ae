//! Two ends of a byte stream in memory, with little room in one of its directions.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};

#[derive(Default)]
struct Direction {
    bytes: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn wake(&mut self) {
        for waker in self.reader.take().into_iter().chain(self.writer.take()) {
            waker.wake();
        }
    }
}

/// One end.
pub(crate) struct End {
    incoming: Rc<RefCell<Direction>>,
    outgoing: Rc<RefCell<Direction>>,
    room: usize,
}

/// Both ends of a stream that holds at most `room` bytes from the first end to the second, and any
/// number the other way.
pub(crate) fn pipe(room: usize) -> (End, End) {
    let here = Rc::<RefCell<Direction>>::default();
    let there = Rc::<RefCell<Direction>>::default();
    let first = End {
        incoming: here.clone(),
        outgoing: there.clone(),
        room,
    };
    let second = End {
        incoming: there,
        outgoing: here,
        room: usize::MAX,
    };
    (first, second)
}

impl ErrorType for End {
    type Error = Infallible;
}

impl Read for End {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            let mut incoming = self.incoming.borrow_mut();
            let length = buffer.len().min(incoming.bytes.len());
            if length == 0 && !incoming.closed && !buffer.is_empty() {
                incoming.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
            for (place, byte) in buffer.iter_mut().zip(incoming.bytes.drain(..length)) {
                *place = byte;
            }
            incoming.wake();
            Poll::Ready(Ok(length))
        })
        .await
    }
}

impl Write for End {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            let mut outgoing = self.outgoing.borrow_mut();
            if outgoing.closed {
                // Nobody reads it any more.
                return Poll::Ready(Ok(buffer.len()));
            }
            let length = buffer.len().min(self.room - outgoing.bytes.len());
            if length == 0 && !buffer.is_empty() {
                outgoing.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            outgoing.bytes.extend(&buffer[..length]);
            outgoing.wake();
            Poll::Ready(Ok(length))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for direction in [&self.incoming, &self.outgoing] {
            let mut direction = direction.borrow_mut();
            direction.closed = true;
            direction.wake();
        }
    }
}
