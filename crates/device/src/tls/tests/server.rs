//! A server: the same sessions, told to be the other end.

#![allow(unsafe_code)]

use alloc::ffi::CString;
use alloc::format;
use core::ffi::c_int;
use core::{mem, ptr};

use embedded_io_async::{Read, Write};
use mbedtls_rs_sys as sys;

use super::pipe::End;
use super::{Counter, INTERMEDIATE, NOW, ROOT, SERVER, SERVER_KEY, bundle, library, pem};
use crate::credentials::{Certificate, Key};
use crate::event::TlsVersion;
use crate::mbedtls::{Owned, Structure};
use crate::tls::session::{Config, Session, Step};
use crate::tls::{TlsError, clock};

// SAFETY: the pair of functions belongs to the structure by MbedTLS's naming.
unsafe impl Structure for sys::mbedtls_ssl_ticket_context {
    const INIT: unsafe extern "C" fn(*mut Self) = sys::mbedtls_ssl_ticket_init;
    const FREE: unsafe extern "C" fn(*mut Self) = sys::mbedtls_ssl_ticket_free;
}

/// How a server ends a conversation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Closes,
    /// Without a word.
    HangsUp,
    /// With a record that is not what it was.
    Garbles,
}

pub(super) struct Server {
    /// The only version it speaks; none for both.
    version: Option<TlsVersion>,
    chain: Certificate,
    key: Key,
    trusted: Certificate,
    /// The key that tickets are encrypted with.
    tickets: Owned<sys::mbedtls_ssl_ticket_context>,
    /// Whose certificate it expects.
    client: CString,
}

impl Server {
    /// One that speaks this version only.
    pub(super) fn new(version: TlsVersion) -> Self {
        Self {
            version: Some(version),
            ..Self::trusting(ROOT)
        }
    }

    /// One that speaks both versions, and trusts devices of this CA.
    pub(super) fn trusting(ca: &str) -> Self {
        library();
        let chain = format!("{SERVER}{INTERMEDIATE}");
        let mut tickets = Owned::<sys::mbedtls_ssl_ticket_context>::new();
        const LIFETIME_S: u32 = 7 * 24 * 3600;
        // SAFETY: the structure is initialised; MbedTLS is set up.
        let result = unsafe {
            sys::psa_crypto_init();
            sys::mbedtls_ssl_ticket_setup(
                tickets.as_mut_ptr(),
                Some(random),
                ptr::null_mut(),
                sys::mbedtls_cipher_type_t_MBEDTLS_CIPHER_AES_256_GCM,
                LIFETIME_S,
            )
        };
        assert_eq!(result, 0);
        Self {
            version: None,
            chain: Certificate::parse(&pem(&chain)).ok().unwrap(),
            key: Key::parse(&pem(SERVER_KEY), &mut Counter::default())
                .ok()
                .unwrap(),
            trusted: Certificate::parse(&pem(ca)).ok().unwrap(),
            tickets,
            client: pem(bundle(ROOT).common_name()),
        }
    }

    /// Shakes hands. Returns whether it resumed a session, too: then it does not look at the
    /// client's certificate.
    pub(super) async fn accept(&mut self, io: &mut End) -> Result<(Session<'_>, bool), TlsError> {
        let mut config = Config::new(&self.chain, &self.key, &self.trusted)?;
        // SAFETY: the configuration is not in use yet; the keys of tickets outlive it.
        unsafe {
            let conf = config.as_mut_ptr();
            sys::mbedtls_ssl_conf_endpoint(conf, sys::MBEDTLS_SSL_IS_SERVER as c_int);
            let (tls12, tls13) = (
                sys::mbedtls_ssl_protocol_version_MBEDTLS_SSL_VERSION_TLS1_2,
                sys::mbedtls_ssl_protocol_version_MBEDTLS_SSL_VERSION_TLS1_3,
            );
            match self.version {
                Some(TlsVersion::Tls12) => (*conf).private_max_tls_version = tls12,
                Some(TlsVersion::Tls13) => (*conf).private_min_tls_version = tls13,
                None => {}
            }
            // As many servers do: two at once.
            sys::mbedtls_ssl_conf_new_session_tickets(conf, 2);
            sys::mbedtls_ssl_conf_session_tickets_cb(
                conf,
                Some(sys::mbedtls_ssl_ticket_write),
                Some(sys::mbedtls_ssl_ticket_parse),
                self.tickets.as_mut_ptr().cast(),
            );
        }
        let mut session = Session::new(config, &self.client, None)?;
        let mut verified = false;
        let mut over = false;
        while !over {
            over = settle(&mut session, io, |session| {
                let (step, asked) = clock::during(NOW, || session.handshake());
                verified |= asked;
                step
            })
            .await?;
        }
        Ok((session, !verified))
    }

    /// Shakes hands, echoes one message and ends. Returns whether it resumed a session.
    pub(super) async fn serve(&mut self, mut io: End, ending: Ending) -> Result<bool, TlsError> {
        let (mut session, resumed) = self.accept(&mut io).await?;
        let mut buffer = [0; 64];
        let length = read(&mut session, &mut io, &mut buffer).await?;
        session.write(&buffer[..length])?;
        match ending {
            Ending::Closes => session.close()?,
            Ending::HangsUp => {}
            Ending::Garbles => *session.bytes.outgoing.last_mut().unwrap() ^= 1,
        }
        io.write_all(&session.bytes.outgoing).await.unwrap();
        Ok(resumed)
    }
}

/// Waits for text.
pub(super) async fn read(
    session: &mut Session<'_>,
    io: &mut End,
    buffer: &mut [u8],
) -> Result<usize, TlsError> {
    settle(session, io, |session| session.read(buffer)).await
}

/// Sends text, in as few records as it can.
pub(super) async fn write(session: &mut Session<'_>, io: &mut End, text: &[u8]) {
    let mut rest = text;
    while !rest.is_empty() {
        let Ok(Step::Done(length)) = session.write(rest) else {
            panic!("the server cannot write");
        };
        rest = &rest[length..];
        let outgoing = mem::take(&mut session.bytes.outgoing);
        io.write_all(&outgoing).await.unwrap();
    }
}

/// Does a piece of work to its end.
async fn settle<'a, T>(
    session: &mut Session<'a>,
    io: &mut End,
    mut work: impl FnMut(&mut Session<'a>) -> Result<Step<T>, TlsError>,
) -> Result<T, TlsError> {
    loop {
        let step = work(session);
        let outgoing = mem::take(&mut session.bytes.outgoing);
        io.write_all(&outgoing).await.unwrap();
        match step? {
            Step::Done(value) => return Ok(value),
            Step::NeedsInput => {
                let length = io.read(session.bytes.room()).await.unwrap();
                session.bytes.came_in(length);
            }
        }
    }
}

unsafe extern "C" fn random(_: *mut core::ffi::c_void, bytes: *mut u8, length: usize) -> c_int {
    // SAFETY: MbedTLS passes writable memory of that length.
    unsafe { sys::psa_generate_random(bytes, length) }
}
