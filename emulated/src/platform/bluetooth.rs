//! Bluetooth: an HCI controller behind the second serial line.

use alloc::rc::Rc;
use core::{cell::RefCell, future::poll_fn, task::Poll};

use device::platform::{
    Bluetooth,
    h4::{H4, LineError},
};
use embedded_io::{Error as _, ErrorKind, ErrorType};

use crate::board::serial::Serial;

/// The controller while it is off.
pub(crate) struct Controller;

impl Bluetooth for Controller {
    type Transport<'a> = H4<Receiving, Sending>;
    type Error = LineError;

    async fn start(&mut self) -> Result<H4<Receiving, Sending>, Self::Error> {
        let serial = Serial::open().map_err(|error| LineError::Line(SerialError(error).kind()))?;
        let serial = Rc::new(RefCell::new(serial));
        H4::open(Receiving(Rc::clone(&serial)), Sending(serial)).await
    }
}

/// What the serial line's device says.
#[derive(Debug)]
pub(crate) struct SerialError(virtio_drivers::Error);

impl core::fmt::Display for SerialError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for SerialError {}

impl embedded_io::Error for SerialError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// One direction of the line.
pub(crate) struct Receiving(Rc<RefCell<Serial>>);

/// The other.
pub(crate) struct Sending(Rc<RefCell<Serial>>);

impl ErrorType for Receiving {
    type Error = SerialError;
}

impl embedded_io_async::Read for Receiving {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SerialError> {
        let Some(first) = buffer.first_mut() else {
            return Ok(0);
        };
        poll_fn(
            |context| match self.0.borrow_mut().receive(context.waker()) {
                Ok(Some(byte)) => {
                    *first = byte;
                    Poll::Ready(Ok(1))
                }
                Ok(None) => Poll::Pending,
                Err(error) => Poll::Ready(Err(SerialError(error))),
            },
        )
        .await
    }
}

impl ErrorType for Sending {
    type Error = SerialError;
}

impl embedded_io::Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, SerialError> {
        self.0.borrow_mut().send(bytes).map_err(SerialError)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), SerialError> {
        Ok(())
    }
}

impl embedded_io_async::Write for Sending {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, SerialError> {
        embedded_io::Write::write(self, bytes)
    }

    async fn flush(&mut self) -> Result<(), SerialError> {
        Ok(())
    }
}
