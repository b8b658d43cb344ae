//! MbedTLS on the chip: its randomness is the radio's noise, and the chip computes for it what it
//! can. Its memory is the board's heap, its clock comes from the device.

use device::tls::Library;
use static_cell::StaticCell;

use super::random;
use crate::drivers::accelerators;

/// Sets MbedTLS up.
///
/// # Panics
///
/// If it was set up before, or the radio is not up.
pub(crate) fn install(port: accelerators::Port) -> Library<'static> {
    static RANDOM: StaticCell<random::Random> = StaticCell::new();
    let random = RANDOM.init(random::source());
    let library = Library::install(random).expect("it is set up once");
    // After the library's own hook, which a chip with hardware for curves replaces.
    accelerators::hook(port);
    library
}
