//! A client's session of MbedTLS 3.6, without input or output of its own: what came in is handed
//! over, what is to go out is collected.
//!
//! With `unsafe`, as all that calls MbedTLS. It is done here and not by the sessions of
//! `mbedtls-rs` 0.3.0, which
//! - cannot be told to take the tickets of TLS 1.3, so that nothing would ever be resumed: MbedTLS
//!   ignores them until asked (library/ssl_tls.c, `mbedtls_ssl_config_defaults`, v3.6.5), and the
//!   configuration is out of reach (src/session.rs, `SessionState`);
//! - do not give away which alert came;
//! - shake hands within one poll, and cannot bear that a write is dropped;
//! - need a server's half of MbedTLS, though nobody calls it: 20 KB of flash.
//!
//! That outweighs unsafe code of our own, each block of which passes a structure that is
//! initialised, and memory with its length.

#![allow(unsafe_code)]

mod alerts;
mod message;

use alloc::ffi::CString;
use core::ffi::{CStr, c_int, c_void};
use core::marker::PhantomData;
use core::mem;
use core::net::IpAddr;
use core::ptr;

use mbedtls_rs_sys as sys;

use super::buffers::{Buffers, OutOfMemory, Used};
use super::bytes::{self, Bytes};
use super::error::Seen;
use super::guard::{NEW_SESSION_TICKET, Refusal, Violation};
use super::{Alert, TlsError, TlsVersion, authority, clock};
use crate::credentials::{Certificate, Key};
use crate::mbedtls::{Owned, random};

/// What a session leaves behind, to be resumed.
pub(super) struct Saved {
    session: Owned<sys::mbedtls_ssl_session>,
    /// Whether it has an extended master secret, as only TLS 1.2 has it or has not.
    extended: Option<bool>,
}

/// The longest text of an outgoing record: how much waits on the heap to be sent.
const MOST_TEXT: usize = 1024;

/// Nothing more will come (RFC 8446, 6.1).
const CLOSE_NOTIFY: Alert = Alert(0);

/// The suites, the device's favourite first: AES-128 in GCM, which hardware does and every server of
/// TLS 1.3 has (RFC 8446, 9.1); AES-256, also in hardware; ChaCha20-Poly1305, in software.
static CIPHER_SUITES: [c_int; 10] = [
    sys::MBEDTLS_TLS1_3_AES_128_GCM_SHA256 as c_int,
    sys::MBEDTLS_TLS1_3_AES_256_GCM_SHA384 as c_int,
    sys::MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256 as c_int,
    sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as c_int,
    sys::MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 as c_int,
    sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 as c_int,
    sys::MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 as c_int,
    sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 as c_int,
    sys::MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 as c_int,
    0, // the end
];

const P256: u16 = sys::MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1 as u16;
const P384: u16 = sys::MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1 as u16;
const X25519: u16 = sys::MBEDTLS_SSL_IANA_TLS_GROUP_X25519 as u16;

/// The groups for keys, with a 0 at the end; of the first one is sent along with the first message.
/// That is the one that the server wants, as far as that is known.
fn groups(wanted: Option<u16>) -> &'static [u16; 4] {
    match wanted {
        Some(P384) => &[P384, P256, X25519, 0],
        Some(X25519) => &[X25519, P256, P384, 0],
        _ => &[P256, X25519, P384, 0],
    }
}

/// What MbedTLS made of a call.
pub(super) enum Step<T> {
    /// It is done.
    Done(T),
    /// It needs more bytes to come in, perhaps after others went out.
    NeedsInput,
}

/// What a session goes by: who the one end is, and whom it trusts.
pub(super) struct Config<'a> {
    config: Owned<sys::mbedtls_ssl_config>,
    // It points to certificates and key.
    _identity: PhantomData<&'a Certificate>,
}

impl<'a> Config<'a> {
    /// For a client.
    pub(super) fn new(
        chain: &'a Certificate,
        key: &'a Key,
        trusted: &'a Certificate,
        wanted_group: Option<u16>,
    ) -> Result<Self, TlsError> {
        let mut config = Owned::<sys::mbedtls_ssl_config>::new();
        let conf = config.as_mut_ptr();
        // SAFETY: the structure is initialised. The suites and the groups are statics with a 0 at
        // their ends, as MbedTLS wants. The certificates and the key that it keeps
        // pointers to live for `'a`; they are read only (what MbedTLS changes in a key, the
        // blinding of RSA, lies behind a pointer of the key's own).
        unsafe {
            check(sys::psa_crypto_init())?;
            check(sys::mbedtls_ssl_config_defaults(
                conf,
                sys::MBEDTLS_SSL_IS_CLIENT as c_int,
                sys::MBEDTLS_SSL_TRANSPORT_STREAM as c_int,
                sys::MBEDTLS_SSL_PRESET_DEFAULT as c_int,
            ))?;
            (*conf).private_min_tls_version =
                sys::mbedtls_ssl_protocol_version_MBEDTLS_SSL_VERSION_TLS1_2;
            sys::mbedtls_ssl_conf_verify(conf, Some(judge), ptr::null_mut());
            sys::mbedtls_ssl_conf_authmode(conf, sys::MBEDTLS_SSL_VERIFY_REQUIRED as c_int);
            sys::mbedtls_ssl_conf_rng(conf, Some(random), ptr::null_mut());
            sys::mbedtls_ssl_conf_ciphersuites(conf, CIPHER_SUITES.as_ptr());
            sys::mbedtls_ssl_conf_groups(conf, groups(wanted_group).as_ptr());
            // Off by default, for the sake of programs that do not know of it.
            sys::mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
                conf,
                sys::MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED as c_int,
            );
            // Never a ticket's key alone: whoever comes by it must not read what was recorded.
            sys::mbedtls_ssl_conf_tls13_key_exchange_modes(
                conf,
                sys::MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL as c_int,
            );
            let (chain, key) = (chain.as_ptr().cast_mut(), key.as_ptr().cast_mut());
            check(sys::mbedtls_ssl_conf_own_cert(conf, chain, key))?;
            let trusted = trusted.as_ptr().cast_mut();
            sys::mbedtls_ssl_conf_ca_chain(conf, trusted, ptr::null_mut());
        }
        Ok(Self {
            config,
            _identity: PhantomData,
        })
    }
}

/// One end's session.
pub(super) struct Session<'a> {
    ssl: Owned<sys::mbedtls_ssl_context>,
    // After `ssl`, which points to it: fields are dropped in order.
    _config: Config<'a>,
    buffers: Buffers,
    pub(super) bytes: Bytes,
    /// Whether there is something that a later session can resume.
    resumable: bool,
    /// An address that the server's certificate must carry; it is not sent.
    address: Option<CString>,
}

impl<'a> Session<'a> {
    /// A session that is to be opened, or resumed, with the server of this name.
    pub(super) fn new(
        config: Config<'a>,
        server_name: &CStr,
        resume: Option<&Saved>,
    ) -> Result<Self, TlsError> {
        let is_address = server_name
            .to_str()
            .is_ok_and(|name| name.parse::<IpAddr>().is_ok());
        let address = is_address.then(|| server_name.into());
        let mut ssl = Owned::<sys::mbedtls_ssl_context>::new();
        let context = ssl.as_mut_ptr();
        // SAFETY: the structure is initialised. The configuration that it keeps a pointer to is
        // dropped after it. The name and the session are copied.
        let buffers = unsafe {
            check(sys::mbedtls_ssl_setup(context, config.config.as_ptr()))?;
            if address.is_none() {
                check(sys::mbedtls_ssl_set_hostname(context, server_name.as_ptr()))?;
            }
            if let Some(saved) = resume {
                check(sys::mbedtls_ssl_set_session(
                    context,
                    saved.session.as_ptr(),
                ))?;
            }
            Buffers::new(&mut *context)
        };
        Ok(Self {
            ssl,
            _config: config,
            buffers,
            bytes: Bytes::new(resume.and_then(|saved| saved.extended)),
            resumable: false,
            address,
        })
    }

    /// Takes the next step of the handshake, and returns whether it was the last. A step has one
    /// message, so at most the arithmetic of one chain of certificates.
    pub(super) fn handshake(&mut self) -> Result<Step<bool>, TlsError> {
        if self.is_in(sys::mbedtls_ssl_states_MBEDTLS_SSL_SERVER_CERTIFICATE)
            && let Some(address) = self.address.take()
        {
            // Told before, MbedTLS would send it, as names are (RFC 6066, 3). Untold, it takes no
            // certificate (library/ssl_tls.c, get_hostname_for_verification, v3.6.5).
            // SAFETY: the context was set up; the name is copied.
            check(unsafe {
                sys::mbedtls_ssl_set_hostname(self.ssl.as_mut_ptr(), address.as_ptr())
            })?;
        }
        let lent = self.lend_keys();
        let step = self.step()?;
        if lent {
            self.take_keys_back();
        }
        Ok(step)
    }

    fn step(&mut self) -> Result<Step<bool>, TlsError> {
        let awaited = self.awaited();
        let at_finished = self.is_in(sys::mbedtls_ssl_states_MBEDTLS_SSL_SERVER_FINISHED);
        // SAFETY: the context was set up.
        let step = self.call(|ssl| unsafe { sys::mbedtls_ssl_handshake_step(ssl) })?;
        Ok(match step {
            Step::NeedsInput => Step::NeedsInput,
            Step::Done(_) => {
                self.judge_taken(awaited)?;
                // The guard cannot see it: the server's last message is encrypted, and what
                // follows in its record was made with keys that are no longer good.
                if at_finished && self.ssl.private_in_hslen < self.ssl.private_in_msglen {
                    self.bytes.refusal = Some(Violation::AcrossKeyChange.into());
                    return Err(self.refused());
                }
                let over = self.is_in(sys::mbedtls_ssl_states_MBEDTLS_SSL_HANDSHAKE_OVER);
                if over {
                    self.bytes.guard.over();
                    // With TLS 1.3, what can be resumed comes later.
                    self.resumable |= self.version() == TlsVersion::Tls12;
                    self.forget_certificates();
                }
                Step::Done(over)
            }
        })
    }

    /// Reads what the server sent; 0 bytes once it said that nothing more will come.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Step<usize>, TlsError> {
        let (start, length) = (buffer.as_mut_ptr(), buffer.len());
        let ended = self.bytes.ended;
        // SAFETY: the context was set up; the buffer is writable for its length.
        self.call(|ssl| unsafe {
            match sys::mbedtls_ssl_read(ssl, start, length) {
                // Cut off without a word.
                0 if ended => sys::MBEDTLS_ERR_SSL_CONN_EOF,
                // A second empty record in a row: MbedTLS passes over one.
                0 => sys::MBEDTLS_ERR_SSL_WANT_READ,
                sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY => 0,
                code => code,
            }
        })
    }

    /// Makes a record of the bytes, or of the first of them, and returns how many it took.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Step<usize>, TlsError> {
        let (start, length) = (bytes.as_ptr(), bytes.len().min(MOST_TEXT));
        // SAFETY: the context was set up; the bytes are readable for that length.
        self.call(|ssl| unsafe { sys::mbedtls_ssl_write(ssl, start, length) })
    }

    /// Says that nothing more will come.
    pub(super) fn close(&mut self) -> Result<(), TlsError> {
        // SAFETY: the context was set up.
        self.call(|ssl| unsafe { sys::mbedtls_ssl_close_notify(ssl) })
            .map(|_| ())
    }

    fn is_in(&self, state: sys::mbedtls_ssl_states) -> bool {
        self.ssl.private_state == state as c_int
    }

    /// The version agreed upon, after the handshake.
    pub(super) fn version(&self) -> TlsVersion {
        if self.ssl.private_tls_version
            == sys::mbedtls_ssl_protocol_version_MBEDTLS_SSL_VERSION_TLS1_2
        {
            TlsVersion::Tls12
        } else {
            TlsVersion::Tls13
        }
    }

    /// What a later session can resume; nothing if MbedTLS lost trust in this one.
    pub(super) fn save(&self) -> Option<Saved> {
        if !self.resumable {
            return None;
        }
        let mut session = Owned::<sys::mbedtls_ssl_session>::new();
        // SAFETY: the context was set up, the session is initialised.
        let result =
            unsafe { sys::mbedtls_ssl_get_session(self.ssl.as_ptr(), session.as_mut_ptr()) };
        let tls12 = self.version() == TlsVersion::Tls12;
        (result == 0).then(|| Saved {
            session,
            extended: tls12.then(|| self.bytes.guard.extended()),
        })
    }

    /// Frees the other end's chain, some KiB that MbedTLS keeps for callers who ask for it, and
    /// that would be saved along.
    fn forget_certificates(&mut self) {
        let ssl = self.ssl.as_mut_ptr();
        // SAFETY: after the handshake the context owns a session, in which null stands for no
        // chain, or for none any more. So does MbedTLS itself (library/ssl_tls.c,
        // ssl_clear_peer_cert, v3.6.5), and never uses it after the handshake but to renegotiate,
        // which is off.
        unsafe {
            if let Some(session) = (*ssl).private_session.as_mut() {
                let chain = mem::replace(&mut session.private_peer_cert, ptr::null_mut());
                sys::mbedtls_x509_crt_free(chain);
                sys::mbedtls_free(chain.cast());
            }
        }
    }

    /// Calls MbedTLS until it comes to something.
    fn call(
        &mut self,
        mut function: impl FnMut(*mut sys::mbedtls_ssl_context) -> c_int,
    ) -> Result<Step<usize>, TlsError> {
        let result = loop {
            self.bytes.starved = false;
            match function(self.ready()?) {
                sys::MBEDTLS_ERR_SSL_WANT_READ if self.bytes.starved => {
                    break Ok(Step::NeedsInput);
                }
                // It stopped at a ticket, to be called again (library/ssl_msg.c,
                // ssl_tls13_handle_hs_message_post_handshake, v3.6.5), or at nothing.
                sys::MBEDTLS_ERR_SSL_WANT_READ => {}
                // Not an error; `save` finds the ticket.
                sys::MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET => {
                    self.resumable = true;
                    if let Err(error) = self.judge_taken(Some(NEW_SESSION_TICKET)) {
                        break Err(error);
                    }
                }
                code => {
                    break usize::try_from(code).map(Step::Done).map_err(|_| {
                        self.bytes.used = Used::ALL;
                        if self.bytes.refusal.is_some() {
                            return self.refused();
                        }
                        if code == sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE && self.keys_changed() {
                            // What a ticket is good for has not changed.
                            self.alert(sys::MBEDTLS_SSL_ALERT_LEVEL_WARNING, CLOSE_NOTIFY);
                            return TlsError::KeyUpdate;
                        }
                        // Those that merely broke off can be resumed (RFC 5246, 7.2.1).
                        self.resumable &= code == sys::MBEDTLS_ERR_SSL_CONN_EOF;
                        TlsError::from_code(code, &self.seen(code))
                    });
                }
            }
        };
        let ssl = context(&mut self.ssl);
        self.buffers.take_back(ssl, &mut self.bytes.used);
        result
    }

    /// The context with all that a call uses, for one call.
    fn ready(&mut self) -> Result<*mut sys::mbedtls_ssl_context, OutOfMemory> {
        let ssl = self.ssl.as_mut_ptr();
        let bytes = ptr::from_mut(&mut self.bytes).cast();
        // SAFETY: the context was set up, and no call is under way. It keeps the pointer to the
        // bytes, but uses it only within the call that follows, while nothing else does.
        unsafe {
            self.buffers.lend(&mut *ssl)?;
            sys::mbedtls_ssl_set_bio(ssl, bytes, Some(bytes::send), Some(bytes::receive), None);
        }
        Ok(ssl)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.buffers.end(context(&mut self.ssl));
    }
}

impl From<Refusal> for TlsError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Violation(violation) => Self::Violation(violation),
            Refusal::Cookie => Self::RetryCookie,
        }
    }
}

impl From<OutOfMemory> for TlsError {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// The context, while no call is under way.
fn context(ssl: &mut Owned<sys::mbedtls_ssl_context>) -> &mut sys::mbedtls_ssl_context {
    // SAFETY: it is initialised, and nobody else has it.
    unsafe { &mut *ssl.as_mut_ptr() }
}

fn check(code: c_int) -> Result<(), TlsError> {
    match code {
        0 => Ok(()),
        code => Err(TlsError::from_code(code, &Seen::default())),
    }
}

/// What MbedTLS calls for each certificate of a chain that it verifies.
unsafe extern "C" fn judge(
    _: *mut c_void,
    certificate: *mut sys::mbedtls_x509_crt,
    _depth: c_int,
    flags: *mut u32,
) -> c_int {
    // SAFETY: MbedTLS passes a certificate that it parsed, and the flags that it found for it, which
    // nobody else uses meanwhile (library/x509_crt.c, x509_crt_merge_flags_with_cb, v3.6.5).
    unsafe {
        authority::verify(&*certificate, &mut *flags);
        clock::verify(&*certificate, &mut *flags);
    }
    0
}
