//! MbedTLS on the chip: its randomness is the radio's noise, and its long arithmetic, hashes and
//! ciphers are the chip's. Its memory is the board's heap, its clock comes from the device.

use device::tls::Library;
use esp_hal::rng::Trng;
use mbedtls_rs_sys::hook::backend::esp::{EspAccel, EspAccelQueue};
use static_cell::StaticCell;

/// Sets MbedTLS up.
///
/// # Panics
///
/// If it was set up before, or the radio is not up.
#[expect(
    unsafe_code,
    reason = "hooks are MbedTLS's only way to the chip's hardware"
)]
pub(crate) fn install(accelerators: EspAccel<'static>) -> Library<'static> {
    static RANDOM: StaticCell<Trng> = StaticCell::new();
    static ACCELERATORS: StaticCell<EspAccel<'static>> = StaticCell::new();
    static QUEUE: StaticCell<EspAccelQueue<'static, 'static>> = StaticCell::new();
    let random = RANDOM.init(Trng::try_new().expect("the radio is up"));
    let library = Library::install(random).expect("it is set up once");
    let queue = QUEUE.init(ACCELERATORS.init(accelerators).start());
    // SAFETY: nothing has been computed yet, for the library was only set up; and the hooks stay.
    core::mem::forget(unsafe { queue.hook() });
    library
}
