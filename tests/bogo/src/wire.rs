//! The runner's end of the connection: a TCP socket whose calls block, behind the traits that the
//! client asks for. Nothing else runs in this process meanwhile.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use embassy_futures::yield_now;
use embedded_io_async::{ErrorType, Read, Write};

/// Longer than the runner waits for anything, so that it is the one to complain.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the runner.
pub(crate) struct Wire {
    socket: TcpStream,
    /// Whether each byte comes and goes alone, after a pause.
    drop_by_drop: bool,
}

impl Wire {
    /// Connects, and tells the runner which shim this is (ssl/test/PORTING.md).
    pub(crate) fn connect(
        ipv6: bool,
        port: u16,
        shim: u64,
        drop_by_drop: bool,
    ) -> io::Result<Self> {
        let address = if ipv6 {
            SocketAddr::from((Ipv6Addr::LOCALHOST, port))
        } else {
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        };
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.write_all(&shim.to_le_bytes())?;
        Ok(Self {
            socket,
            drop_by_drop,
        })
    }

    /// Says that nothing more will come, and takes what the runner has yet to say: a socket closed
    /// over unread bytes is reset, and the runner would not see the last alert.
    pub(crate) fn finish(mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = io::copy(&mut self.socket, &mut io::sink());
    }

    async fn pause(&self) {
        if self.drop_by_drop {
            yield_now().await;
        }
    }

    fn portion(&self, length: usize) -> usize {
        if self.drop_by_drop {
            length.min(1)
        } else {
            length
        }
    }
}

impl ErrorType for &Wire {
    type Error = io::Error;
}

impl Read for &Wire {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pause().await;
        let length = self.portion(buffer.len());
        let Some(buffer) = buffer.get_mut(..length) else {
            return Ok(0);
        };
        (&self.socket).read(buffer)
    }
}

impl Write for &Wire {
    async fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.pause().await;
        let length = self.portion(buffer.len());
        (&self.socket).write(buffer.get(..length).unwrap_or_default())
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
