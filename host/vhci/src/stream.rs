//! H4 over a byte stream: the host's side, and a server that lends virtual controllers to hosts
//! of other processes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::air::ControllerConfig;
use crate::controller::SharedAir;
use crate::error::Error;
use crate::h4::Framer;
use crate::raw;

/// A controller at the other end of a byte stream.
pub struct H4Stream<S> {
    reading: Mutex<Reading<S>>,
    writing: Mutex<WriteHalf<S>>,
}

struct Reading<S> {
    half: ReadHalf<S>,
    framer: Framer,
    /// Pieces of a packet that was too long for the host.
    pieces: VecDeque<Vec<u8>>,
}

impl<S: AsyncRead + AsyncWrite> H4Stream<S> {
    /// Speaks H4 over a stream.
    pub fn new(stream: S) -> Self {
        let (half, writing) = split(stream);
        let reading = Reading {
            half,
            framer: Framer::new(),
            pieces: VecDeque::new(),
        };
        Self {
            reading: Mutex::new(reading),
            writing: Mutex::new(writing),
        }
    }

    /// Sends a packet, its indicator byte first.
    ///
    /// # Errors
    /// Where the stream broke.
    pub async fn send(&self, packet: &[u8]) -> Result<(), Error> {
        let mut half = self.writing.lock().await;
        half.write_all(packet).await?;
        Ok(half.flush().await?)
    }

    /// Waits for a packet, its indicator byte first; ACL data is cut to `most` bytes.
    ///
    /// Cancel-safe: bytes that were read are kept.
    ///
    /// # Errors
    /// Where the stream ended, broke or does not carry H4.
    pub async fn receive(&self, most: usize) -> Result<Vec<u8>, Error> {
        let Reading {
            half,
            framer,
            pieces,
        } = &mut *self.reading.lock().await;
        loop {
            if let Some(piece) = pieces.pop_front() {
                return Ok(piece);
            }
            if let Some(packet) = framer.pop()? {
                pieces.extend(raw::fragment(packet, most));
                continue;
            }
            let mut buffer = [0; 1024];
            match half.read(&mut buffer).await? {
                0 => return Err(Error::Closed),
                n => framer.push(&buffer[..n]),
            }
        }
    }
}

/// Lends a fresh virtual controller to every host that connects, until the listener fails. Each
/// controller leaves the air when its host disconnects. `config` makes the configuration of the
/// n-th.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    air: SharedAir,
    listener: TcpListener,
    config: impl Fn(usize) -> ControllerConfig,
) -> io::Result<()> {
    for n in 0.. {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let controller = Arc::new(air.controller(config(n)));
        tokio::spawn(async move {
            let (mut from_host, mut to_host) = stream.into_split();
            let inbound = async {
                let mut framer = Framer::new();
                let mut buffer = [0; 1024];
                loop {
                    match from_host.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(n) => framer.push(&buffer[..n]),
                    }
                    loop {
                        match framer.pop() {
                            Ok(Some(packet)) => controller.send(&packet),
                            Ok(None) => break,
                            Err(_) => return,
                        }
                    }
                }
            };
            let outbound = async {
                loop {
                    let packet = controller.receive().await;
                    if to_host.write_all(&packet).await.is_err() {
                        return;
                    }
                }
            };
            // Either end of the stream failing ends the lease.
            tokio::select! { () = inbound => {} () = outbound => {} }
        });
    }
    Ok(())
}
