//! Any HCI transport, with the error type that the Bluetooth host asks for.

use core::convert::Infallible;
use core::fmt;

use bt_hci_transport::{PacketToController, PacketToHost, ReadHciError, Transport};
use embedded_io_async::ErrorKind;

/// A transport whose error can also be a malformed packet.
pub(super) struct Adapter<T>(pub(super) T);

/// The transport's own error, or a packet that the host could not read.
#[derive(Debug)]
pub(super) enum AdapterError<E> {
    Transport(E),
    Malformed(ReadHciError<Infallible>),
}

impl<E> From<ReadHciError<Infallible>> for AdapterError<E> {
    fn from(error: ReadHciError<Infallible>) -> Self {
        Self::Malformed(error)
    }
}

impl<E: fmt::Debug> fmt::Display for AdapterError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => write!(f, "{error:?}"),
            Self::Malformed(error) => write!(f, "{error:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for AdapterError<E> {}

impl<E: embedded_io_async::Error> embedded_io_async::Error for AdapterError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Transport(error) => error.kind(),
            Self::Malformed(_) => ErrorKind::InvalidData,
        }
    }
}

impl<T: Transport> embedded_io_async::ErrorType for Adapter<T> {
    type Error = AdapterError<T::Error>;
}

impl<T: Transport> Transport for Adapter<T> {
    async fn read<'a, P: PacketToHost<'a>>(&self, rx: &'a mut [u8]) -> Result<P, Self::Error> {
        self.0.read(rx).await.map_err(AdapterError::Transport)
    }

    async fn write<P: PacketToController>(&self, packet: &P) -> Result<(), Self::Error> {
        self.0.write(packet).await.map_err(AdapterError::Transport)
    }
}
