//! The buffers for records, no larger than what is in them.
//!
//! MbedTLS takes the largest record that there can be for each direction, 25 KiB in all, and keeps
//! them as long as the connection. No server need ever send such a record, but any may: the offers
//! of smaller ones (max_fragment_length, record_size_limit) many do not know. So a small buffer is
//! put in the place of the one for incoming records, and grows to a record's length once its
//! header told it; the one for outgoing records is exchanged after the handshake, from when on
//! records are as short as [`Session::write`](super::session::Session::write) makes them.
//!
//! This goes by how MbedTLS v3.6.5 uses its buffers, so that another version must be read first:
//! - All that comes in is put there by the callback, which knows where the buffer ends
//!   (library/ssl_msg.c, mbedtls_ssl_fetch_input); the rest is done in place.
//! - The pointers of the context that point into a buffer are those below. MbedTLS's own function
//!   to resize buffers, which is not compiled in, moves the same (library/ssl_tls.c,
//!   handle_buffer_resizing). Between two calls nothing else does.
//! - `mbedtls_ssl_free` wipes as many bytes as it believes there are, unless the buffer is null.

#![allow(unsafe_code)]

use core::ffi::c_uchar;
use core::ptr::{self, NonNull};

use mbedtls_rs_sys as sys;

/// Bytes for incoming records while there is no longer one: what a broker sends to a device, and
/// its tickets.
const INCOMING: usize = 1024;
/// The longest text of an outgoing record after the handshake.
const MOST_TEXT: usize = 1024;
/// A counter, a header, an IV, a tag and TLS 1.3's padding have less (library/ssl_misc.h,
/// MBEDTLS_SSL_OUT_BUFFER_LEN).
const AROUND_TEXT: usize = 96;

/// There is not that much memory.
pub(super) struct OutOfMemory;

/// How large the buffers are. Every context whose buffers were replaced must be handed to
/// [`Buffers::release`] before it is freed.
pub(super) struct Buffers {
    incoming: usize,
    /// None while it is MbedTLS's own.
    outgoing: Option<usize>,
}

impl Buffers {
    /// Replaces the buffer for incoming records.
    ///
    /// # Errors
    ///
    /// Then the context is as it was.
    ///
    /// # Safety
    ///
    /// The context was set up just now.
    pub(super) unsafe fn new(ssl: &mut sys::mbedtls_ssl_context) -> Result<Self, OutOfMemory> {
        let buffer = allocate(INCOMING)?;
        let old = ssl.private_in_buf;
        // SAFETY: MbedTLS's own is longer. It holds nothing yet, so nothing to wipe.
        unsafe {
            move_incoming(ssl, buffer, INCOMING);
            sys::mbedtls_free(old.cast());
        }
        Ok(Self {
            incoming: INCOMING,
            outgoing: None,
        })
    }

    /// Where the buffer for incoming records ends.
    pub(super) fn end(&self, ssl: &sys::mbedtls_ssl_context) -> *const c_uchar {
        ssl.private_in_buf.wrapping_add(self.incoming)
    }

    /// Makes the buffer for incoming records longer, by so many bytes.
    ///
    /// # Errors
    ///
    /// Then nothing is changed.
    pub(super) fn grow(
        &mut self,
        ssl: &mut sys::mbedtls_ssl_context,
        missing: usize,
    ) -> Result<(), OutOfMemory> {
        self.resize_incoming(ssl, self.incoming + missing)
    }

    /// Makes the buffer for incoming records small again, if nothing is in it. Where there is no
    /// memory for another, it stays.
    pub(super) fn shrink(&mut self, ssl: &mut sys::mbedtls_ssl_context) {
        let empty = ssl.private_in_left == 0
            && ssl.private_in_msglen == 0
            && ssl.private_in_hslen == 0
            && ssl.private_in_offt.is_null()
            && ssl.private_badmac_seen_or_in_hsfraglen == 0;
        if empty && self.incoming > INCOMING {
            let _ = self.resize_incoming(ssl, INCOMING);
        }
    }

    fn resize_incoming(
        &mut self,
        ssl: &mut sys::mbedtls_ssl_context,
        size: usize,
    ) -> Result<(), OutOfMemory> {
        let buffer = allocate(size)?;
        let old = ssl.private_in_buf;
        // SAFETY: the old one has `incoming` bytes, the new one `size`. What came in is wiped.
        unsafe {
            move_incoming(ssl, buffer, self.incoming.min(size));
            wipe_and_free(old, self.incoming);
        }
        self.incoming = size;
        Ok(())
    }

    /// Replaces the buffer for outgoing records by one for records of [`MOST_TEXT`], after the
    /// handshake and when all is sent. Where there is no memory for another, it stays.
    ///
    /// # Safety
    ///
    /// The handshake is over.
    pub(super) unsafe fn shrink_outgoing(&mut self, ssl: &mut sys::mbedtls_ssl_context) {
        const SIZE: usize = MOST_TEXT + AROUND_TEXT;
        if self.outgoing.is_some() || ssl.private_out_left != 0 {
            return;
        }
        let Ok(buffer) = allocate(SIZE) else {
            return;
        };
        let old = ssl.private_out_buf;
        // SAFETY: MbedTLS's own is longer, and the pointers point to its beginning, before the text
        // of a record. It holds certificates and what was encrypted: no secret is left.
        unsafe {
            ptr::copy_nonoverlapping(old, buffer.as_ptr(), SIZE);
            for pointer in [
                &mut ssl.private_out_buf,
                &mut ssl.private_out_ctr,
                &mut ssl.private_out_hdr,
                &mut ssl.private_out_len,
                &mut ssl.private_out_iv,
                &mut ssl.private_out_msg,
            ] {
                rebase(pointer, old, buffer);
            }
            sys::mbedtls_free(old.cast());
        }
        self.outgoing = Some(SIZE);
    }

    /// The longest text of a record that the buffer for outgoing ones has room for.
    pub(super) fn most_text(&self) -> usize {
        // MbedTLS knows how much its own takes.
        self.outgoing.map_or(usize::MAX, |_| MOST_TEXT)
    }

    /// Wipes and frees what is not as long as MbedTLS believes.
    ///
    /// # Safety
    ///
    /// All that is done to the context afterwards is to free it.
    pub(super) unsafe fn release(&mut self, ssl: &mut sys::mbedtls_ssl_context) {
        // SAFETY: the buffers have these lengths, and null is taken for none.
        unsafe {
            wipe_and_free(ssl.private_in_buf, self.incoming);
            ssl.private_in_buf = ptr::null_mut();
            if let Some(size) = self.outgoing {
                wipe_and_free(ssl.private_out_buf, size);
                ssl.private_out_buf = ptr::null_mut();
            }
        }
    }
}

/// Makes a context use another buffer for incoming records, with the first bytes of the one it has.
///
/// # Safety
///
/// Both have that many bytes.
unsafe fn move_incoming(
    ssl: &mut sys::mbedtls_ssl_context,
    buffer: NonNull<c_uchar>,
    bytes: usize,
) {
    let old = ssl.private_in_buf;
    // SAFETY: the caller's promise.
    unsafe { ptr::copy_nonoverlapping(old, buffer.as_ptr(), bytes) };
    for pointer in [
        &mut ssl.private_in_buf,
        &mut ssl.private_in_ctr,
        &mut ssl.private_in_hdr,
        &mut ssl.private_in_len,
        &mut ssl.private_in_iv,
        &mut ssl.private_in_msg,
        &mut ssl.private_in_offt,
    ] {
        rebase(pointer, old, buffer);
    }
}

/// Turns a pointer into the old buffer to the same place of the new one. Null stays null.
fn rebase(pointer: &mut *mut c_uchar, old: *mut c_uchar, new: NonNull<c_uchar>) {
    if !pointer.is_null() {
        let offset = (*pointer as usize).wrapping_sub(old as usize);
        *pointer = new.as_ptr().wrapping_add(offset);
    }
}

fn allocate(size: usize) -> Result<NonNull<c_uchar>, OutOfMemory> {
    // SAFETY: it returns that many bytes, or null.
    let buffer = unsafe { sys::mbedtls_calloc(1, size) };
    NonNull::new(buffer.cast()).ok_or(OutOfMemory)
}

/// # Safety
///
/// It came from MbedTLS's allocator with this length, and is not used any more.
unsafe fn wipe_and_free(buffer: *mut c_uchar, size: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        sys::mbedtls_platform_zeroize(buffer.cast(), size);
        sys::mbedtls_free(buffer.cast());
    }
}
