//! The client's end of a TLS connection.

use alloc::ffi::CString;
use core::future::{Future, poll_fn};
use core::pin::pin;

use embassy_time::{Duration, Instant};
use embedded_io_async::{ErrorType, Read, Write};
use mbedtls_rs::{
    AuthMode, ClientSessionConfig, SavedSession, Session, SessionConfig, SessionError,
};

use super::transport::Transport;
use super::{Library, TlsError, clock};
use crate::credentials::Credentials;
use crate::event::TlsVersion;

/// After this time a server must show its certificate again: in a resumed session nobody looks
/// at its dates.
const RESUME_FOR: Duration = Duration::from_secs(12 * 3600);

/// What is kept of TLS sessions with one server, from connection to connection, so that the next
/// one can spare the handshake. About 2 KiB of heap once there was a session.
#[derive(Default)]
pub struct Resumption {
    saved: Option<Saved>,
}

struct Saved {
    session: SavedSession,
    /// When the server last showed its certificate.
    verified: Instant,
}

impl Resumption {
    /// Nothing to resume yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { saved: None }
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
    /// The date by which the server's certificate is judged, in seconds since 1970.
    pub unix_s: u64,
}

/// An open TLS connection. Keeps the session for resumption when dropped, for a server of TLS 1.3
/// sends its tickets along with data.
///
/// On the heap MbedTLS holds a record buffer for each direction and the state of the connection.
///
/// # Cancellation
///
/// `read` can be dropped and called again: once connected it waits in one place only, for one
/// byte of the stream below, and what was read before lies in MbedTLS's record buffer
/// (mbedtls-rs 0.3.0, src/session/asynch.rs, `MBio::read`, `wait_readable`). `write` and `flush`
/// must run to their ends: MbedTLS has taken the bytes of a dropped write, while the caller does
/// not know.
pub struct Stream<'a, IO: Read + Write> {
    session: Session<'a, Transport<IO>>,
    resumption: &'a mut Resumption,
    verified: Instant,
    version: TlsVersion,
    resumed: bool,
}

impl<'a, IO: Read + Write> Stream<'a, IO> {
    /// Shakes hands over an open byte stream. Not to be dropped and tried again on the same
    /// stream.
    ///
    /// Arithmetic happens inside one poll, for as long as a signature takes: with P-256 some
    /// hundred milliseconds on a chip, with RSA more.
    ///
    /// # Errors
    ///
    /// [`TlsError`]. With TLS 1.3 a server that refuses the device's certificate says so only
    /// after the client is done, so that the first read fails: see [`error`](Self::error).
    pub async fn connect(
        io: IO,
        client: Client<'a>,
        resumption: &'a mut Resumption,
    ) -> Result<Self, TlsError> {
        let mut config = ClientSessionConfig::new();
        config.auth_mode = AuthMode::Required;
        config.ca_chain = Some(client.credentials.server_chain());
        config.creds = Some(client.credentials.for_tls());
        let config = SessionConfig::Client(config);
        let mut session = Session::new(client.library.reference, Transport::new(io), &config)
            .map_err(|error| TlsError::from_session(error, 0, None))?;
        // Settings refuse names with a zero in them.
        let name = CString::new(client.server_name).unwrap_or_default();
        session
            .set_server_name(&name)
            .map_err(|error| TlsError::from_session(error, 0, None))?;

        // Taken, not borrowed: should the handshake fail because of it, the next is a full one.
        let saved = resumption
            .saved
            .take()
            .filter(|saved| saved.verified.elapsed() < RESUME_FOR);
        let (result, verified_now) = match &saved {
            Some(saved) => {
                let handshake = session.connect_with_session(&saved.session);
                with_date(client.unix_s, handshake).await
            }
            None => with_date(client.unix_s, session.connect()).await,
        };
        if let Err(error) = result {
            let flags = session.tls_verification_details();
            let alert = session.stream().alert();
            return Err(TlsError::from_session(error, flags, alert));
        }
        session.stream().end_handshake();
        let version = match session.tls_version() {
            Some(mbedtls_rs::TlsVersion::Tls1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        // A resumed session has no certificate to verify, hence no date to ask for.
        let (verified, resumed) = match saved {
            Some(saved) if !verified_now => (saved.verified, true),
            _ => (Instant::now(), false),
        };
        Ok(Self {
            session,
            resumption,
            verified,
            version,
            resumed,
        })
    }

    /// The version agreed upon.
    #[must_use]
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// Whether an earlier session was resumed.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// An error of reading or writing, in the same words as those of the handshake.
    #[must_use]
    pub fn error(&mut self, error: SessionError) -> TlsError {
        let alert = self.session.stream().alert();
        TlsError::from_session(error, 0, alert)
    }

    /// Tells the server that nothing more will come. Errors do not matter any more.
    pub async fn close(&mut self) {
        if let Err(error) = self.session.close().await {
            log::debug!("closing TLS: {error}");
        }
    }

    fn keep(&mut self) {
        // Fails if there is nothing new since the last time.
        if let Ok(session) = self.session.save() {
            self.resumption.saved = Some(Saved {
                session,
                verified: self.verified,
            });
        }
    }
}

impl<IO: Read + Write> Drop for Stream<'_, IO> {
    fn drop(&mut self) {
        self.keep();
    }
}

impl<IO: Read + Write> ErrorType for Stream<'_, IO> {
    type Error = SessionError;
}

impl<IO: Read + Write> Read for Stream<'_, IO> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SessionError> {
        self.session.read(buffer).await
    }
}

impl<IO: Read + Write> Write for Stream<'_, IO> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, SessionError> {
        self.session.write(buffer).await
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        self.session.flush().await
    }
}

/// Polls a handshake with the date lent to MbedTLS. Returns whether it was asked for, too.
pub(super) async fn with_date<F: Future>(unix_s: u64, handshake: F) -> (F::Output, bool) {
    let mut handshake = pin!(handshake);
    let mut asked = false;
    let output = poll_fn(|context| {
        let (polled, now) = clock::during(unix_s, || handshake.as_mut().poll(context));
        asked |= now;
        polled
    })
    .await;
    (output, asked)
}
