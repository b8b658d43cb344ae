//! MbedTLS on the chip: its randomness is the radio's noise. Its memory is the board's heap, its
//! clock comes from the device.

use device::tls::Library;
use esp_hal::rng::Trng;
use static_cell::StaticCell;

/// Sets MbedTLS up.
///
/// # Panics
///
/// If it was set up before, or the radio is not up.
pub(crate) fn install() -> Library<'static> {
    static RANDOM: StaticCell<Trng> = StaticCell::new();
    let random = RANDOM.init(Trng::try_new().expect("the radio is up"));
    Library::install(random).expect("it is set up once")
}
