//! The chip's hardware for hashes, ciphers and long numbers, as MbedTLS's hooks want it.

use mbedtls_rs_sys::hook::backend::esp::{EspAccel, EspAccelQueue};
use static_cell::StaticCell;

/// What the board connects.
pub(crate) type Port = EspAccel<'static>;

/// Lets MbedTLS use the hardware, for good. It is set up, but nothing was computed yet.
///
/// # Panics
///
/// If it was called before.
#[expect(
    unsafe_code,
    reason = "hooks are MbedTLS's only way to the chip's hardware"
)]
pub(crate) fn hook(port: Port) {
    static ACCELERATORS: StaticCell<EspAccel<'static>> = StaticCell::new();
    static QUEUE: StaticCell<EspAccelQueue<'static, 'static>> = StaticCell::new();
    let queue = QUEUE.init(ACCELERATORS.init(port).start());
    // SAFETY: nothing has been computed yet; and neither the hooks nor what serves them ever go.
    core::mem::forget(unsafe { queue.hook() });
}
