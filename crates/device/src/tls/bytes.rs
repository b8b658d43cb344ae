//! The bytes between MbedTLS and the stream: what came in is handed over, what is to go out is
//! collected. A [`Guard`] sees them first.
//!
//! With `unsafe`: MbedTLS calls back with pointers.

#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::{c_int, c_uchar, c_void};
use core::ops::Range;
use core::ptr;

use mbedtls_rs_sys as sys;

use super::buffers::Used;
use super::guard::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, Guard, Refusal};

/// How much is read from the stream at once.
const CHUNK: usize = 1024;

/// A ChangeCipherSpec of TLS 1.3, which means nothing.
const CHANGE: [u8; 6] = [CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1];

/// The bytes between MbedTLS and the stream.
pub(super) struct Bytes {
    /// Room for what comes in.
    incoming: Box<[u8]>,
    /// Which part of it MbedTLS has yet to take.
    untaken: Range<usize>,
    /// Whether MbedTLS asked for more than there is.
    pub(super) starved: bool,
    /// How far MbedTLS's buffers were used.
    pub(super) used: Used,
    /// Whether nothing more will come in.
    pub(super) ended: bool,
    /// What is to go out.
    pub(super) outgoing: Vec<u8>,
    /// Whether a record went out, and a ChangeCipherSpec.
    begun: bool,
    changed: bool,
    /// Who looks at what comes in before MbedTLS does, and what it had against it.
    pub(super) guard: Guard,
    pub(super) refusal: Option<Refusal>,
}

impl Bytes {
    /// For a connection that may resume a session of TLS 1.2: [`Guard::new`].
    pub(super) fn new(extended: Option<bool>) -> Self {
        Self {
            incoming: vec![0; CHUNK].into_boxed_slice(),
            untaken: 0..0,
            starved: false,
            used: Used::default(),
            ended: false,
            outgoing: Vec::new(),
            begun: false,
            changed: false,
            guard: Guard::new(extended),
            refusal: None,
        }
    }

    /// Where to put what comes in, once MbedTLS needs more.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.incoming
    }

    /// So much came in; nothing, if the stream is at its end.
    pub(super) fn came_in(&mut self, length: usize) {
        self.untaken = 0..length.min(self.incoming.len());
        self.ended = length == 0;
    }
}

/// MbedTLS's way to send: everything is collected.
pub(super) unsafe extern "C" fn send(
    bytes: *mut c_void,
    data: *const c_uchar,
    length: usize,
) -> c_int {
    // SAFETY: `call` passes a pointer to `Bytes` that is not used elsewhere meanwhile; MbedTLS
    // passes readable memory of that length.
    let (bytes, data) = unsafe {
        (
            &mut *bytes.cast::<Bytes>(),
            core::slice::from_raw_parts(data, length),
        )
    };
    bytes.guard.sent(data);
    match data.first() {
        Some(&CHANGE_CIPHER_SPEC) => bytes.changed = true,
        // An alert before MbedTLS would encrypt one: old proxies want to see a change first (RFC 8446,
        // D.4).
        Some(&APPLICATION_DATA) if !bytes.changed => {
            bytes.outgoing.extend_from_slice(&CHANGE);
            bytes.changed = true;
        }
        _ => {}
    }
    bytes.outgoing.extend_from_slice(data);
    if !core::mem::replace(&mut bytes.begun, true)
        && let Some(version) = bytes.outgoing.get_mut(1..3)
    {
        // The first record says TLS 1.0, as those of most clients, which old servers and proxies count
        // on (RFC 8446, 5.1).
        version.copy_from_slice(&[3, 1]);
    }
    bytes.used.went_out(data.as_ptr_range().end);
    // A record is at most 16 KiB and some.
    c_int::try_from(length).unwrap_or(c_int::MAX)
}

/// MbedTLS's way to receive.
pub(super) unsafe extern "C" fn receive(
    bytes: *mut c_void,
    data: *mut c_uchar,
    length: usize,
) -> c_int {
    // SAFETY: as in `send`; the memory is writable.
    let bytes = unsafe { &mut *bytes.cast::<Bytes>() };
    let rest = bytes
        .incoming
        .get(bytes.untaken.clone())
        .unwrap_or_default();
    let length = length.min(rest.len());
    if length == 0 {
        return if bytes.ended {
            sys::MBEDTLS_ERR_SSL_CONN_EOF
        } else {
            bytes.starved = true;
            sys::MBEDTLS_ERR_SSL_WANT_READ
        };
    }
    if let Err(refusal) = bytes.guard.received(&rest[..length]) {
        bytes.refusal = Some(refusal);
    }
    if bytes.refusal.is_some() {
        return sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER;
    }
    // SAFETY: both are as long as that, and apart from each other.
    unsafe { ptr::copy_nonoverlapping(rest.as_ptr(), data, length) };
    bytes.untaken.start += length;
    bytes.used.came_in(data.wrapping_add(length));
    c_int::try_from(length).unwrap_or(c_int::MAX)
}
