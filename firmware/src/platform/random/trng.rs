//! Randomness from the radio's noise, which esp-hal sees to.

pub(crate) use esp_hal::rng::Trng as Random;

/// The source.
///
/// # Panics
///
/// If the radio is not up.
pub(crate) fn source() -> Random {
    Random::try_new().expect("the radio is up")
}
