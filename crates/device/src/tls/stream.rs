//! The client's end of a TLS connection, over any byte stream.

use alloc::ffi::CString;
use alloc::vec::Vec;

use embassy_futures::yield_now;
use embassy_time::{Duration, Instant};
use embedded_io_async::{ErrorType, Read, Write};

use super::clock::{self, Seen};
use super::session::{Config, Saved, Session, Step};
use super::{Library, TlsError};
use crate::calendar::Moment;
use crate::credentials::Credentials;
use crate::tls::TlsVersion;

/// After this time a server must show its certificate again: in a resumed session nobody looks
/// at its dates.
const RESUME_FOR: Duration = Duration::from_secs(12 * 3600);

/// What is kept of TLS sessions with one server, from connection to connection, so that the next
/// one can spare the handshake. Half a KiB of heap once there was a session, and the ticket.
#[derive(Default)]
pub struct Resumption {
    last: Option<Last>,
    /// The group for which the server wants a key at once.
    group: Option<u16>,
}

struct Last {
    saved: Saved,
    /// Whom it was with: a session is no proof of another name.
    server_name: CString,
    /// When the server last showed its certificate.
    verified: Instant,
}

impl Resumption {
    /// Nothing to resume yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            last: None,
            group: None,
        }
    }
}

/// What a client needs to open a connection.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// MbedTLS.
    pub library: Library<'a>,
    /// Who the device is, and whom it trusts.
    pub credentials: Credentials<'a>,
    /// The name or address that the server's certificate must carry.
    pub server_name: &'a str,
    /// The date by which the server's certificate is judged, in seconds since 1970; a lower bound if it
    /// was one for the credentials.
    pub unix_s: u64,
}

/// An open TLS connection. Keeps the session for resumption when dropped, for a server of TLS 1.3
/// sends its tickets along with data.
///
/// The stream below has to send by itself what is written to it, as sockets do: only
/// [`Stream::close`] flushes it.
///
/// On the heap there are the state of the connection, 1 KiB for what comes in and a record at most
/// for what goes out. During each call 25 KiB more are taken, for the records; they stay while a
/// record has come in in part, or what it brought is not all read.
///
/// # Cancellation
///
/// `read`, `write` and `flush` can be dropped and called again, if those of the stream below can:
/// a write takes its bytes and returns, and only a flush, or the next write, waits until they are
/// sent; nothing is taken and not told.
pub struct Stream<'a, IO: Read + Write> {
    io: IO,
    session: Session<'a>,
    resumption: &'a mut Resumption,
    server_name: CString,
    verified: Instant,
    resumed: bool,
    valid_from_unix_s: u64,
}

impl<'a, IO: Read + Write> Stream<'a, IO> {
    /// Shakes hands over an open byte stream. Drop the stream, too, if this is dropped.
    ///
    /// A poll takes as long as the arithmetic for one message: with P-256 some hundred
    /// milliseconds on a chip for a chain of certificates, with RSA more.
    ///
    /// # Errors
    ///
    /// [`TlsError`]. With TLS 1.3 a server that refuses the device's certificate says so only
    /// after the client is done, so that the first read fails.
    pub async fn connect(
        io: IO,
        client: Client<'a>,
        resumption: &'a mut Resumption,
    ) -> Result<Self, TlsError> {
        let Client {
            // Its only use is to exist.
            library: _,
            credentials,
            server_name,
            unix_s,
        } = client;
        // Settings refuse names with a zero in them.
        let server_name = CString::new(server_name).unwrap_or_default();
        // Taken, not borrowed: should the handshake fail because of it, the next is a full one.
        let last = resumption
            .last
            .take()
            .filter(|last| last.server_name == server_name && last.verified.elapsed() < RESUME_FOR);
        let saved = last.as_ref().map(|last| &last.saved);
        let config = Config::new(
            credentials.certificate(),
            credentials.key(),
            credentials.server_chain(),
            resumption.group,
        )?;
        let session = Session::new(config, &server_name, saved)?;
        let mut this = Self {
            io,
            session,
            resumption,
            server_name,
            verified: Instant::now(),
            resumed: false,
            valid_from_unix_s: 0,
        };
        let now = Moment {
            unix_s,
            is_floor: credentials.forgives_future(),
        };
        let seen = this.shake_hands(now).await;
        let wanted = this.session.bytes.guard.wanted();
        this.resumption.group = wanted.or(this.resumption.group);
        let seen = seen?;
        this.valid_from_unix_s = seen.valid_from_unix_s;
        if let Some(last) = last
            && !seen.asked
        {
            this.verified = last.verified;
            this.resumed = true;
        }
        Ok(this)
    }

    /// Returns whether the server's certificate was verified, and its dates.
    async fn shake_hands(&mut self, now: Moment) -> Result<Seen, TlsError> {
        let mut all_seen = Seen::NOTHING;
        loop {
            let (step, seen) = clock::during(now, || self.session.handshake());
            all_seen = all_seen.and(seen);
            if let Ok(Step::Done(false)) = step {
                // Others want to get on, too. What is to go out is not complete.
                yield_now().await;
                continue;
            }
            // An alert about what went wrong may have to go out, too.
            let sent = self.send().await;
            match step? {
                Step::Done(_) => {
                    sent?;
                    return Ok(all_seen);
                }
                // What comes in matters more than what cannot be sent: it may say why.
                Step::NeedsInput => self.receive().await?,
            }
        }
    }

    /// The version agreed upon.
    #[must_use]
    pub fn version(&self) -> TlsVersion {
        self.session.version()
    }

    /// From when all certificates of the server's chain are valid, in seconds since 1970; 0 where the
    /// server showed none, for an earlier session was resumed.
    #[must_use]
    pub fn valid_from_unix_s(&self) -> u64 {
        self.valid_from_unix_s
    }

    /// Whether an earlier session was resumed.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Tells the server that nothing more will come. Errors do not matter any more.
    ///
    /// Waits until the server's end of the stream below has all that was ever written: a socket that
    /// is dropped before (embassy-net 0.9.1) sends nothing any more. Bound it by a timeout.
    pub async fn close(&mut self) {
        if let Err(error) = self.session.close() {
            log::debug!("closing TLS: {error}");
        }
        let sent = async {
            self.send().await?;
            self.io.flush().await.map_err(broken)
        };
        if let Err(error) = sent.await {
            log::debug!("closing TLS: {error}");
        }
    }

    /// Sends what is to go out.
    async fn send(&mut self) -> Result<(), TlsError> {
        let outgoing = &mut self.session.bytes.outgoing;
        while !outgoing.is_empty() {
            let length = self.io.write(outgoing).await.map_err(broken)?;
            if length == 0 {
                return Err(TlsError::Broken(embedded_io_async::ErrorKind::WriteZero));
            }
            outgoing.drain(..length.min(outgoing.len()));
        }
        // A handshake's flight has some KiB, which are wanted elsewhere.
        *outgoing = Vec::new();
        Ok(())
    }

    /// Waits for more to come in. MbedTLS has taken all that came before.
    async fn receive(&mut self) -> Result<(), TlsError> {
        let bytes = &mut self.session.bytes;
        let length = self.io.read(bytes.room()).await.map_err(broken)?;
        bytes.came_in(length);
        Ok(())
    }
}

impl<IO: Read + Write> Drop for Stream<'_, IO> {
    fn drop(&mut self) {
        if let Some(saved) = self.session.save() {
            self.resumption.last = Some(Last {
                saved,
                server_name: core::mem::take(&mut self.server_name),
                verified: self.verified,
            });
        }
    }
}

impl<IO: Read + Write> ErrorType for Stream<'_, IO> {
    type Error = TlsError;
}

impl<IO: Read + Write> Read for Stream<'_, IO> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TlsError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let step = self.session.read(buffer);
            if !matches!(step, Ok(Step::Done(_))) {
                // An alert about what went wrong may have to go out. As in the handshake, what comes
                // in matters more than what cannot be sent.
                let _ = self.send().await;
            }
            match step? {
                Step::Done(length) => return Ok(length),
                Step::NeedsInput => self.receive().await?,
            }
        }
    }
}

impl<IO: Read + Write> Write for Stream<'_, IO> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, TlsError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.send().await?;
            match self.session.write(buffer)? {
                Step::Done(length) => return Ok(length),
                Step::NeedsInput => self.receive().await?,
            }
        }
    }

    /// Hands all that was written to the stream below, which sends it.
    ///
    /// That stream is not flushed: a socket of embassy-net (0.9.1, `TcpIo::flush`) would wait until the
    /// peer's TCP has acknowledged, which may take its time over that, and meanwhile nothing would be
    /// read. Nobody needs it: MQTT acknowledges what matters, a peer that is gone is noticed by that
    /// and by the socket's own timeout, and the last words are waited for by [`Stream::close`].
    async fn flush(&mut self) -> Result<(), TlsError> {
        self.send().await
    }
}

fn broken<E: embedded_io_async::Error>(error: E) -> TlsError {
    TlsError::Broken(error.kind())
}
