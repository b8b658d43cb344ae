//! The buffers for records: of full length while MbedTLS runs, gone while the connection is quiet.
//!
//! MbedTLS takes two buffers for the largest records there can be, 25 KiB in all, and keeps them as
//! long as the connection. No server need ever send such a record, but any may: the offers of
//! smaller ones (max_fragment_length, record_size_limit) many do not know. Between two records
//! nothing is in the buffers but the number of the next incoming record, so that between two calls
//! they can be freed.
//!
//! **While any of MbedTLS's code runs that uses a buffer, both are at least as long as MbedTLS was
//! compiled to believe** ([`INCOMING`], [`OUTGOING`]). So whatever it does by a length that was
//! compiled in is right, in states and branches that nobody thought of, too, and no record that
//! comes in makes a difference. (Buffers that were shorter while MbedTLS ran were tried. A
//! HelloRetryRequest made it wipe memory beyond them.) While there are no buffers, their pointers
//! are null. The two functions that are called then, `mbedtls_ssl_free` and
//! `mbedtls_ssl_get_session`, compare with null and do not look, in this order.
//!
//! MbedTLS's own means were looked at first:
//! - MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH, by which it knows the lengths of its buffers, is out of
//!   reach: `mbedtls-rs-sys` 0.3 has no feature for it (gen/features.rs), and it changes the layout
//!   of the context, so that a flag of the compiler alone would part C from the bindings. It also
//!   makes them smaller only where both ends agreed upon smaller records.
//! - max_fragment_length can be asked for, and is no more than a wish: Java's and Go's servers do
//!   not know it, and for TLS 1.3 MbedTLS does not send it (library/ssl_client.c,
//!   ssl_write_client_hello_body). Who would shorten the buffers by it is where we were.
//! - record_size_limit has no feature in `mbedtls-rs-sys`, and as few servers.
//! - MBEDTLS_SSL_IN_CONTENT_LEN below 16 KiB makes MbedTLS refuse longer records: a server's chain
//!   of 5 KiB, or a long RPC, in one record as RFC 8446 allows, would end the connection.
//! - `mbedtls_ssl_conf_dn_hints` shortens what a server sends, not what a client gets.
//!
//! What is relied on (and looked after by the tests here and `cargo xtask test mbedtls`):
//! - The pointers of the context into a buffer are those of [`INTO_INCOMING`] and
//!   [`INTO_OUTGOING`]. No other structure has one between two calls.
//! - What [`is_quiet`] says of a context whose buffers hold nothing that matters.

#![allow(unsafe_code)]

use alloc::vec::Vec;
use core::ffi::{c_int, c_uchar};
use core::{mem, ptr};

use mbedtls_rs_sys as sys;
use zeroize::Zeroize as _;

type Context = sys::mbedtls_ssl_context;

/// The number of the next record, which MbedTLS keeps at the beginning of the buffer for incoming
/// ones (library/ssl_msg.c, mbedtls_ssl_update_in_pointers). For outgoing ones the context has it.
type SequenceNumber = [u8; 8];

/// The most that a record has beside its text, whatever MbedTLS was built with (library/ssl_misc.h,
/// MBEDTLS_SSL_IN_BUFFER_LEN and what it is made of): its number and header, an initialisation
/// vector, a tag or MAC, padding of CBC, and what a connection ID of DTLS takes.
const AROUND_TEXT: usize = 13 + sys::MBEDTLS_MAX_IV_LENGTH as usize + 48 + 256 + 16 + 32;
/// Bytes for incoming records: no fewer than MBEDTLS_SSL_IN_BUFFER_LEN.
const INCOMING: usize = sys::MBEDTLS_SSL_IN_CONTENT_LEN as usize + AROUND_TEXT;
/// Bytes for outgoing records: no fewer than MBEDTLS_SSL_OUT_BUFFER_LEN.
const OUTGOING: usize = sys::MBEDTLS_SSL_OUT_CONTENT_LEN as usize + AROUND_TEXT;

type Field = fn(&mut Context) -> &mut *mut c_uchar;

/// The context's pointers into the buffer for incoming records; first the one to its beginning.
/// `in_offt` is another, but null while it is quiet.
const INTO_INCOMING: [Field; 6] = [
    |ssl| &mut ssl.private_in_buf,
    |ssl| &mut ssl.private_in_ctr,
    |ssl| &mut ssl.private_in_hdr,
    |ssl| &mut ssl.private_in_len,
    |ssl| &mut ssl.private_in_iv,
    |ssl| &mut ssl.private_in_msg,
];
/// The context's pointers into the buffer for outgoing records; first the one to its beginning.
const INTO_OUTGOING: [Field; 6] = [
    |ssl| &mut ssl.private_out_buf,
    |ssl| &mut ssl.private_out_ctr,
    |ssl| &mut ssl.private_out_hdr,
    |ssl| &mut ssl.private_out_len,
    |ssl| &mut ssl.private_out_iv,
    |ssl| &mut ssl.private_out_msg,
];

/// There is not that much memory.
pub(super) struct OutOfMemory;

/// How far MbedTLS used the buffers: the addresses behind the last byte that it was given and that
/// it gave. All else that it writes there it makes of those bytes, in their place.
#[derive(Default)]
pub(super) struct Used {
    incoming_end: usize,
    outgoing_end: usize,
}

impl Used {
    /// To the end: where something went wrong, what was made of the bytes may not have gone out.
    pub(super) const ALL: Self = Self {
        incoming_end: usize::MAX,
        outgoing_end: usize::MAX,
    };

    /// Bytes came in, and end here.
    pub(super) fn came_in(&mut self, end: *const c_uchar) {
        self.incoming_end = self.incoming_end.max(end as usize);
    }

    /// Bytes went out, which end here.
    pub(super) fn went_out(&mut self, end: *const c_uchar) {
        self.outgoing_end = self.outgoing_end.max(end as usize);
    }
}

/// The buffers of one context, to be taken from it by [`end`](Self::end) before it is freed.
pub(super) struct Buffers {
    incoming: Buffer,
    outgoing: Buffer,
    /// That of the next incoming record, while there are no buffers.
    sequence_number: SequenceNumber,
}

impl Buffers {
    /// Frees those that MbedTLS took for itself.
    ///
    /// # Safety
    ///
    /// The context was set up just now.
    pub(super) unsafe fn new(ssl: &mut Context) -> Self {
        let (incoming, outgoing) = (ssl.private_in_buf, ssl.private_out_buf);
        let this = Self {
            incoming: Buffer::of(ssl, &INTO_INCOMING),
            outgoing: Buffer::of(ssl, &INTO_OUTGOING),
            sequence_number: SequenceNumber::default(),
        };
        // SAFETY: MbedTLS allocated them, and nothing points to them any more. They hold nothing.
        unsafe {
            sys::mbedtls_free(incoming.cast());
            sys::mbedtls_free(outgoing.cast());
        }
        this
    }

    /// Makes sure that the context has its buffers.
    ///
    /// # Errors
    ///
    /// Then nothing is changed.
    pub(super) fn lend(&mut self, ssl: &mut Context) -> Result<(), OutOfMemory> {
        if ssl.private_in_buf.is_null() {
            let (incoming, outgoing) = (allocate(INCOMING)?, allocate(OUTGOING)?);
            self.incoming.enter(ssl, incoming);
            self.outgoing.enter(ssl, outgoing);
            // SAFETY: the buffer begins there, and is longer than that.
            unsafe {
                ssl.private_in_buf
                    .cast::<SequenceNumber>()
                    .write(self.sequence_number)
            };
        }
        Ok(())
    }

    /// Wipes and frees the buffers, if nothing is in them.
    pub(super) fn take_back(&mut self, ssl: &mut Context, used: &mut Used) {
        if !ssl.private_in_buf.is_null() && is_quiet(ssl) {
            // SAFETY: the buffer begins there, and `lend` wrote the number, or MbedTLS another.
            self.sequence_number = unsafe { ssl.private_in_buf.cast::<SequenceNumber>().read() };
            let used = mem::take(used);
            self.incoming.leave(ssl, used.incoming_end);
            self.outgoing.leave(ssl, used.outgoing_end);
        }
    }

    /// Wipes and frees the buffers, whatever is in them. All that may be done to the context
    /// afterwards is to free it.
    pub(super) fn end(&mut self, ssl: &mut Context) {
        ssl.private_in_offt = ptr::null_mut();
        self.incoming.leave(ssl, Used::ALL.incoming_end);
        self.outgoing.leave(ssl, Used::ALL.outgoing_end);
    }
}

/// Whether a context's buffers hold nothing that it will look at again, but the number of the next
/// record.
fn is_quiet(ssl: &Context) -> bool {
    let over = ssl.private_state == sys::mbedtls_ssl_states_MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
    // After the handshake a message was dealt with by the call that took it in, and all that is
    // done to it afterwards is to forget it (library/ssl_msg.c, ssl_consume_current_message).
    let was_last = over && ssl.private_in_hslen >= ssl.private_in_msglen;
    let no_message = ssl.private_in_msglen == 0 && ssl.private_in_hslen == 0;
    (no_message || was_last)
        // No record of which only a part has come in, no text of which only a part was read,
        && ssl.private_in_left == 0
        && ssl.private_in_offt.is_null()
        // no message that was put back, or of which there is only a fragment,
        && ssl.private_keep_current_message == 0
        && ssl.private_badmac_seen_or_in_hsfraglen == 0
        // and nothing that was not taken by `send`.
        && ssl.private_out_left == 0
}

/// One of the two.
struct Buffer {
    /// Not touched while MbedTLS has pointers to it. All is in its spare capacity.
    memory: Vec<u8>,
    /// The context's pointers to it; first the one to its beginning.
    pointers: &'static [Field; 6],
    /// How far from its beginning they pointed when they were taken away.
    offsets: [usize; 6],
}

impl Buffer {
    /// Takes a buffer's pointers away from a context.
    fn of(ssl: &mut Context, pointers: &'static [Field; 6]) -> Self {
        let mut this = Self {
            memory: Vec::new(),
            pointers,
            offsets: [0; 6],
        };
        this.leave(ssl, 0);
        this
    }

    /// Makes the context's pointers point to the same places of a new buffer.
    fn enter(&mut self, ssl: &mut Context, memory: Vec<u8>) {
        self.memory = memory;
        let start = self.memory.as_mut_ptr();
        for (pointer, offset) in self.pointers.iter().zip(self.offsets) {
            *pointer(ssl) = start.wrapping_add(offset);
        }
    }

    /// Makes the context's pointers null. Wipes the buffer up to an address, and frees it.
    fn leave(&mut self, ssl: &mut Context, used_end: usize) {
        let start = *self.pointers[0](ssl) as usize;
        for (pointer, offset) in self.pointers.iter().zip(&mut self.offsets) {
            let pointer = mem::replace(pointer(ssl), ptr::null_mut());
            *offset = (pointer as usize).wrapping_sub(start);
        }
        let mut memory = mem::take(&mut self.memory);
        let used = used_end.saturating_sub(start).min(memory.capacity());
        memory.spare_capacity_mut()[..used].zeroize();
    }
}

fn allocate(length: usize) -> Result<Vec<u8>, OutOfMemory> {
    let mut memory = Vec::new();
    // What is in it nobody reads: MbedTLS writes before it reads, as valgrind can tell.
    memory.try_reserve_exact(length).map_err(|_| OutOfMemory)?;
    Ok(memory)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::ffi::c_void;
    use std::sync::Mutex;
    use std::vec::Vec;

    use super::*;
    use crate::mbedtls::{Owned, random};
    use crate::tls::tests::{alone, library};

    unsafe extern "C" {
        fn calloc(count: usize, size: usize) -> *mut c_void;
        fn free(memory: *mut c_void);
    }

    /// What MbedTLS allocated: addresses and lengths.
    static ALLOCATED: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

    unsafe extern "C" fn noting_calloc(count: usize, size: usize) -> *mut c_void {
        // SAFETY: the same contract.
        let memory = unsafe { calloc(count, size) };
        ALLOCATED
            .lock()
            .unwrap()
            .push((memory as usize, count * size));
        memory
    }

    #[test]
    fn the_buffers_are_as_long_as_those_of_mbedtls() {
        let _alone = alone();
        library();
        let mut ssl = Owned::<Context>::new();
        let mut config = Owned::<sys::mbedtls_ssl_config>::new();
        // SAFETY: both structures are initialised, and `config` is dropped last, but for the
        // defaults, which read nothing. The C library's functions take each other's memory.
        let context = unsafe {
            let stream = sys::MBEDTLS_SSL_TRANSPORT_STREAM as c_int;
            let client = sys::MBEDTLS_SSL_IS_CLIENT as c_int;
            let preset = sys::MBEDTLS_SSL_PRESET_DEFAULT as c_int;
            sys::psa_crypto_init();
            sys::mbedtls_ssl_config_defaults(config.as_mut_ptr(), client, stream, preset);
            sys::mbedtls_ssl_conf_rng(config.as_mut_ptr(), Some(random), ptr::null_mut());
            sys::mbedtls_platform_set_calloc_free(Some(noting_calloc), Some(free));
            let result = sys::mbedtls_ssl_setup(ssl.as_mut_ptr(), config.as_ptr());
            sys::mbedtls_platform_set_calloc_free(Some(calloc), Some(free));
            assert_eq!(result, 0);
            &mut *ssl.as_mut_ptr()
        };
        let allocated = ALLOCATED.lock().unwrap();
        let length = |start: *mut c_uchar| {
            let found = allocated.iter().rfind(|(at, _)| *at == start as usize);
            found.expect("MbedTLS allocated it").1
        };
        let (incoming, outgoing) = (
            length(context.private_in_buf),
            length(context.private_out_buf),
        );
        // Not much longer, either: what it is made of is as it was.
        assert!((incoming..incoming + 400).contains(&INCOMING), "{incoming}");
        assert!((outgoing..outgoing + 400).contains(&OUTGOING), "{outgoing}");
        assert!(is_quiet(context));
    }
}
