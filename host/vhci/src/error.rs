//! Why a controller can no longer be spoken to.

use std::convert::Infallible;
use std::io;

use bt_hci_transport::ReadHciError;

use crate::h4::NotH4;

/// Why a transport failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection to the controller broke.
    #[error("the connection to the Bluetooth controller failed: {0}")]
    Io(#[from] io::Error),
    /// The controller ended the connection.
    #[error("the Bluetooth controller closed the connection")]
    Closed,
    /// What answers is no controller.
    #[error(transparent)]
    NotH4(#[from] NotH4),
    /// The controller sent a packet that makes no sense, or one that is too long.
    #[error("the Bluetooth controller sent a malformed packet: {0}")]
    Malformed(ReadHciError<Infallible>),
}

impl From<ReadHciError<Infallible>> for Error {
    fn from(e: ReadHciError<Infallible>) -> Self {
        Self::Malformed(e)
    }
}

impl embedded_io::Error for Error {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::Io(e) => e.kind().into(),
            Self::Closed => embedded_io::ErrorKind::BrokenPipe,
            Self::NotH4(_) | Self::Malformed(_) => embedded_io::ErrorKind::InvalidData,
        }
    }
}
