//! The message that is in the buffer of incoming ones: what is read of it beside MbedTLS, to judge it
//! or to say what was wrong with it.

use core::ffi::c_int;

use mbedtls_rs_sys as sys;

use super::Session;
use crate::credentials::{Fault, server_fault};
use crate::tls::TlsVersion;
use crate::tls::error::Seen;
use crate::tls::guard::{CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, certificates_of};
use crate::tls::{Alert, CertificateFault, TlsError, Violation};

impl Session<'_> {
    /// The type of the message that the next step of the handshake takes, if the guard is to see it in
    /// the clear.
    pub(super) fn awaited(&self) -> Option<u8> {
        [
            (
                sys::mbedtls_ssl_states_MBEDTLS_SSL_SERVER_CERTIFICATE,
                CERTIFICATE,
            ),
            (
                sys::mbedtls_ssl_states_MBEDTLS_SSL_CERTIFICATE_REQUEST,
                CERTIFICATE_REQUEST,
            ),
            (
                sys::mbedtls_ssl_states_MBEDTLS_SSL_CERTIFICATE_VERIFY,
                CERTIFICATE_VERIFY,
            ),
        ]
        .into_iter()
        .find_map(|(state, kind)| self.is_in(state).then_some(kind))
    }

    /// Shows the guard the message of this type, if it is the one that MbedTLS took in the call that is
    /// over. Nothing went out since.
    pub(super) fn judge_taken(&mut self, kind: Option<u8>) -> Result<(), TlsError> {
        let tls13 = self.version() == TlsVersion::Tls13;
        let message = taken(&self.ssl).filter(|message| message.first().copied() == kind);
        let judged = match message {
            Some(message) => self.bytes.guard.judge_taken(message, tls13),
            // It proves who the server is, and is never passed over.
            None if tls13 && kind == Some(CERTIFICATE_VERIFY) => Err(Violation::Malformed),
            None => Ok(()),
        };
        let passed_over = message
            .filter(|_| kind == Some(CERTIFICATE))
            .and_then(|message| self.passed_over(message, tls13));
        judged.map_err(|violation| {
            self.bytes.refusal = Some(violation.into());
            self.refused()
        })?;
        match passed_over {
            None => Ok(()),
            Some(fault) => {
                /// unsupported_certificate (RFC 8446, 6.2).
                const UNSUPPORTED: Alert = Alert(43);
                self.alert(sys::MBEDTLS_SSL_ALERT_LEVEL_FATAL, UNSUPPORTED);
                self.resumable = false;
                Err(TlsError::ServerCertificate(CertificateFault::Unusable(
                    fault,
                )))
            }
        }
    }

    /// Why the first certificate in a message is not the one that MbedTLS took for the server's: it
    /// passes over those with a signature that it does not know (library/ssl_tls.c,
    /// ssl_parse_certificate_chain, v3.6.5).
    fn passed_over(&self, message: &[u8], tls13: bool) -> Option<Fault> {
        let (number, first) = certificates_of(message, usize::from(tls13)).next()?;
        // SAFETY: during the handshake the context owns a session, and that the chain; null stands for
        // none. MbedTLS made the chain of the message, each certificate a copy with its length.
        let taken = unsafe {
            let session = self.ssl.private_session_negotiate.as_ref()?;
            let leaf = session.private_peer_cert.as_ref()?;
            if leaf.raw.p.is_null() {
                &[]
            } else {
                core::slice::from_raw_parts(leaf.raw.p, leaf.raw.len)
            }
        };
        (taken != first).then(|| server_fault(first, number).unwrap_or(Fault::Damaged { number }))
    }

    /// What is known beside the error `code`, while the message under way is still there.
    pub(super) fn seen(&self, code: c_int) -> Seen {
        let hello = sys::mbedtls_ssl_states_MBEDTLS_SSL_SERVER_HELLO as c_int;
        let finished = sys::mbedtls_ssl_states_MBEDTLS_SSL_CLIENT_FINISHED as c_int;
        Seen {
            alert: self.came_alert(code),
            // SAFETY: the context was set up.
            flags: unsafe { sys::mbedtls_ssl_get_verify_result(self.ssl.as_ptr()) },
            answered: self.ssl.private_state > hello,
            cut: code == sys::MBEDTLS_ERR_SSL_INVALID_RECORD && self.is_cut(),
            finishing: self.bytes.guard.is_full_tls12()
                && self.ssl.private_state > finished
                && !self.is_in(sys::mbedtls_ssl_states_MBEDTLS_SSL_HANDSHAKE_OVER),
            certificates: self.certificates(),
        }
    }

    /// Whether the record that is there ends amid the header of a message, as MbedTLS takes none
    /// (library/ssl_msg.c, mbedtls_ssl_prepare_handshake_record, v3.6.5).
    fn is_cut(&self) -> bool {
        /// Type and length (RFC 8446, 4).
        const HEADER: usize = 4;
        self.ssl.private_in_msgtype == sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int
            && self.ssl.private_badmac_seen_or_in_hsfraglen == 0
            && (1..HEADER).contains(&self.ssl.private_in_msglen)
    }

    /// If the server's certificates are the message under way: which of them the device cannot use.
    fn certificates(&self) -> Option<Option<Fault>> {
        let there = self.is_in(sys::mbedtls_ssl_states_MBEDTLS_SSL_SERVER_CERTIFICATE);
        let message = there.then(|| came(&self.ssl))??;
        let context = usize::from(self.version() == TlsVersion::Tls13);
        Some(certificates_of(message, context).find_map(|(number, der)| server_fault(der, number)))
    }

    /// The alert that is the error `code`: level and description (library/ssl_msg.c,
    /// mbedtls_ssl_handle_message_type).
    fn came_alert(&self, code: c_int) -> Option<Alert> {
        let [_, description] = self.message(sys::MBEDTLS_SSL_MSG_ALERT)?;
        (code == sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE).then_some(Alert(description))
    }

    /// Whether the message that MbedTLS did not expect is a KeyUpdate, which it does not know
    /// (library/ssl_msg.c, ssl_tls13_handle_hs_message_post_handshake).
    pub(super) fn keys_changed(&self) -> bool {
        /// RFC 8446, 4.
        const KEY_UPDATE: u8 = 24;
        let message = self.message(sys::MBEDTLS_SSL_MSG_HANDSHAKE);
        self.is_in(sys::mbedtls_ssl_states_MBEDTLS_SSL_HANDSHAKE_OVER)
            && self.version() == TlsVersion::Tls13
            && matches!(message, Some([KEY_UPDATE, _]))
    }

    /// The first two bytes of the message that is there, if it is of this type and as long.
    fn message(&self, kind: u32) -> Option<[u8; 2]> {
        let ssl = &*self.ssl;
        if ssl.private_in_msgtype != kind as c_int
            || ssl.private_in_msglen < 2
            || ssl.private_in_msg.is_null()
        {
            return None;
        }
        // SAFETY: what came in of a message begins there, in a buffer that the context still has.
        Some(unsafe { ssl.private_in_msg.cast::<[u8; 2]>().read() })
    }
}

/// The message under way, or the one that was dealt with last, with its header.
fn came(ssl: &sys::mbedtls_ssl_context) -> Option<&[u8]> {
    let length = ssl.private_in_hslen.min(ssl.private_in_msglen);
    // SAFETY: as long as the buffers are lent, what is left of the record begins there and has
    // the greater of these lengths; first a message, of the other length (library/ssl_msg.c,
    // mbedtls_ssl_prepare_handshake_record and ssl_consume_current_message, v3.6.5).
    (!ssl.private_in_msg.is_null())
        .then(|| unsafe { core::slice::from_raw_parts(ssl.private_in_msg, length) })
}

/// The message of a handshake that MbedTLS dealt with, and did not put back.
fn taken(ssl: &sys::mbedtls_ssl_context) -> Option<&[u8]> {
    let is_message = ssl.private_in_msgtype == sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int
        && ssl.private_keep_current_message == 0;
    came(ssl).filter(|_| is_message)
}
