//! A server that hands out tickets, which the one of mbedtls-rs cannot.

#![allow(unsafe_code)]

use alloc::ffi::CString;
use alloc::format;
use core::ffi::c_int;
use core::{mem, ptr};

use embedded_io_async::{Read, Write};
use mbedtls_rs::sys;

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
    version: TlsVersion,
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
            version,
            chain: Certificate::parse(&pem(&chain)).ok().unwrap(),
            key: Key::parse(&pem(SERVER_KEY), &mut Counter::default())
                .ok()
                .unwrap(),
            trusted: Certificate::parse(&pem(ROOT)).ok().unwrap(),
            tickets,
            client: pem(bundle(ROOT).common_name()),
        }
    }

    /// Shakes hands, echoes one message and ends. Returns whether it resumed a session: then
    /// it does not look at the client's certificate.
    pub(super) async fn serve(&mut self, mut io: End, ending: Ending) -> Result<bool, TlsError> {
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
                TlsVersion::Tls12 => (*conf).private_max_tls_version = tls12,
                TlsVersion::Tls13 => (*conf).private_min_tls_version = tls13,
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
            over = settle(&mut session, &mut io, |session| {
                let (step, asked) = clock::during(NOW, || session.handshake());
                verified |= asked;
                step
            })
            .await?;
        }
        let mut buffer = [0; 64];
        let length = settle(&mut session, &mut io, |session| session.read(&mut buffer)).await?;
        let text = &buffer[..length];
        session.write(text)?;
        match ending {
            Ending::Closes => session.close()?,
            Ending::HangsUp => {}
            Ending::Garbles => *session.bytes.outgoing.last_mut().unwrap() ^= 1,
        }
        io.write_all(&session.bytes.outgoing).await.unwrap();
        Ok(!verified)
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
