//! Alerts to the server, encrypted as soon as it can read them.
//!
//! After its ServerHello of TLS 1.3 a server takes nothing in the clear any more (RFC 8446, 2), but
//! MbedTLS encrypts only from the client's certificate on: what it has against a server's certificate
//! the server could not read, and would log as a spoilt record. So MbedTLS is lent the keys for steps in
//! which all that it may send is an alert.

use core::ffi::c_uchar;
use core::ptr;

use mbedtls_rs_sys as sys;

use super::{Session, context};
use crate::tls::TlsVersion;
use crate::tls::{Alert, TlsError};

impl Session<'_> {
    /// Has the next step encrypt what it sends, where MbedTLS would not, and whether it is so.
    pub(super) fn lend_keys(&mut self) -> bool {
        // In these it reads, and its keys for that are for writing, too (library/ssl_tls13_client.c,
        // ssl_tls13_postprocess_server_hello, v3.6.5).
        let reads = [
            sys::mbedtls_ssl_states_MBEDTLS_SSL_ENCRYPTED_EXTENSIONS,
            sys::mbedtls_ssl_states_MBEDTLS_SSL_CERTIFICATE_REQUEST,
            sys::mbedtls_ssl_states_MBEDTLS_SSL_SERVER_CERTIFICATE,
            sys::mbedtls_ssl_states_MBEDTLS_SSL_CERTIFICATE_VERIFY,
            sys::mbedtls_ssl_states_MBEDTLS_SSL_SERVER_FINISHED,
        ];
        let lends = self.version() == TlsVersion::Tls13
            && reads.into_iter().any(|state| self.is_in(state))
            && self.ssl.private_transform_out.is_null();
        if lends {
            let ssl = context(&mut self.ssl);
            // As it does itself (library/ssl_msg.c, mbedtls_ssl_set_outbound_transform, v3.6.5), which
            // owns the keys by another pointer.
            ssl.private_transform_out = ssl.private_transform_in;
            ssl.private_cur_out_ctr = Default::default();
        }
        lends
    }

    /// Has it as it was: the next step may be one that sends in the clear (ChangeCipherSpec). After an
    /// error there is none.
    pub(super) fn take_keys_back(&mut self) {
        context(&mut self.ssl).private_transform_out = ptr::null_mut();
    }

    /// Tells the server why the guard refuses what it sent, and makes an error of it.
    pub(super) fn refused(&mut self) -> TlsError {
        let Some(refusal) = self.bytes.refusal else {
            return TlsError::NotTls;
        };
        self.alert(sys::MBEDTLS_SSL_ALERT_LEVEL_FATAL, refusal.alert());
        self.resumable = false;
        refusal.into()
    }

    /// Has an alert ready to be sent.
    pub(super) fn alert(&mut self, level: u32, alert: Alert) {
        let sent = self.ready().map(|ssl| {
            // SAFETY: the context was set up.
            unsafe { sys::mbedtls_ssl_send_alert_message(ssl, level as c_uchar, alert.0) }
        });
        if !matches!(sent, Ok(0)) {
            log::debug!("an alert to the server cannot be made");
        }
    }
}
